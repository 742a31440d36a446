#include <race/most_telling.hpp>

#include <gtest/gtest.h>

#include <boost/system/errc.hpp>

#include <cerrno>
#include <vector>

namespace dial::race {
namespace {

error_code system_error(int error) {
    return {error, boost::system::system_category()};
}

const error_code refused = system_error(ECONNREFUSED);
const error_code reset = system_error(ECONNRESET);
const error_code silent = system_error(ETIMEDOUT);
const error_code no_host = system_error(EHOSTUNREACH);
const error_code no_network = system_error(ENETUNREACH);
const error_code no_port = system_error(EADDRNOTAVAIL);
const error_code no_privilege = system_error(EPERM);

error_code of(const std::vector<error_code>& errors) {
    return most_telling(errors);
}

TEST(race_most_telling, peer_before_silence_before_host_before_network_before_local) {
    const std::vector<error_code> in_order{refused, silent, no_host, no_network, no_port};
    for (std::size_t i = 0; i != in_order.size(); ++i) {
        for (std::size_t j = i; j != in_order.size(); ++j) {
            EXPECT_EQ(of({in_order[i], in_order[j]}), in_order[i]);
            EXPECT_EQ(of({in_order[j], in_order[i]}), in_order[i]);
        }
    }
}

TEST(race_most_telling, refused_and_reset_are_answers_of_the_peer_and_the_first_counts) {
    EXPECT_EQ(of({no_port, refused, reset}), refused);
    EXPECT_EQ(of({silent, reset, refused}), reset);
}

TEST(race_most_telling, of_equal_ones_the_first_counts) {
    EXPECT_EQ(of({no_privilege, no_port}), no_privilege);
    EXPECT_EQ(of({no_port, no_privilege}), no_port);
}

TEST(race_most_telling, our_own_timeout_is_silence_as_the_kernels_is) {
    const error_code ours = error::timeout;
    EXPECT_EQ(who_says(ours), voice::silence);
    EXPECT_EQ(of({no_host, ours, silent}), ours);
    EXPECT_EQ(of({no_host, silent, ours}), silent);
    EXPECT_EQ(of({ours, refused}), refused);
}

TEST(race_most_telling, each_errno_speaks_for_someone) {
    EXPECT_EQ(who_says(system_error(EHOSTDOWN)), voice::host);
    EXPECT_EQ(who_says(system_error(ENETDOWN)), voice::network);
    EXPECT_EQ(who_says(system_error(ENONET)), voice::network);
    for (const int error : {EACCES, EPERM, EADDRNOTAVAIL, EADDRINUSE, EMFILE, ENOBUFS, EINVAL, EAFNOSUPPORT})
        EXPECT_EQ(who_says(system_error(error)), voice::local) << error;
}

TEST(race_most_telling, generic_errors_speak_as_those_of_the_system) {
    EXPECT_EQ(who_says(make_error_code(boost::system::errc::connection_refused)), voice::peer);
    EXPECT_EQ(who_says(make_error_code(boost::system::errc::timed_out)), voice::silence);
}

TEST(race_most_telling, numbers_of_other_categories_are_not_taken_for_errnos) {
    EXPECT_EQ(who_says({ECONNREFUSED, dial_category()}), voice::local);
    EXPECT_EQ(who_says(error::no_addresses), voice::local);
}

TEST(race_most_telling, no_error_is_the_least_telling) {
    EXPECT_EQ(who_says({}), voice::nobody);
    EXPECT_EQ(of({{}, no_port, {}}), no_port);
    EXPECT_EQ(of({{}, {}}), error_code{});
    EXPECT_EQ(of({}), error_code{});
}

}  // namespace
}  // namespace dial::race
