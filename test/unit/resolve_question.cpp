// What a target needs looked up: the order of what was found, and the reason where nothing was.
#include <resolve/question.hpp>
#include <support/resolvers.hpp>

#include <boost/asio/error.hpp>

#include <gtest/gtest.h>
#include <net/if.h>

#include <cerrno>
#include <optional>
#include <vector>

namespace dial::test {
namespace {

namespace asio = boost::asio;
using asio::ip::make_address_v4;
using asio::ip::make_address_v6;
using resolve::destination_order;
using resolve::why_no_addresses;
using indexes = std::vector<std::size_t>;

const error_code nothing_wrong{}, not_found = asio::error::host_not_found, no_data = asio::error::no_data,
                                  try_again = asio::error::host_not_found_try_again,
                                  no_recovery = asio::error::no_recovery;

TEST(resolve_question, the_reason_for_no_addresses_is_trouble_before_no_such_name_before_nothing) {
    const error_code out_of_files{EMFILE, boost::system::system_category()};
    const struct {
        std::vector<error_code> heard;
        error_code why;
    } table[] = {
        {{}, error::no_addresses},
        {{nothing_wrong}, error::no_addresses},
        {{nothing_wrong, nothing_wrong}, error::no_addresses},
        {{not_found, not_found}, not_found},
        {{nothing_wrong, not_found}, not_found},
        {{no_data, nothing_wrong}, no_data},
        {{no_data, not_found}, not_found},
        {{not_found, try_again}, try_again},
        {{no_recovery, not_found}, no_recovery},
        {{nothing_wrong, out_of_files}, out_of_files},
        {{try_again, out_of_files}, try_again},  // of equals, the first
        {{out_of_files, try_again}, out_of_files},
        {{asio::error::service_not_found}, asio::error::service_not_found},
    };
    for (const auto& [heard, why] : table) {
        EXPECT_EQ(why_no_addresses(heard), why) << testing::PrintToString(heard);
        EXPECT_TRUE(why_no_addresses(heard)) << "no success without an address";
    }
}

TEST(resolve_question, what_leaves_no_choice_is_in_order) {
    EXPECT_EQ(destination_order({}, {}, {}), indexes{});
    EXPECT_EQ(destination_order(addresses({"127.0.0.1"}), {}, {}), indexes{0});
    EXPECT_EQ(destination_order(addresses({"::1"}), {}, {}), indexes{0});
}

TEST(resolve_question, loopback_is_best_over_ipv6_and_equal_addresses_keep_their_order) {
    EXPECT_EQ(destination_order(addresses({"127.0.0.1", "::1"}), {}, {}), (indexes{1, 0}));
    EXPECT_EQ(destination_order(addresses({"127.0.0.3", "127.0.0.1", "127.0.0.2"}), {}, {}), (indexes{0, 1, 2}));
    EXPECT_EQ(
        destination_order(addresses({"127.0.0.3", "127.0.0.1", "::1", "127.0.0.2"}), {}, {}), (indexes{2, 0, 1, 3}));
}

TEST(resolve_question, a_source_that_the_caller_has_chosen_counts_instead_of_the_kernels) {
    const auto both = addresses({"::1", "127.0.0.1"});
    const auto v4 = make_address_v4("127.0.0.5");
    const auto global = make_address_v6("2001:db8::1");  // another scope than ::1 has: rule 2
    EXPECT_EQ(destination_order(both, v4, make_address_v6("::1")), (indexes{0, 1}));
    EXPECT_EQ(destination_order(both, v4, global), (indexes{1, 0}));
    EXPECT_EQ(destination_order(both, {}, global), (indexes{1, 0})) << "that of IPv4 is asked for";
    EXPECT_EQ(destination_order(addresses({"127.0.0.1", "::1"}), make_address_v4("192.0.2.1"), {}), (indexes{1, 0}));
}

TEST(resolve_question, the_index_of_an_interface_is_that_of_its_name_or_0_and_errno) {
    EXPECT_EQ(resolve::interface_index("lo"), ::if_nametoindex("lo"));
    errno = 0;
    EXPECT_EQ(resolve::interface_index("nosuch0"), 0u);
    EXPECT_NE(errno, 0);
}

}  // namespace
}  // namespace dial::test
