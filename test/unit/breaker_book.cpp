// The breakers of many targets, in virtual time.
#include <breaker/book.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <random>
#include <string>
#include <vector>

namespace dial::breaking {
namespace {

using namespace std::chrono_literals;
using enum outcome;

constexpr time_point t0{std::chrono::seconds{1000}};

bool passes(const answer& a) {
    return std::holds_alternative<let_through>(a);
}

// Opens after one failure.
struct shelf : book {
    explicit shelf(std::size_t max_targets = 1000) : book{breaker_options(1).max_targets(max_targets)} {}

    permit begin(std::string_view target, time_point now = t0) { return std::get<let_through>(ask(target, now)).with; }
    void run(std::string_view target, outcome how, time_point now = t0) {
        on_ended(target, begin(target, now), how, now);
    }
};

TEST(breaker_book, each_target_has_a_breaker_of_its_own) {
    shelf s;
    s.run("a", failed);
    EXPECT_EQ(s.ask("a", t0), answer{refuse{t0 + 10s}});
    EXPECT_TRUE(passes(s.ask("b", t0)));
    EXPECT_TRUE(passes(s.ask("A", t0)));
    EXPECT_EQ(s.size(), 3u);
    EXPECT_EQ(s.tripped(), 1u);
    s.run("a", connected, t0 + 10s);
    EXPECT_EQ(s.tripped(), 0u);
    EXPECT_TRUE(passes(s.ask("a", t0 + 10s)));
}

TEST(breaker_book, a_permit_of_one_target_is_none_for_another) {
    shelf s;
    const permit a = s.begin("a");
    s.begin("b");
    s.on_ended("b", a, failed, t0);
    EXPECT_TRUE(passes(s.ask("b", t0)));
    s.on_ended("never asked for", a, failed, t0);
    EXPECT_EQ(s.size(), 2u);
}

TEST(breaker_book, beyond_the_bound_the_one_not_used_for_longest_is_forgotten) {
    shelf s{2};
    const permit a = s.begin("a"), b = s.begin("b");
    s.begin("a");
    s.begin("c");  // instead of b
    EXPECT_EQ(s.size(), 2u);
    s.on_ended("a", a, failed, t0);
    EXPECT_FALSE(passes(s.ask("a", t0)));
    s.on_ended("b", b, failed, t0);
    EXPECT_TRUE(passes(s.ask("b", t0)));
}

TEST(breaker_book, one_whose_breaker_is_not_closed_is_forgotten_last) {
    shelf s{3};
    s.run("a", failed);
    s.run("b", failed, t0 + 1s);
    for (int i = 0; i != 100; ++i) s.run(std::to_string(i), connected, t0 + 1s);
    EXPECT_FALSE(passes(s.ask("a", t0 + 1s)));
    EXPECT_FALSE(passes(s.ask("b", t0 + 1s)));
    s.run("c", failed, t0 + 2s);
    s.begin("d", t0 + 2s);  // instead of a: none is closed
    EXPECT_EQ(s.size(), 3u);
    EXPECT_FALSE(passes(s.ask("b", t0 + 2s)));
    EXPECT_FALSE(passes(s.ask("c", t0 + 2s)));
    EXPECT_TRUE(passes(s.ask("a", t0 + 2s)));
}

TEST(breaker_book, one_that_is_to_see_is_not_closed_yet) {
    shelf s{1};
    s.run("a", failed);
    const permit probe = s.begin("a", t0 + 10s);
    EXPECT_EQ(s.tripped(), 1u);
    s.on_ended("a", probe, connected, t0 + 10s);
    EXPECT_EQ(s.tripped(), 0u);
}

TEST(breaker_book, of_connects_begun_before_a_target_was_forgotten_nothing_counts) {
    shelf s{1};
    const permit old = s.begin("a");
    s.begin("b");
    s.begin("a");
    s.on_ended("a", old, failed, t0);
    EXPECT_TRUE(passes(s.ask("a", t0)));
}

TEST(breaker_book, room_for_no_target_is_room_for_one) {
    EXPECT_EQ(breaker_options().max_targets(0).max_targets(), 1u);
    shelf s{0};
    s.run("a", failed);
    EXPECT_FALSE(passes(s.ask("a", t0)));
    EXPECT_TRUE(passes(s.ask("b", t0)));
    EXPECT_EQ(s.size(), 1u);
}

TEST(breaker_book, it_stays_within_its_bound_however_many_targets_there_are) {
    shelf s{100};
    for (int i = 0; i != 10'000; ++i) s.run("host" + std::to_string(i), i % 3 == 0 ? failed : connected);
    EXPECT_EQ(s.size(), 100u);
}

// Against a list that is searched from end to end.
TEST(breaker_book, says_what_a_list_says) {
    int refused = 0, passed = 0, forgotten = 0;
    for (unsigned seed = 0; seed != 200; ++seed) {
        std::mt19937 random{seed};
        const auto up_to = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
        const auto options = breaker_options(1 + static_cast<int>(up_to(3))).max_targets(1 + up_to(6));
        book b{options};
        struct entry {
            std::string target;
            engine breaker;
        };
        std::vector<entry> list;  // the one that was used last is the last
        struct connect {
            std::string target;
            permit with;
        };
        std::vector<connect> running;
        std::uint64_t identity = 0;
        time_point now = t0;
        const auto use = [&](auto e) -> engine& {
            std::rotate(e, e + 1, list.end());
            return list.back().breaker;
        };
        const auto find = [&](const std::string& t) { return std::ranges::find(list, t, &entry::target); };

        for (int step = 0; step != 300; ++step) {
            now += std::chrono::milliseconds{up_to(3000)};
            if (up_to(2) == 0) {
                const std::string target(1, static_cast<char>('a' + up_to(9)));
                if (find(target) == list.end()) {
                    if (list.size() == options.max_targets()) {
                        const auto closed = std::ranges::find_if(list, [](auto& e) { return e.breaker.is_closed(); });
                        list.erase(closed == list.end() ? list.begin() : closed);
                        ++forgotten;
                    }
                    list.push_back({target, engine{options, identity++}});
                }
                const answer expected = use(find(target)).ask(now);
                ASSERT_EQ(b.ask(target, now), expected) << "seed " << seed << ", step " << step;
                (passes(expected) ? passed : refused) += 1;
                if (passes(expected)) running.push_back({target, std::get<let_through>(expected).with});
            } else if (!running.empty()) {
                const auto which = running.begin() + up_to(static_cast<unsigned>(running.size()));
                const auto how = static_cast<outcome>(up_to(3));
                const auto known = find(which->target);
                if (known != list.end()) use(known).on_ended(which->with, how, now);
                b.on_ended(which->target, which->with, how, now);
                running.erase(which);
            }
            ASSERT_EQ(b.size(), list.size());
            ASSERT_EQ(b.tripped(), std::ranges::count_if(list, [](auto& e) { return !e.breaker.is_closed(); }));
        }
    }
    EXPECT_GT(refused, 1000);
    EXPECT_GT(passed, 1000);
    EXPECT_GT(forgotten, 1000);
}

}  // namespace
}  // namespace dial::breaking
