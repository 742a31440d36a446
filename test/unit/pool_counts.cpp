// What a pool counts, and how long was waited.
#include <dial/pool_counts.hpp>

#include <gtest/gtest.h>

#include <limits>
#include <set>
#include <string_view>

namespace dial {
namespace {

using namespace std::chrono_literals;

wait_histogram of(std::initializer_list<duration> waits) {
    wait_histogram all;
    for (const duration one : waits) all.add(one);
    return all;
}

TEST(pool_counts, a_wait_is_in_the_bucket_whose_bound_it_does_not_exceed) {
    wait_histogram all = of({0ms, 100us, 100us + 1ns, 1min, 1min + 1ns, 1h});
    EXPECT_EQ(all.counts.front(), 2u);
    EXPECT_EQ(all.counts[1], 1u);
    EXPECT_EQ(all.counts[11], 1u);
    EXPECT_EQ(all.counts.back(), 2u);
    EXPECT_EQ(all.count(), 6u);
    EXPECT_EQ(all.longest, 1h);
    EXPECT_EQ(all.sum, 1h + 2min + 200us + 2ns);
}

TEST(pool_counts, a_quantile_is_the_bound_of_the_bucket_in_which_it_is_reached) {
    wait_histogram all;
    for (int i = 0; i != 98; ++i) all.add(1ms);
    all.add(30ms);
    all.add(2s);
    EXPECT_EQ(all.quantile(0.5), 1ms);
    EXPECT_EQ(all.quantile(0.98), 1ms) << "just so many";
    EXPECT_EQ(all.quantile(0.981), 50ms);
    EXPECT_EQ(all.quantile(0.99), 50ms);
    EXPECT_EQ(all.quantile(1), 2s) << "the longest is known";
}

TEST(pool_counts, a_quantile_of_nothing_is_zero_and_of_what_is_no_part_the_nearest) {
    EXPECT_EQ(wait_histogram{}.quantile(0.99), 0ms);
    const wait_histogram all = of({2ms, 200ms, 2h});
    EXPECT_EQ(all.quantile(-1), 5ms);
    EXPECT_EQ(all.quantile(0), 5ms) << "the first bucket that holds one";
    EXPECT_EQ(all.quantile(2), 2h);
    EXPECT_EQ(all.quantile(1), 2h) << "beyond the last bound";
    EXPECT_EQ(all.quantile(std::numeric_limits<double>::quiet_NaN()), 2h);
    EXPECT_EQ(of({3ms}).quantile(0.5), 3ms) << "no more than the longest";
}

TEST(pool_counts, counts_of_targets_add_up) {
    pool_counts one;
    one.in_use = 1;
    one.idle = 2;
    one.connecting = 3;
    one.checking = 4;
    one.waiting = 5;
    one.opened = 6;
    one.open_failed = 7;
    one.acquired = 8;
    one.reused = 9;
    one.wait_timeouts = 10;
    one.turned_away = 11;
    one.cancelled = 12;
    for (std::size_t i = 0; i != close_reasons; ++i) one.closed[i] = 20 + i;
    one.waits = of({1ms, 5s});
    pool_counts sum = one;
    one.waits = of({2ms, 3s});
    sum += one;
    EXPECT_EQ(sum.in_use, 2u);
    EXPECT_EQ(sum.idle, 4u);
    EXPECT_EQ(sum.connecting, 6u);
    EXPECT_EQ(sum.checking, 8u);
    EXPECT_EQ(sum.waiting, 10u);
    EXPECT_EQ(sum.opened, 12u);
    EXPECT_EQ(sum.open_failed, 14u);
    EXPECT_EQ(sum.acquired, 16u);
    EXPECT_EQ(sum.reused, 18u);
    EXPECT_EQ(sum.wait_timeouts, 20u);
    EXPECT_EQ(sum.turned_away, 22u);
    EXPECT_EQ(sum.cancelled, 24u);
    for (std::size_t i = 0; i != close_reasons; ++i) EXPECT_EQ(sum.closed[i], 40 + 2 * i);
    EXPECT_EQ(sum.waits.count(), 4u);
    EXPECT_EQ(sum.waits.sum, 8003ms);
    EXPECT_EQ(sum.waits.longest, 5s);
    EXPECT_EQ(sum.expired(), 2 * (20 + 21u));
    EXPECT_EQ(sum.dead(), 2 * (23 + 24u));
    EXPECT_EQ(sum.closed_for(close_reason::pool_closed), 2 * 29u);
}

TEST(pool_counts, each_reason_and_each_event_has_a_name_of_its_own) {
    std::set<std::string_view> names;
    for (std::size_t i = 0; i != close_reasons; ++i) names.insert(to_string(static_cast<close_reason>(i)));
    EXPECT_EQ(names.size(), close_reasons);
    for (unsigned i = 0; i != 8; ++i) names.insert(to_string(static_cast<pool_event::subject>(i)));
    EXPECT_EQ(names.size(), close_reasons + 8);
    EXPECT_FALSE(names.contains("unknown"));
    EXPECT_EQ(to_string(static_cast<close_reason>(close_reasons)), "unknown");
    EXPECT_EQ(to_string(pool_event::subject::open_failed), "open_failed");
}

}  // namespace
}  // namespace dial
