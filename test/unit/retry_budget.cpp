// How many retries a budget allows, in virtual time.
#include <dial/retry_budget.hpp>
#include <dial/retry_options.hpp>

#include <retry/budget.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <limits>
#include <random>
#include <thread>
#include <utility>
#include <vector>

namespace dial {
namespace {

using namespace std::chrono_literals;

constexpr time_point t0{std::chrono::seconds{1000}};

void first_tries(auto& budget, int count, time_point now) {
    for (int i = 0; i != count; ++i) budget.on_first_try(now);
}

int retries(auto& budget, time_point now, int at_most = 1000) {
    int granted = 0;
    while (granted != at_most && budget.withdraw(now)) ++granted;
    return granted;
}

TEST(retry_budget, allows_a_tenth_of_the_first_tries_and_ten_more) {
    retry_budget b;
    first_tries(b, 100, t0);
    EXPECT_EQ(retries(b, t0), 20);
}

TEST(retry_budget, allows_the_reserve_to_who_tries_seldom) {
    retry_budget b;
    b.on_first_try(t0);
    EXPECT_EQ(retries(b, t0), 10);
    EXPECT_EQ(retries(b, t0 + 9s), 0);
    EXPECT_EQ(retries(b, t0 + 10s), 10) << "the reserve is back";
}

TEST(retry_budget, what_was_refused_does_not_count) {
    retry_budget b{1, 0};
    EXPECT_FALSE(b.withdraw(t0));
    b.on_first_try(t0);
    EXPECT_TRUE(b.withdraw(t0));
    EXPECT_FALSE(b.withdraw(t0));
}

TEST(retry_budget, a_long_quiet_time_saves_up_nothing) {
    retry_budget b;
    for (int second = 0; second != 3600; ++second) first_tries(b, 10, t0 + second * 1s);
    EXPECT_EQ(retries(b, t0 + 3599s), 20) << "of the last ten seconds";
    EXPECT_EQ(retries(b, t0 + 3700s), 10);
}

TEST(retry_budget, counts_the_last_ten_seconds_in_whole_ones) {
    retry_budget b{1, 0};
    first_tries(b, 3, t0 + 999ms);
    EXPECT_EQ(retries(b, t0 + 9999ms, 1), 1);
    EXPECT_EQ(retries(b, t0 + 10s), 0) << "the first tries are forgotten before the retry is";
    first_tries(b, 3, t0 + 10s);
    EXPECT_EQ(retries(b, t0 + 10s), 2);
    EXPECT_EQ(retries(b, t0 + 19s), 1) << "forgotten too";
}

TEST(retry_budget, an_earlier_time_than_before_counts_as_now) {
    retry_budget b{0, 1};
    EXPECT_TRUE(b.withdraw(t0 + 5s));
    EXPECT_FALSE(b.withdraw(t0));
    EXPECT_FALSE(b.withdraw(t0 + 14s));
    EXPECT_TRUE(b.withdraw(t0 + 15s));
}

TEST(retry_budget, with_both_zero_nothing_is_retried) {
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    for (const auto& [ratio, reserve] : {std::pair{0.0, 0}, {-1.0, -1}, {nan, std::numeric_limits<int>::min()}}) {
        retry_budget b{ratio, reserve};
        first_tries(b, 100, t0);
        EXPECT_FALSE(b.withdraw(t0));
    }
}

TEST(retry_budget, every_part_of_a_hundred_is_exact) {
    for (int percent = 0; percent <= 100; ++percent) {
        retry_budget b{percent / 100.0, 0};
        first_tries(b, 100, t0);
        EXPECT_EQ(retries(b, t0), percent);
    }
}

TEST(retry_budget, a_ratio_above_a_thousand_is_a_thousand) {
    for (const double ratio : {1000.0, 1e9, std::numeric_limits<double>::infinity()}) {
        retry_budget b{ratio, 0};
        EXPECT_EQ(retries(b, t0), 0);
        b.on_first_try(t0);
        EXPECT_EQ(retries(b, t0, 5000), 1000);
    }
}

TEST(retry_budget, copies_share_what_is_counted) {
    retry_budget a{0, 3}, b = a;
    const auto options = retry_options().budget(a);
    EXPECT_TRUE(a.withdraw(t0));
    EXPECT_TRUE(b.withdraw(t0));
    EXPECT_TRUE(retry_budget{*options.budget()}.withdraw(t0));
    EXPECT_FALSE(a.withdraw(t0));
    EXPECT_FALSE(b.withdraw(t0));
}

TEST(retry_budget, options_have_none_by_default) {
    EXPECT_FALSE(retry_options().budget().has_value());
}

TEST(retry_budget, an_unlimited_one_allows_everything) {
    retry_budget b = retry_budget::unlimited();
    b.on_first_try(t0);
    EXPECT_EQ(retries(b, t0, 100'000), 100'000);
}

TEST(retry_budget, threads_may_share_it) {
    retry_budget b{0.5, 0};
    std::atomic<int> granted = 0;
    std::vector<std::jthread> threads;
    for (int i = 0; i != 4; ++i)
        threads.emplace_back([&granted, b]() mutable {
            for (int j = 0; j != 1000; ++j) {
                b.on_first_try(t0);
                if (b.withdraw(t0)) ++granted;
            }
        });
    threads.clear();
    EXPECT_EQ(granted + retries(b, t0, 5000), 2000);
}

// Against one that keeps every try and retry, and counts them each time.
TEST(retry_budget, allows_what_a_diary_allows) {
    int granted = 0, refused = 0;
    for (unsigned seed = 0; seed != 200; ++seed) {
        std::mt19937 random{seed};
        const int percent = static_cast<int>(random() % 150), reserve = static_cast<int>(random() % 5);
        retrying::budget b{percent / 100.0, reserve};
        std::deque<std::chrono::seconds> firsts, done;
        time_point now = t0;
        for (int step = 0; step != 300; ++step) {
            now += std::chrono::milliseconds{random() % 8 == 0 ? random() % 12'000 : random() % 300};
            const auto second = std::chrono::floor<std::chrono::seconds>(now.time_since_epoch());
            for (auto* each : {&firsts, &done})
                while (!each->empty() && each->front() + 10s <= second) each->pop_front();
            if (random() % 2 == 0) {
                b.on_first_try(now);
                firsts.push_back(second);
            } else {
                const bool expected =
                    100 * (static_cast<int>(done.size()) + 1 - reserve) <= percent * static_cast<int>(firsts.size());
                ASSERT_EQ(b.withdraw(now), expected) << "seed " << seed << ", step " << step;
                if (expected) done.push_back(second);
                (expected ? granted : refused) += 1;
            }
        }
    }
    EXPECT_GT(granted, 5000);
    EXPECT_GT(refused, 5000);
}

}  // namespace
}  // namespace dial
