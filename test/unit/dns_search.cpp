// Names behind which search domains are tried, and which of them is the one.
#include <dns/search.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>
#include <ostream>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace dial::dns {

// For messages.
inline void PrintTo(outcome o, std::ostream* out) {
    constexpr const char* words[] = {"addresses", "nothing", "no_such_name", "server_failed", "failed"};
    *out << words[static_cast<int>(o)];
}
inline void PrintTo(const search::query& q, std::ostream* out) {
    *out << "name " << q.name << (q.of == family::v4 ? " v4" : " v6");
}
inline void PrintTo(const search::end& e, std::ostream* out) {
    PrintTo(e.how, out);
    *out << " of name " << e.name;
}

namespace {

using names = std::vector<std::string>;
using queries = std::vector<search::query>;
using end = search::end;
constexpr auto v4 = family::v4, v6 = family::v6;
constexpr auto addresses = outcome::addresses, nothing = outcome::nothing, no_such_name = outcome::no_such_name,
               server_failed = outcome::server_failed, failed = outcome::failed;

// --- Names ---

TEST(dns_search, a_name_with_a_final_dot_is_tried_only_as_it_is) {
    for (const int ndots : {0, 1, 5}) {
        EXPECT_EQ(names_for("db.", names{"example.com"}, ndots), names{"db"});
        EXPECT_EQ(names_for("a.b.", names{"example.com"}, ndots), names{"a.b"});
    }
}

TEST(dns_search, a_name_with_ndots_dots_or_more_is_first_tried_as_it_is) {
    const names domains{"one.example", "two.example"};
    EXPECT_EQ(names_for("a.b", domains, 1), (names{"a.b", "a.b.one.example", "a.b.two.example"}));
    EXPECT_EQ(names_for("a.b.c", domains, 2), (names{"a.b.c", "a.b.c.one.example", "a.b.c.two.example"}));
    EXPECT_EQ(names_for("a", domains, 0), (names{"a", "a.one.example", "a.two.example"}));
}

TEST(dns_search, one_with_fewer_is_tried_in_the_domains_first_and_then_as_it_is) {
    const names domains{"one.example", "two.example"};
    EXPECT_EQ(names_for("a", domains, 1), (names{"a.one.example", "a.two.example", "a"}));
    EXPECT_EQ(names_for("a.b", domains, 2), (names{"a.b.one.example", "a.b.two.example", "a.b"}));
}

TEST(dns_search, without_domains_there_is_one_name) {
    for (const int ndots : {0, 1, 5}) {
        EXPECT_EQ(names_for("db", {}, ndots), names{"db"});
        EXPECT_EQ(names_for("db.example", {}, ndots), names{"db.example"});
    }
}

TEST(dns_search, the_root_as_a_domain_means_the_name_as_it_is) {
    EXPECT_EQ(names_for("a", names{"."}, 1), names{"a"});
    EXPECT_EQ(names_for("a", names{".", "example"}, 1), (names{"a", "a.example"}));
    EXPECT_EQ(names_for("a", names{"example", "."}, 1), (names{"a.example", "a"}));
    EXPECT_EQ(names_for("a", names{""}, 1), names{"a"});
}

TEST(dns_search, a_domain_may_have_dots_at_its_ends) {
    EXPECT_EQ(names_for("a", names{"one.example.", ".two.example"}, 1), (names{"a.one.example", "a.two.example", "a"}));
}

TEST(dns_search, a_name_is_tried_once_however_it_is_written) {
    EXPECT_EQ(names_for("a.b", names{"example", "EXAMPLE.", "example"}, 1), (names{"a.b", "a.b.example"}));
    EXPECT_EQ(names_for("a.b", names{"."}, 1), names{"a.b"});
}

TEST(dns_search, a_name_of_over_253_bytes_is_left_out) {
    const std::string label(59, 'x'), name = label + '.' + label + '.' + label + '.' + label;  // 239
    const std::string fits(13, 'y'), over(14, 'y');
    EXPECT_EQ(names_for(name, names{fits}, 9), (names{name + '.' + fits, name}));
    EXPECT_EQ(names_for(name, names{over}, 9), names{name});
    EXPECT_EQ(names_for(std::string(254, 'x'), names{"example"}, 1), names{});
    EXPECT_EQ(names_for(std::string(253, 'x') + '.', {}, 1), names{std::string(253, 'x')});
}

TEST(dns_search, of_no_name_no_name_can_be_made) {
    EXPECT_EQ(names_for("", names{"example"}, 1), names{});
    EXPECT_EQ(names_for(".", names{"example"}, 1), names{});
}

TEST(dns_search, the_case_of_a_name_is_kept) {
    EXPECT_EQ(names_for("Db", names{"Example.COM"}, 1), (names{"Db.Example.COM", "Db"}));
}

// --- One name ---

TEST(dns_search, of_one_name_only_the_families_that_are_wanted_are_asked_for) {
    for (const outcome each : {addresses, nothing, no_such_name, server_failed, failed}) {
        search s{1};
        EXPECT_EQ(s.next(), queries{});
        s.want(v6);
        EXPECT_EQ(s.next(), (queries{{0, v6}}));
        EXPECT_EQ(s.next(), queries{}) << "once";
        EXPECT_EQ(s.result(v6), std::nullopt);
        s.on_outcome({0, v6}, each);
        EXPECT_EQ(s.result(v6), (end{each, 0}));
        EXPECT_EQ(s.next(), queries{}) << "no probe";
        EXPECT_EQ(s.result(v4), std::nullopt);
    }
}

TEST(dns_search, of_one_name_each_family_has_its_result_at_once) {
    search s{1};
    s.want(v4);
    s.want(v6);
    EXPECT_EQ(s.next(), (queries{{0, v6}, {0, v4}}));
    s.on_outcome({0, v6}, no_such_name);
    EXPECT_EQ(s.result(v6), (end{no_such_name, 0}));
    EXPECT_EQ(s.result(v4), std::nullopt);
    s.on_outcome({0, v4}, addresses);
    EXPECT_EQ(s.result(v4), (end{addresses, 0}));
    EXPECT_EQ(s.result(v6), (end{no_such_name, 0})) << "it stays as it is";
}

TEST(dns_search, of_no_names_there_is_no_such_name) {
    search s{0};
    s.want(v6);
    EXPECT_EQ(s.next(), queries{});
    EXPECT_EQ(s.result(v6), (end{no_such_name, 0}));
}

// --- Several names, both families wanted ---

struct both_wanted : search {
    explicit both_wanted(std::size_t count) : search{count} {
        want(v6);
        want(v4);
        EXPECT_EQ(next(), (queries{{0, v6}, {0, v4}}));
    }
    // Of the current name.
    void come(std::size_t name, outcome six, outcome four) {
        on_outcome({name, v6}, six);
        on_outcome({name, v4}, four);
    }
};

TEST(dns_search, addresses_are_a_result_at_once) {
    both_wanted s{2};
    s.on_outcome({0, v4}, addresses);
    EXPECT_EQ(s.result(v4), (end{addresses, 0}));
    EXPECT_EQ(s.result(v6), std::nullopt);
    s.on_outcome({0, v6}, addresses);
    EXPECT_EQ(s.result(v6), (end{addresses, 0}));
    EXPECT_EQ(s.next(), queries{});
}

TEST(dns_search, the_first_name_with_an_address_of_either_family_is_the_one) {
    for (const outcome without : {nothing, no_such_name}) {
        both_wanted s{2};
        s.on_outcome({0, v6}, without);
        EXPECT_EQ(s.result(v6), std::nullopt) << "the other family decides";
        EXPECT_EQ(s.next(), queries{});
        s.on_outcome({0, v4}, addresses);
        EXPECT_EQ(s.result(v4), (end{addresses, 0}));
        EXPECT_EQ(s.result(v6), (end{nothing, 0})) << "the name is there";
        EXPECT_EQ(s.next(), queries{});

        both_wanted other_order{2};
        other_order.on_outcome({0, v4}, addresses);
        other_order.on_outcome({0, v6}, without);
        EXPECT_EQ(other_order.result(v6), (end{nothing, 0}));
        EXPECT_EQ(other_order.next(), queries{});
    }
}

TEST(dns_search, a_name_without_addresses_of_both_families_is_left_for_the_next) {
    both_wanted s{3};
    s.come(0, no_such_name, no_such_name);
    EXPECT_EQ(s.next(), (queries{{1, v6}, {1, v4}}));
    s.come(1, nothing, no_such_name);
    EXPECT_EQ(s.next(), (queries{{2, v6}, {2, v4}}));
    s.come(2, addresses, addresses);
    EXPECT_EQ(s.result(v6), (end{addresses, 2}));
    EXPECT_EQ(s.result(v4), (end{addresses, 2}));
}

TEST(dns_search, if_none_has_any_the_first_that_exists_is_the_result_else_there_is_no_such_name) {
    both_wanted s{3};
    s.come(0, no_such_name, no_such_name);
    s.next();
    s.come(1, nothing, no_such_name);
    s.next();
    s.come(2, no_such_name, no_such_name);
    EXPECT_EQ(s.result(v6), (end{nothing, 1}));
    EXPECT_EQ(s.result(v4), (end{no_such_name, 2}));
    EXPECT_EQ(s.next(), queries{});
}

TEST(dns_search, a_server_failure_goes_on_and_is_the_result_if_none_is_found) {
    both_wanted s{3};
    s.come(0, server_failed, no_such_name);
    EXPECT_EQ(s.next(), (queries{{1, v6}, {1, v4}}));
    s.come(1, nothing, nothing);
    EXPECT_EQ(s.next(), (queries{{2, v6}, {2, v4}}));
    s.come(2, no_such_name, no_such_name);
    EXPECT_EQ(s.result(v6), (end{server_failed, 0})) << "the name may be there";
    EXPECT_EQ(s.result(v4), (end{nothing, 1}));

    both_wanted found{2};
    found.come(0, server_failed, server_failed);
    found.next();
    found.come(1, addresses, nothing);
    EXPECT_EQ(found.result(v6), (end{addresses, 1}));
}

TEST(dns_search, a_server_failure_at_a_name_that_has_addresses_of_the_other_family_stays_there) {
    both_wanted s{2};
    s.come(0, server_failed, addresses);
    EXPECT_EQ(s.result(v6), (end{server_failed, 0}));
    EXPECT_EQ(s.result(v4), (end{addresses, 0}));
    EXPECT_EQ(s.next(), queries{});
}

TEST(dns_search, a_failure_ends_the_search_for_its_family) {
    both_wanted s{2};
    s.on_outcome({0, v6}, failed);
    EXPECT_EQ(s.result(v6), (end{failed, 0}));
    s.on_outcome({0, v4}, no_such_name);
    EXPECT_EQ(s.result(v4), std::nullopt);
    EXPECT_EQ(s.next(), (queries{{1, v4}})) << "the other one goes on alone";
    s.on_outcome({1, v4}, addresses);
    EXPECT_EQ(s.result(v4), (end{addresses, 1}));
    EXPECT_EQ(s.result(v6), (end{failed, 0}));
}

TEST(dns_search, a_name_that_exists_is_not_left_where_the_other_family_failed) {
    both_wanted s{2};
    s.come(0, failed, nothing);
    EXPECT_EQ(s.result(v6), (end{failed, 0}));
    EXPECT_EQ(s.result(v4), (end{nothing, 0})) << "it may have addresses of the other family";
    EXPECT_EQ(s.next(), queries{});
}

TEST(dns_search, what_was_not_asked_or_is_over_is_ignored) {
    search s{2};
    s.on_outcome({0, v6}, addresses);
    EXPECT_EQ(s.result(v6), std::nullopt);
    both_wanted b{2};
    b.come(0, no_such_name, no_such_name);
    b.on_outcome({0, v6}, addresses);
    EXPECT_EQ(b.result(v6), std::nullopt);
    EXPECT_EQ(b.next(), (queries{{1, v6}, {1, v4}}));
}

// --- Several names, one family wanted ---

TEST(dns_search, where_one_family_is_wanted_the_other_is_asked_for_before_a_name_is_left) {
    for (const outcome without : {nothing, no_such_name, server_failed}) {
        search s{2};
        s.want(v6);
        EXPECT_EQ(s.next(), (queries{{0, v6}}));
        s.on_outcome({0, v6}, without);
        EXPECT_EQ(s.result(v6), std::nullopt);
        EXPECT_EQ(s.next(), (queries{{0, v4}}));
        EXPECT_EQ(s.next(), queries{});
        s.on_outcome({0, v4}, no_such_name);
        EXPECT_EQ(s.next(), (queries{{1, v6}}));
        s.on_outcome({1, v6}, addresses);
        EXPECT_EQ(s.result(v6), (end{addresses, 1}));
        EXPECT_EQ(s.next(), queries{});
    }
}

TEST(dns_search, a_name_that_has_what_is_wanted_needs_no_probe_nor_does_a_failure) {
    for (const outcome each : {addresses, failed}) {
        search s{2};
        s.want(v4);
        s.next();
        s.on_outcome({0, v4}, each);
        EXPECT_EQ(s.result(v4), (end{each, 0}));
        EXPECT_EQ(s.next(), queries{});
    }
}

TEST(dns_search, the_last_name_needs_no_probe) {
    search s{2};
    s.want(v6);
    s.next();
    s.on_outcome({0, v6}, nothing);
    s.next();
    s.on_outcome({0, v4}, nothing);
    EXPECT_EQ(s.next(), (queries{{1, v6}}));
    s.on_outcome({1, v6}, no_such_name);
    EXPECT_EQ(s.next(), queries{});
    EXPECT_EQ(s.result(v6), (end{nothing, 0}));
}

TEST(dns_search, a_probe_that_finds_addresses_is_the_answer_when_they_are_wanted_later) {
    search s{2};
    s.want(v6);
    s.next();
    s.on_outcome({0, v6}, nothing);
    s.next();
    s.on_outcome({0, v4}, addresses);
    EXPECT_EQ(s.result(v6), (end{nothing, 0}));
    s.want(v4);
    EXPECT_EQ(s.result(v4), (end{addresses, 0}));
    EXPECT_EQ(s.next(), queries{});
}

TEST(dns_search, a_family_that_is_wanted_later_joins_at_the_current_name) {
    search s{3};
    s.want(v6);
    s.next();
    s.on_outcome({0, v6}, no_such_name);
    s.want(v4);
    EXPECT_EQ(s.next(), (queries{{0, v4}})) << "no longer as a probe";
    s.on_outcome({0, v4}, no_such_name);
    EXPECT_EQ(s.next(), (queries{{1, v6}, {1, v4}}));

    search late{2};
    late.want(v6);
    late.next();
    late.on_outcome({0, v6}, addresses);
    late.want(v4);
    EXPECT_EQ(late.next(), (queries{{0, v4}}));
    late.on_outcome({0, v4}, no_such_name);
    EXPECT_EQ(late.result(v4), (end{nothing, 0}));
}

TEST(dns_search, a_probe_that_fails_lets_the_wanted_family_go_on_alone) {
    search s{3};
    s.want(v6);
    s.next();
    s.on_outcome({0, v6}, no_such_name);
    s.next();
    s.on_outcome({0, v4}, failed);
    EXPECT_EQ(s.next(), (queries{{1, v6}}));
    s.on_outcome({1, v6}, nothing);
    EXPECT_EQ(s.next(), (queries{{2, v6}})) << "without another probe";
    s.want(v4);
    EXPECT_EQ(s.result(v4), (end{failed, 0}));
    EXPECT_EQ(s.next(), queries{});
}

// --- In any order ---

// A server that says the same whenever it is asked, and a search that is driven at random: whichever comes first, it ends,
// asks nothing twice and never mixes two names.
TEST(dns_search, comes_to_an_end_and_never_takes_addresses_of_two_names) {
    std::map<outcome, int> ends;
    for (unsigned seed = 0; seed != 20'000; ++seed) {
        std::mt19937 random{seed};
        const auto up_to = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
        const std::size_t count = 1 + up_to(4);
        const std::size_t kinds = up_to(2) == 0 ? 3 : 5;  // with failures, or without
        std::map<std::pair<std::size_t, family>, outcome> server;
        for (std::size_t i = 0; i != count; ++i)
            for (const family f : {v4, v6}) server[{i, f}] = static_cast<outcome>(up_to(kinds));
        const auto has_addresses = [&](std::size_t i, family f) { return server.at({i, f}) == addresses; };

        search s{count};
        std::vector<family> to_come{v4, v6};
        if (up_to(2) == 0) std::swap(to_come[0], to_come[1]);
        if (up_to(3) == 0) to_come.pop_back();
        const std::vector<family> wanted = to_come;
        queries out, asked;
        std::map<family, end> known;
        while (!to_come.empty() || !out.empty()) {
            if (out.empty() || (!to_come.empty() && up_to(2) == 0)) {
                if (to_come.empty()) break;
                s.want(to_come.back());
                to_come.pop_back();
            } else {
                const auto at = out.begin() + static_cast<std::ptrdiff_t>(up_to(out.size()));
                const search::query q = *at;
                out.erase(at);
                s.on_outcome(q, server[{q.name, q.of}]);
            }
            for (const search::query& q : s.next()) {
                ASSERT_EQ(std::ranges::find(asked, q), asked.end()) << "seed " << seed;
                asked.push_back(q);
                out.push_back(q);
            }
            for (const auto& [f, before] : known) ASSERT_EQ(s.result(f), before) << "seed " << seed;
            for (const family f : {v4, v6})
                if (const auto e = s.result(f)) known.emplace(f, *e);
        }
        for (const family f : wanted) {
            ASSERT_TRUE(s.result(f)) << "seed " << seed;
            ++ends[s.result(f)->how];
        }
        if (count == 1) {
            ASSERT_EQ(asked.size(), wanted.size());
        }

        std::optional<std::size_t> with_addresses;
        for (const auto& [f, e] : known) {
            if (e.how != addresses) continue;
            ASSERT_EQ(with_addresses.value_or(e.name), e.name) << "seed " << seed;
            with_addresses = e.name;
            for (std::size_t i = 0; i != e.name; ++i) {
                ASSERT_FALSE(has_addresses(i, f)) << "seed " << seed;
                const family g = f == v4 ? v6 : v4;
                const bool asked_g = std::ranges::find(asked, search::query{i, g}) != asked.end();
                ASSERT_TRUE(!asked_g || !has_addresses(i, g)) << "seed " << seed;
                ASSERT_TRUE(asked_g || (s.result(g) && s.result(g)->how == failed)) << "seed " << seed;
            }
        }
        // Where servers never fail, that is the first name with an address of any family.
        if (kinds == 3) {
            std::optional<std::size_t> first;
            for (std::size_t i = count; i-- != 0;)
                if (has_addresses(i, v4) || has_addresses(i, v6)) first = i;
            for (const family f : wanted) {
                ASSERT_EQ(s.result(f)->how == addresses, first && has_addresses(*first, f)) << "seed " << seed;
            }
        }
    }
    for (const outcome each : {addresses, nothing, no_such_name, server_failed, failed}) EXPECT_GT(ends[each], 500);
}

}  // namespace
}  // namespace dial::dns
