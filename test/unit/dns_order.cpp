// The order in which the hosts of a service are tried.
#include <dns/order.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace dial::test {
namespace {

using dns::alias_of;
using dns::binding_order;
using dns::srv_order;
using names = std::vector<std::string>;
using limits = std::vector<std::uint32_t>;

// Draws the numbers it was given, then zeros; notes the limits it was asked for.
class script {
public:
    explicit script(std::vector<std::uint32_t> numbers) : numbers_{std::move(numbers)} {}

    dns::random_source source() {
        return [this](std::uint32_t below) {
            asked.push_back(below);
            return next_ < numbers_.size() ? numbers_[next_++] : 0;
        };
    }
    limits asked;

private:
    std::vector<std::uint32_t> numbers_;
    std::size_t next_ = 0;
};

dns::random_source seeded(std::uint32_t seed) {
    return [engine = std::mt19937{seed}](std::uint32_t below) mutable {
        return std::uniform_int_distribution<std::uint32_t>{0, below - 1}(engine);
    };
}

service_record service(std::uint16_t priority, std::uint16_t weight, std::string host) {
    return {priority, weight, 80, std::move(host)};
}

service_binding binding(std::uint16_t priority, std::string host, names alpn = {}, bool no_default_alpn = false) {
    service_binding b;
    b.priority = priority;
    b.host = std::move(host);
    b.alpn = std::move(alpn);
    b.no_default_alpn = no_default_alpn;
    return b;
}

template <class Record>
names hosts(const std::vector<Record>& records) {
    names all;
    for (const auto& r : records) all.push_back(r.host);
    return all;
}

names in_order(std::vector<service_record> records, std::vector<std::uint32_t> numbers = {}) {
    script numbered{std::move(numbers)};
    return hosts(srv_order(std::move(records), numbered.source()));
}
names in_order(std::vector<service_binding> records, std::vector<std::uint32_t> numbers = {}) {
    script numbered{std::move(numbers)};
    return hosts(binding_order(std::move(records), numbered.source()));
}

// --- SRV ---

TEST(dns_order, srv_lower_priorities_come_first) {
    EXPECT_EQ(in_order({service(20, 0, "c"), service(0, 1, "a"), service(65535, 0, "d"), service(10, 65535, "b")}),
        (names{"a", "b", "c", "d"}));
    EXPECT_EQ(in_order(std::vector<service_record>{}), names{});
}

TEST(dns_order, srv_each_number_of_the_running_sum_picks_its_record) {
    const std::vector records{service(1, 10, "a"), service(1, 20, "b"), service(1, 30, "c")};
    const std::pair<std::uint32_t, std::string> table[] = {
        {0, "a"}, {1, "a"}, {10, "a"}, {11, "b"}, {30, "b"}, {31, "c"}, {60, "c"}};
    for (const auto& [number, first] : table) EXPECT_EQ(in_order(records, {number})[0], first) << number;
    EXPECT_EQ(in_order(records, {31, 11, 0}), (names{"c", "b", "a"}));
    EXPECT_EQ(in_order(records, {11, 11, 0}), (names{"b", "c", "a"}));
}

TEST(dns_order, srv_numbers_are_drawn_from_zero_to_the_sum_of_those_that_are_left) {
    script numbers{{31, 10}};
    srv_order({service(1, 10, "a"), service(1, 20, "b"), service(1, 30, "c"), service(2, 7, "d")}, numbers.source());
    EXPECT_EQ(numbers.asked, (limits{61, 31, 21, 8}));
}

TEST(dns_order, srv_of_weight_0_comes_last_but_for_a_small_chance) {
    const std::vector records{service(1, 5, "a"), service(1, 0, "zero"), service(1, 5, "b")};
    EXPECT_EQ(in_order(records, {0})[0], "zero");
    EXPECT_EQ(in_order(records, {1, 1}), (names{"a", "b", "zero"}));
    EXPECT_EQ(in_order(records, {6, 5}), (names{"b", "a", "zero"}));
}

TEST(dns_order, srv_where_all_have_weight_0_keeps_its_order) {
    script numbers{{}};
    EXPECT_EQ(hosts(srv_order({service(1, 0, "b"), service(1, 0, "a"), service(1, 0, "c")}, numbers.source())),
        (names{"b", "a", "c"}));
    EXPECT_EQ(numbers.asked, (limits{1, 1, 1}));
}

TEST(dns_order, srv_takes_the_first_64_by_priority) {
    std::vector<service_record> many;
    for (std::uint16_t i = 0; i != 200; ++i)
        many.push_back(service(static_cast<std::uint16_t>(200 - i), 65535, std::to_string(200 - i)));
    const auto got = srv_order(many, seeded(1));
    ASSERT_EQ(got.size(), 64u);
    for (std::uint16_t i = 0; i != 64; ++i) EXPECT_EQ(got[i].priority, i + 1);

    for (auto& r : many) r.priority = 0;
    script numbers{{}};
    EXPECT_EQ(srv_order(many, numbers.source()).size(), 64u);
    EXPECT_EQ(numbers.asked[0], 64u * 65535 + 1);
}

TEST(dns_order, srv_the_first_are_as_many_as_their_weights_say) {
    std::map<std::string, int> first;
    const auto random = seeded(42);
    for (int i = 0; i != 10'000; ++i)
        ++first[srv_order(
            {service(1, 10, "a"), service(1, 0, "zero"), service(1, 30, "b"), service(1, 60, "c")}, random)[0]
                    .host];
    EXPECT_NEAR(first["a"], 1000, 300);
    EXPECT_NEAR(first["b"], 3000, 300);
    EXPECT_NEAR(first["c"], 6000, 300);
    EXPECT_LT(first["zero"], 300);
}

TEST(dns_order, a_source_that_goes_too_far_does_no_harm) {
    const dns::random_source wild = [](std::uint32_t) { return 0xffff'ffff; };
    EXPECT_EQ(hosts(srv_order({service(1, 1, "a"), service(1, 1, "b")}, wild)), (names{"b", "a"}));
    EXPECT_EQ(hosts(binding_order({binding(1, "a"), binding(1, "b")}, wild)), (names{"a", "b"}));
    const std::vector aliases{binding(0, "a"), binding(0, "b")};
    EXPECT_EQ(alias_of(aliases, wild), &aliases[1]);
}

// --- SVCB and HTTPS ---

TEST(dns_order, bindings_of_lower_priorities_come_first) {
    EXPECT_EQ(in_order({binding(20, "c"), binding(1, "a"), binding(65535, "d"), binding(10, "b")}),
        (names{"a", "b", "c", "d"}));
    EXPECT_EQ(in_order(std::vector<service_binding>{}), names{});
}

TEST(dns_order, bindings_of_one_priority_are_shuffled) {
    const std::vector records{binding(2, "z"), binding(1, "a"), binding(1, "b"), binding(1, "c")};
    EXPECT_EQ(in_order(records, {2, 1}), (names{"a", "b", "c", "z"}));
    EXPECT_EQ(in_order(records, {0, 1}), (names{"c", "b", "a", "z"}));
    script numbers{{}};
    binding_order(records, numbers.source());
    EXPECT_EQ(numbers.asked, (limits{3, 2}));

    std::map<names, int> seen;
    const auto random = seeded(42);
    for (int i = 0; i != 6000; ++i) ++seen[hosts(binding_order(records, random))];
    EXPECT_EQ(seen.size(), 6u);
    for (const auto& [order, times] : seen) EXPECT_NEAR(times, 1000, 200) << testing::PrintToString(order);
}

TEST(dns_order, bindings_that_are_not_understood_are_left_out) {
    std::vector records{binding(1, "a"), binding(2, "b")};
    records[0].understood = false;
    EXPECT_EQ(in_order(records), names{"b"});
}

TEST(dns_order, bindings_for_quic_alone_are_left_out) {
    for (const auto& ids : {names{"h3"}, names{"h3-29"}, names{"doq"}, names{"h3", "h3-29", "doq"}}) {
        EXPECT_EQ(in_order({binding(1, "a", ids, true), binding(2, "b")}), names{"b"}) << testing::PrintToString(ids);
        EXPECT_EQ(in_order({binding(1, "a", ids)}), names{"a"}) << "the default protocol is there too";
    }
    for (const auto& ids : {names{"h2"}, names{"h3", "h2"}, names{"h3x"}, names{"dot"}, names{"H3"}, names{""}})
        EXPECT_EQ(in_order({binding(1, "a", ids, true)}), names{"a"}) << testing::PrintToString(ids);
}

TEST(dns_order, bindings_do_not_count_beside_an_alias) {
    EXPECT_EQ(in_order({binding(1, "a"), binding(0, "alias")}), names{});
}

TEST(dns_order, bindings_take_the_first_64_by_priority) {
    std::vector<service_binding> many;
    for (std::uint16_t i = 200; i != 0; --i) many.push_back(binding(i, std::to_string(i)));
    const auto got = binding_order(many, seeded(1));
    ASSERT_EQ(got.size(), 64u);
    EXPECT_EQ(got.back().priority, 64);
}

TEST(dns_order, an_alias_is_one_at_random) {
    const std::vector records{binding(0, "a"), binding(1, "x"), binding(0, "b"), binding(0, "c")};
    for (const std::uint32_t number : {0u, 1u, 2u}) {
        script numbers{{number}};
        EXPECT_EQ(alias_of(records, numbers.source())->host, std::string(1, static_cast<char>('a' + number)));
        EXPECT_EQ(numbers.asked, limits{3});
    }
    const auto random = seeded(1);
    EXPECT_EQ(alias_of(std::vector<service_binding>{}, random), nullptr);
    EXPECT_EQ(alias_of(std::vector{binding(1, "x")}, random), nullptr);
}

}  // namespace
}  // namespace dial::test
