// Destination order: the cases of test/data/order.txt, each rule by itself, and a slow model written after the RFC.
#include <resolve/engine.hpp>

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <numeric>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>

namespace dial::resolve {
namespace {

using indexes = std::vector<std::size_t>;
using words = std::vector<std::string>;

address parse(const std::string& text) {
    address a;
    const std::string v6 = text.find(':') == text.npos ? "::ffff:" + text : text;
    if (::inet_pton(AF_INET6, v6.c_str(), a.bytes.data()) != 1) throw std::runtime_error{"no address: " + text};
    return a;
}

destination to(const std::string& there, const std::string& from) {
    return {.to = parse(there), .from = parse(from)};
}

destination unreachable(const std::string& there) {
    return {.to = parse(there)};
}

// --- test/data/order.txt ---

struct order_case {
    std::string title;
    std::vector<destination> destinations = {};
    std::vector<policy> policies = {};
    std::vector<address> expected = {};
    bool also_reversed = false;
    std::vector<words> facts = {};  // the lines that are about addresses by themselves
};

policy parse_policy(const words& w) {
    const std::size_t slash = w.at(1).find('/');
    return {parse(w[1].substr(0, slash)), std::stoul(w[1].substr(slash + 1)), std::stoi(w.at(2)), std::stoi(w.at(3))};
}

destination parse_destination(const words& w) {
    destination d = w.at(3) == "none" ? unreachable(w.at(1)) : to(w.at(1), w.at(3));
    d.from_home = std::ranges::count(w, "home") != 0;
    d.from_deprecated = std::ranges::count(w, "deprecated") != 0;
    return d;
}

void add_line(order_case& c, const words& w) {
    if (w.at(0) == "to")
        c.destinations.push_back(parse_destination(w));
    else if (w[0] == "policy")
        c.policies.push_back(parse_policy(w));
    else if (w[0] == "order")
        std::transform(w.begin() + 1, w.end(), std::back_inserter(c.expected), parse);
    else if (w[0] == "also_reversed")
        c.also_reversed = true;
    else if (w[0] == "classify" || w[0] == "common")
        c.facts.push_back(w);
    else
        throw std::runtime_error{"no such word: " + w[0]};
}

std::vector<order_case> read_cases(const std::string& path) {
    std::vector<order_case> all;
    std::ifstream file{path};
    for (std::string line; std::getline(file, line);) {
        std::istringstream in{line};
        const words w{std::istream_iterator<std::string>{in}, {}};
        if (w.empty() || w[0].starts_with('#')) continue;
        if (line[0] != ' ')
            all.push_back({.title = line});
        else
            add_line(all.at(all.size() - 1), w);
    }
    return all;
}

std::vector<address> sorted(const std::vector<destination>& all, std::span<const policy> policies) {
    std::vector<address> result;
    for (const std::size_t i : order(all, policies)) result.push_back(all[i].to);
    return result;
}

void check_fact(const words& w) {
    if (w[0] == "common") {
        EXPECT_EQ(common_prefix_length(parse(w.at(1)), parse(w.at(2))), std::stoul(w.at(3)));
        return;
    }
    const address a = parse(w.at(1));
    for (std::size_t i = 2; i < w.size(); i += 2) {
        const int expected = std::stoi(w.at(i + 1));
        if (w[i] == "precedence")
            EXPECT_EQ(policy_for(a).precedence, expected);
        else if (w[i] == "label")
            EXPECT_EQ(policy_for(a).label, expected);
        else if (w[i] == "scope")
            EXPECT_EQ(scope_of(a), expected);
        else
            throw std::runtime_error{"no such word: " + w[i]};
    }
}

TEST(resolve_engine, every_case_of_the_collection_comes_out_as_it_says) {
    const std::vector<order_case> all = read_cases(DIAL_TEST_DATA "/order.txt");
    EXPECT_GT(all.size(), 30u);
    for (order_case c : all) {
        SCOPED_TRACE(c.title);
        if (c.policies.empty()) c.policies.assign(default_policies.begin(), default_policies.end());
        EXPECT_EQ(sorted(c.destinations, c.policies), c.expected);
        std::ranges::reverse(c.destinations);
        if (c.also_reversed) {
            EXPECT_EQ(sorted(c.destinations, c.policies), c.expected);
        }
        for (const words& w : c.facts) check_fact(w);
    }
}

// --- Section 6, rule by rule ---

// In either order of the two: the rule decides, and nothing else.
void expect_first(const destination& better, const destination& worse) {
    EXPECT_EQ(order(std::vector{better, worse}), (indexes{0, 1}));
    EXPECT_EQ(order(std::vector{worse, better}), (indexes{1, 0}));
}

void expect_equal(const destination& a, const destination& b) {
    EXPECT_EQ(order(std::vector{a, b}), (indexes{0, 1}));
    EXPECT_EQ(order(std::vector{b, a}), (indexes{0, 1}));
}

TEST(resolve_engine, nothing_to_order_is_no_order) {
    EXPECT_EQ(order({}), indexes{});
    EXPECT_EQ(order(std::vector{unreachable("::1")}), indexes{0});
}

TEST(resolve_engine, what_cannot_be_reached_comes_last) {
    expect_first(to("198.51.100.1", "169.254.1.1"), unreachable("2001:db8::1"));
}

TEST(resolve_engine, among_those_that_cannot_be_reached_ipv6_is_first) {
    expect_first(unreachable("2001:db8::1"), unreachable("198.51.100.1"));
}

TEST(resolve_engine, a_source_of_the_scope_of_the_destination_is_better) {
    expect_first(to("198.51.100.1", "10.0.0.1"), to("2001:db8::1", "fe80::1"));
}

TEST(resolve_engine, a_deprecated_source_is_worse) {
    destination deprecated = to("2001:db8::1", "2001:db8::9");
    deprecated.from_deprecated = true;
    expect_first(to("198.51.100.1", "10.0.0.1"), deprecated);
}

TEST(resolve_engine, a_home_address_is_better) {
    destination home = to("198.51.100.1", "10.0.0.1");
    home.from_home = true;
    expect_first(home, to("2001:db8::1", "2001:db8::9"));
}

TEST(resolve_engine, a_source_of_the_label_of_the_destination_is_better) {
    expect_first(to("198.51.100.1", "10.0.0.1"), to("2001:db8::1", "fd00::1"));
}

TEST(resolve_engine, a_higher_precedence_is_better) {
    expect_first(to("::1", "::1"), to("127.0.0.1", "127.0.0.1"));
    expect_first(to("2001:db8::1", "2001:db8::9"), to("198.51.100.1", "198.51.100.1"));
    expect_first(to("198.51.100.1", "10.0.0.1"), to("fd00::1", "fd00::1"));
}

TEST(resolve_engine, a_tunnel_is_worse) {
    destination tunnel = to("2001:db8::1", "2001:db8::1");
    tunnel.encapsulated = true;
    expect_first(to("2001:db9::1", "2001:db8::1"), tunnel);
}

TEST(resolve_engine, a_smaller_scope_is_better) {
    expect_first(to("fe80::1", "fe80::2"), to("2001:db8::1", "2001:db8::1"));
    expect_first(to("169.254.1.1", "169.254.1.2"), to("198.51.100.1", "198.51.100.2"));
}

TEST(resolve_engine, more_bits_in_common_with_the_source_are_better) {
    expect_first(to("2001:db8:0:8000::1", "2001:db8::1"), to("2001:db8:1::1", "2001:db8::1"));
}

TEST(resolve_engine, bits_that_name_a_host_do_not_count) {
    expect_equal(to("2001:db8::1", "2001:db8::1"), to("2001:db8::ffff:0:0:1", "2001:db8::1"));
}

TEST(resolve_engine, bits_in_common_do_not_count_for_ipv4) {
    expect_equal(to("10.0.0.2", "10.0.0.1"), to("198.51.100.1", "10.0.0.1"));
}

TEST(resolve_engine, a_table_that_ranks_both_families_alike_puts_ipv6_first_and_the_longer_prefix_before_the_shorter) {
    std::vector<policy> alike{default_policies.begin(), default_policies.end()};
    for (policy& p : alike) p.precedence = 40;
    std::vector<destination> all{
        to("2001:db8::1", "2001:db8::9"), to("2001:db9::1", "2001:db8::9"), to("198.51.100.1", "10.0.0.1")};
    std::vector<address> expected;
    for (const destination& d : all) expected.push_back(d.to);
    for (unsigned i = 0; i != 20; ++i) {
        EXPECT_EQ(sorted(all, alike), expected);
        std::ranges::shuffle(all, std::mt19937{i});
    }
}

// --- What the rules are made of ---

TEST(resolve_engine, loopback_has_the_scope_of_a_link_and_private_ipv4_is_global) {
    EXPECT_EQ(scope_of(parse("127.255.0.1")), 2);
    EXPECT_EQ(scope_of(parse("::1")), 2);
    for (const char* a : {"10.0.0.1", "172.16.0.1", "192.168.0.1", "169.253.0.1", "::", "::2", "fd00::1", "fe00::1"})
        EXPECT_EQ(scope_of(parse(a)), 14) << a;
}

TEST(resolve_engine, scopes_of_unicast_end_where_their_prefix_does) {
    EXPECT_EQ(scope_of(parse("febf:ffff::1")), 2);
    EXPECT_EQ(scope_of(parse("fec0::")), 5);
    EXPECT_EQ(scope_of(parse("feff::")), 5);
}

TEST(resolve_engine, the_longest_prefix_of_the_table_counts_wherever_it_stands) {
    std::vector<policy> table{default_policies.begin(), default_policies.end()};
    for (unsigned i = 0; i != 20; ++i) {
        EXPECT_EQ(policy_for(parse("::1"), table).label, 0);
        EXPECT_EQ(policy_for(parse("::1.2.3.4"), table).label, 3);
        EXPECT_EQ(policy_for(parse("1.2.3.4"), table).label, 4);
        EXPECT_EQ(policy_for(parse("2001:1::1"), table).label, 1);  // next to Teredo
        EXPECT_EQ(policy_for(parse("fdff::1"), table).label, 13);
        std::ranges::shuffle(table, std::mt19937{i});
    }
}

TEST(resolve_engine, a_table_may_have_no_line_for_an_address) {
    EXPECT_EQ(policy_for(parse("::1"), {}).precedence, 0);
    EXPECT_EQ(order(std::vector{to("::1", "::1"), to("127.0.0.1", "127.0.0.1")}, {}).size(), 2u);
}

TEST(resolve_engine, bits_in_common_are_counted_within_a_family) {
    EXPECT_EQ(common_prefix_length(parse("2001:db8::"), parse("2001:db9::")), 31u);
    EXPECT_EQ(common_prefix_length(parse("fe80::"), parse("7e80::")), 0u);
    EXPECT_EQ(common_prefix_length(parse("::1"), parse("::1")), 64u);
    EXPECT_EQ(common_prefix_length(parse("::"), parse("0.0.0.0")), 0u);
}

// --- Any list ---

// Section 6 as it is written, two destinations at a time: whether `a` is to be preferred.
bool preferred(const destination& a, const destination& b) {
    const auto both = [&](auto what) { return std::pair{what(a), what(b)}; };
    const auto decided = [](auto pair) { return pair.first != pair.second; };

    const auto reachable = both([](const destination& d) { return d.from.has_value(); });
    if (decided(reachable)) return reachable.first;
    const auto scope = both([](const destination& d) { return d.from && scope_of(d.to) == scope_of(*d.from); });
    if (decided(scope)) return scope.first;
    if (a.from_deprecated != b.from_deprecated) return b.from_deprecated;
    if (a.from_home != b.from_home) return a.from_home;
    const auto label =
        both([](const destination& d) { return d.from && policy_for(d.to).label == policy_for(*d.from).label; });
    if (decided(label)) return label.first;
    const auto precedence = both([](const destination& d) { return policy_for(d.to).precedence; });
    if (decided(precedence)) return precedence.first > precedence.second;
    if (a.encapsulated != b.encapsulated) return b.encapsulated;
    if (scope_of(a.to) != scope_of(b.to)) return scope_of(a.to) < scope_of(b.to);
    if (is_v4(a.to) || is_v4(b.to) || !a.from || !b.from) return false;
    return common_prefix_length(*a.from, a.to) > common_prefix_length(*b.from, b.to);
}

// Few different addresses, so that there are many ties; sources of the family of the destination, as there are.
class lists {
public:
    explicit lists(unsigned seed) : random_{seed} {}

    std::vector<destination> next() {
        std::vector<destination> all(below(40));  // more than what std::sort happens to keep in order
        for (destination& d : all) d = one();
        return all;
    }

private:
    std::size_t below(std::size_t n) { return random_() % n; }
    bool seldom() { return below(8) == 0; }

    destination one() {
        static const std::array<words, 2> addresses{{
            {"10.0.0.1", "198.51.100.1", "169.254.0.1", "127.0.0.1", "203.0.113.5"},
            {"::1", "2001:db8::1", "2001:db8:8000::1", "2001:db9::1", "fe80::1", "2002::1", "2001::1", "fd00::1",
                "fec0::1", "ff02::1", "::1.2.3.4"},
        }};
        const words& family = addresses[below(2)];
        destination d = to(family[below(family.size())], family[below(family.size())]);
        if (seldom()) d.from.reset();
        d.from_deprecated = seldom();
        d.from_home = seldom();
        d.encapsulated = seldom();
        return d;
    }

    std::mt19937 random_;
};

TEST(resolve_engine, any_list_is_permuted_as_the_rfc_has_it_and_equal_ones_keep_their_order) {
    lists random{6724};
    for (int round = 0; round != 500; ++round) {
        const std::vector<destination> all = random.next();
        const indexes result = order(all);

        indexes every(all.size());
        std::iota(every.begin(), every.end(), std::size_t{0});
        ASSERT_TRUE(std::ranges::is_permutation(result, every));
        for (auto later = result.begin(); later != result.end(); ++later) {
            for (auto earlier = result.begin(); earlier != later; ++earlier) {
                ASSERT_FALSE(preferred(all[*later], all[*earlier])) << "round " << round;
                ASSERT_TRUE(*earlier < *later || preferred(all[*earlier], all[*later])) << "round " << round;
            }
        }
    }
}

// What a comparison that goes in circles could not promise.
TEST(resolve_engine, taking_a_destination_out_leaves_the_order_of_the_others) {
    lists random{3484};
    for (int round = 0; round != 500; ++round) {
        std::vector<destination> all = random.next();
        if (all.empty()) continue;
        indexes expected = order(all);
        std::erase(expected, all.size() - 1);
        all.pop_back();
        ASSERT_EQ(order(all), expected) << "round " << round;
    }
}

}  // namespace
}  // namespace dial::resolve
