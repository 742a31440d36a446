// What is kept, for how long, and what has to go.
#include <cache/engine.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

namespace dial::caching {
namespace {

using namespace std::chrono_literals;
constexpr time_point t0{5h};
using cache = engine<int>;

question about(std::string_view name, std::uint16_t type = 1) {
    return {name, type};
}

// --- How long ---

TEST(cache_engine, an_answer_is_kept_for_its_ttl_to_the_tick) {
    cache c{{}};
    c.keep(about("name"), 7, kind::positive, 60s, t0);
    const auto at_first = c.find(about("name"), t0);
    ASSERT_TRUE(at_first);
    EXPECT_EQ(*at_first->value, 7);
    EXPECT_EQ(at_first->left, 60s);
    EXPECT_EQ(c.find(about("name"), t0 + 60s - 1ns)->left, 1ns);
    EXPECT_FALSE(c.find(about("name"), t0 + 60s));
    EXPECT_FALSE(c.find_stale(about("name"), t0 + 60s)) << "nor is it given stale, unless that is wanted";
}

TEST(cache_engine, times_stay_between_floor_and_ceiling) {
    const rules r{.min_ttl = 10s, .max_ttl = 1h, .max_negative_ttl = 15min, .default_ttl = 30s};
    EXPECT_EQ(time_to_keep(r, kind::positive, 0s), 10s);
    EXPECT_EQ(time_to_keep(r, kind::positive, 5min), 5min);
    EXPECT_EQ(time_to_keep(r, kind::positive, 24h), 1h);
    EXPECT_EQ(time_to_keep(r, kind::positive, {}), 30s);
    EXPECT_EQ(time_to_keep(r, kind::negative, 5min), 5min);
    EXPECT_EQ(time_to_keep(r, kind::negative, 1h), 15min);
    EXPECT_EQ(time_to_keep(r, kind::negative, {}), 30s);
    EXPECT_EQ(time_to_keep(r, kind::failure, 1h), 0s);
    EXPECT_EQ(time_to_keep({}, kind::positive, 0s), 0s);
}

TEST(cache_engine, a_ttl_of_zero_is_not_kept_and_ends_what_was) {
    cache c{{}};
    c.keep(about("name"), 1, kind::positive, 60s, t0);
    c.keep(about("name"), 2, kind::positive, 0s, t0);
    EXPECT_FALSE(c.find(about("name"), t0));
    EXPECT_EQ(c.size(), 0u);
}

TEST(cache_engine, a_failure_is_not_kept_and_leaves_what_there_is) {
    cache c{{}};
    c.keep(about("name"), 1, kind::positive, 60s, t0);
    c.keep(about("name"), 2, kind::failure, 60s, t0 + 1s);
    EXPECT_EQ(*c.find(about("name"), t0 + 1s)->value, 1);
    c.keep(about("other"), 2, kind::failure, 60s, t0);
    EXPECT_FALSE(c.find(about("other"), t0));
}

TEST(cache_engine, the_largest_times_do_not_overflow) {
    cache c{{.max_ttl = never, .serve_stale = never}};
    c.keep(about("name"), 1, kind::positive, never, t0);
    EXPECT_TRUE(c.find(about("name"), t0 + 1000h));
}

// --- Which ---

TEST(cache_engine, names_that_differ_in_case_are_one_and_a_final_dot_makes_two) {
    cache c{{}};
    c.keep(about("Name.Example"), 1, kind::positive, 60s, t0);
    EXPECT_TRUE(c.find(about("nAME.eXAMPLE"), t0));
    EXPECT_FALSE(c.find(about("name.example."), t0)) << "no search domain goes behind that";
    EXPECT_FALSE(c.find(about("name.example", 28), t0));
    c.keep(about("NAME.example"), 2, kind::positive, 60s, t0);
    EXPECT_EQ(c.size(), 1u);
    EXPECT_EQ(*c.find(about("name.example"), t0)->value, 2);
}

TEST(cache_engine, the_one_that_was_not_used_for_longest_goes_first) {
    cache c{{.max_entries = 2}};
    c.keep(about("a"), 1, kind::positive, 60s, t0);
    c.keep(about("b"), 2, kind::positive, 60s, t0);
    EXPECT_TRUE(c.find(about("a"), t0));
    c.keep(about("c"), 3, kind::positive, 60s, t0);
    EXPECT_FALSE(c.find(about("b"), t0));
    EXPECT_TRUE(c.find(about("a"), t0) && c.find(about("c"), t0));
    EXPECT_EQ(c.size(), 2u);
}

TEST(cache_engine, no_entries_are_none) {
    cache c{{.max_entries = 0}};
    c.keep(about("a"), 1, kind::positive, 60s, t0);
    EXPECT_FALSE(c.find(about("a"), t0));
}

TEST(cache_engine, all_is_forgotten_on_request) {
    cache c{{}};
    c.keep(about("a"), 1, kind::positive, 60s, t0);
    c.clear();
    EXPECT_FALSE(c.find(about("a"), t0));
    EXPECT_EQ(c.size(), 0u);
}

// --- Stale ---

TEST(cache_engine, what_is_over_its_time_may_be_given_for_a_while_longer) {
    cache c{{.serve_stale = 1h}};
    c.keep(about("a"), 1, kind::positive, 60s, t0);
    EXPECT_FALSE(c.find(about("a"), t0 + 60s));
    const auto stale = c.find_stale(about("a"), t0 + 60s);
    ASSERT_TRUE(stale);
    EXPECT_EQ(*stale->value, 1);
    EXPECT_TRUE(stale->ask_anew);
    EXPECT_EQ(stale->until, t0 + 60s + 1h);
    EXPECT_TRUE(c.find_stale(about("a"), t0 + 60s + 1h - 1ns));
    EXPECT_FALSE(c.find_stale(about("a"), t0 + 60s + 1h));
}

TEST(cache_engine, after_a_failure_nobody_is_asked_for_30_s) {
    cache c{{.serve_stale = 1h}};
    c.keep(about("a"), 1, kind::positive, 60s, t0);
    c.keep(about("a"), 0, kind::failure, {}, t0 + 60s);
    EXPECT_FALSE(c.find_stale(about("a"), t0 + 60s)->ask_anew);
    EXPECT_FALSE(c.find_stale(about("a"), t0 + 90s - 1ns)->ask_anew);
    EXPECT_TRUE(c.find_stale(about("a"), t0 + 90s)->ask_anew);
}

TEST(cache_engine, a_failure_does_not_matter_where_somebody_else_has_had_an_answer) {
    cache c{{.serve_stale = 1h}};
    c.keep(about("a"), 1, kind::positive, 5s, t0);
    c.keep(about("a"), 0, kind::failure, {}, t0 + 4s);
    EXPECT_TRUE(c.find_stale(about("a"), t0 + 5s)->ask_anew);
}

// --- Against a model that is slow and plain ---

TEST(cache_engine, does_as_a_plain_list_would) {
    std::mt19937 random{1};
    const auto below = [&](int n) { return std::uniform_int_distribution<int>{0, n - 1}(random); };
    constexpr std::size_t most = 5;
    cache c{{.max_entries = most}};
    struct kept {
        std::string name;
        int value;
        time_point until;
    };
    std::vector<kept> model;  // the one that was used last is the last
    time_point now = t0;
    int hits = 0;
    for (int i = 0; i != 20'000; ++i) {
        now += std::chrono::seconds{below(3)};
        const std::string name(1, static_cast<char>('a' + below(9)));
        const auto found = std::ranges::find(model, name, &kept::name);
        if (below(2)) {
            const auto ttl = std::chrono::seconds{below(20)};
            c.keep(about(name), i, kind::positive, ttl, now);
            if (found != model.end()) model.erase(found);
            if (ttl == 0s) continue;
            if (model.size() == most) model.erase(model.begin());
            model.push_back({name, i, now + ttl});
        } else {
            const auto got = c.find(about(name), now);
            const bool there = found != model.end() && found->until > now;
            ASSERT_EQ(got.has_value(), there) << i;
            if (!there) continue;
            ++hits;
            ASSERT_EQ(*got->value, found->value);
            std::rotate(found, found + 1, model.end());
        }
        ASSERT_EQ(c.size(), model.size());
    }
    EXPECT_GT(hits, 1000);
}

}  // namespace
}  // namespace dial::caching
