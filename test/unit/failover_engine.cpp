// Which of several targets is tried next, in virtual time.
#include <dial/detail/failover_engine.hpp>

#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <map>
#include <ostream>
#include <random>
#include <vector>

namespace dial::failing_over {

constexpr time_point t0{std::chrono::seconds{1000}};

inline void PrintTo(const start& s, std::ostream* out) {
    *out << "start " << s.target;
}
inline void PrintTo(const wait_until& w, std::ostream* out) {
    if (w.when == time_point::max())
        *out << "wait for news";
    else
        *out << "wait until " << std::chrono::duration<double, std::milli>{w.when - t0}.count() << " ms";
}
inline void PrintTo(const finish& f, std::ostream* out) {
    *out << "finish";
    if (f.winner) *out << ", winner " << *f.winner;
}

namespace {

using namespace std::chrono_literals;

const step wait_for_news = wait_until{time_point::max()};
const step all_failed = finish{};

step go(std::size_t target) {
    return start{target};
}
step wait(duration until) {
    return wait_until{t0 + until};
}
step won_by(std::size_t target) {
    return finish{target};
}

struct failover : engine {
    failover(failover_order how, std::size_t targets, std::span<const double> random = {})
        : failover{failover_options(how), targets, random} {}
    failover(const failover_options& options, std::size_t targets, std::span<const double> random = {})
        : engine{options, targets, random} {}
    step at(duration when) { return next(t0 + when); }
};

constexpr std::array every_order{failover_order::in_order, failover_order::random, failover_order::raced};

TEST(failover_engine, without_targets_it_is_over_at_once) {
    for (const auto how : every_order) EXPECT_EQ((failover{how, 0}.at(0s)), all_failed);
}

TEST(failover_engine, the_first_that_connects_wins) {
    for (const auto how : every_order) {
        failover f{how, 3};
        EXPECT_EQ(f.at(0s), go(0));
        f.on_connected(0);
        EXPECT_EQ(f.at(1ms), won_by(0));
        EXPECT_EQ(f.at(1h), won_by(0)) << "and that is that";
    }
}

TEST(failover_engine, in_order_the_next_starts_when_the_one_before_has_failed) {
    failover f{failover_order::in_order, 3};
    EXPECT_EQ(f.at(0s), go(0));
    EXPECT_EQ(f.at(0s), wait_for_news);
    EXPECT_EQ(f.at(1h), wait_for_news) << "however long that takes";
    f.on_failed(0);
    EXPECT_EQ(f.at(1h), go(1));
    EXPECT_EQ(f.at(1h), wait_for_news);
    f.on_failed(1);
    EXPECT_EQ(f.at(2h), go(2));
    f.on_connected(2);
    EXPECT_EQ(f.at(2h), won_by(2));
}

TEST(failover_engine, it_is_over_when_every_target_has_failed) {
    for (const auto how : every_order) {
        failover f{how, 2};
        EXPECT_EQ(f.at(0s), go(0));
        f.on_failed(0);
        EXPECT_EQ(f.at(0s), go(1));
        f.on_failed(1);
        EXPECT_EQ(f.at(0s), all_failed);
        f.on_connected(1);
        EXPECT_EQ(f.at(0s), all_failed);
    }
}

TEST(failover_engine, raced_the_next_starts_after_the_delay) {
    failover f{failover_order::raced, 3};
    EXPECT_EQ(f.at(0s), go(0));
    EXPECT_EQ(f.at(0s), wait(250ms));
    EXPECT_EQ(f.at(250ms - 1ns), wait(250ms));
    EXPECT_EQ(f.at(260ms), go(1));
    EXPECT_EQ(f.at(260ms), wait(510ms));
    EXPECT_EQ(f.at(510ms), go(2));
    EXPECT_EQ(f.at(510ms), wait_for_news) << "all are started";
    f.on_connected(1);
    EXPECT_EQ(f.at(600ms), won_by(1));
    f.on_connected(0);
    EXPECT_EQ(f.at(600ms), won_by(1)) << "too late";
}

TEST(failover_engine, raced_the_next_starts_at_once_when_the_newest_has_failed) {
    failover f{failover_order::raced, 3};
    EXPECT_EQ(f.at(0s), go(0));
    f.on_failed(0);
    EXPECT_EQ(f.at(10ms), go(1));
    EXPECT_EQ(f.at(10ms), wait(260ms)) << "with a delay of its own";
}

TEST(failover_engine, raced_the_failure_of_an_older_one_leaves_the_newest_its_time) {
    failover f{failover_order::raced, 3};
    EXPECT_EQ(f.at(0s), go(0));
    EXPECT_EQ(f.at(250ms), go(1));
    f.on_failed(0);
    EXPECT_EQ(f.at(300ms), wait(500ms));
    EXPECT_EQ(f.at(500ms), go(2));
    f.on_failed(2);
    EXPECT_EQ(f.at(510ms), wait_for_news) << "one is left that may connect";
    f.on_failed(1);
    EXPECT_EQ(f.at(520ms), all_failed);
}

TEST(failover_engine, raced_without_a_delay_all_start_at_once) {
    for (const duration none : {duration{0}, duration{-1s}, duration::min()}) {
        failover f{failover_options(failover_order::raced).delay(none), 3};
        for (std::size_t i = 0; i != 3; ++i) EXPECT_EQ(f.at(0s), go(i));
        EXPECT_EQ(f.at(0s), wait_for_news);
    }
}

TEST(failover_engine, raced_with_an_endless_delay_the_next_starts_only_after_a_failure) {
    failover f{failover_options(failover_order::raced).delay(never), 2};
    EXPECT_EQ(f.at(0s), go(0));
    EXPECT_EQ(f.at(1h), wait_for_news);
    f.on_failed(0);
    EXPECT_EQ(f.at(1h), go(1));
}

TEST(failover_engine, what_ends_that_is_not_running_is_ignored) {
    failover f{failover_order::in_order, 2};
    f.on_connected(0);
    f.on_failed(1);
    f.on_failed(7);
    f.on_connected(7);
    EXPECT_EQ(f.at(0s), go(0));
    f.on_connected(1);
    f.on_failed(0);
    f.on_failed(0);
    EXPECT_EQ(f.at(0s), go(1)) << "two failures of one target are one";
    f.on_connected(1);
    f.on_failed(1);
    EXPECT_EQ(f.at(0s), won_by(1)) << "what came first counts";
}

// --- Random ---

std::vector<std::size_t> order_of(failover f, std::size_t targets) {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i != targets; ++i) {
        order.push_back(std::get<start>(f.at(0s)).target);
        f.on_failed(order.back());
    }
    EXPECT_EQ(f.at(0s), all_failed);
    return order;
}

TEST(failover_engine, random_is_in_an_order_that_chance_gives) {
    using list = std::vector<std::size_t>;
    EXPECT_EQ(order_of({failover_order::random, 4, std::array{0.0, 0.0, 0.0}}, 4), (list{1, 2, 3, 0}));
    EXPECT_EQ(order_of({failover_order::random, 4, std::array{0.99, 0.99, 0.99}}, 4), (list{0, 1, 2, 3}));
    EXPECT_EQ(order_of({failover_order::random, 4, std::array{0.5, 0.0, 0.5}}, 4), (list{3, 1, 0, 2}));
    EXPECT_EQ(order_of({failover_order::random, 4}, 4), (list{0, 1, 2, 3})) << "no chance, no shuffle";
    EXPECT_EQ(order_of({failover_order::in_order, 4, std::array{0.0, 0.0, 0.0}}, 4), (list{0, 1, 2, 3}));
    EXPECT_EQ(order_of({failover_order::raced, 4, std::array{0.0, 0.0, 0.0}}, 4), (list{0, 1, 2, 3}));
}

TEST(failover_engine, random_waits_as_in_order) {
    failover f{failover_order::random, 2, std::array{0.0}};
    EXPECT_EQ(f.at(0s), go(1));
    EXPECT_EQ(f.at(1h), wait_for_news);
    f.on_failed(1);
    EXPECT_EQ(f.at(1h), go(0));
}

TEST(failover_engine, random_gives_every_order_equally_often) {
    std::mt19937 random{1};
    std::map<std::vector<std::size_t>, int> seen;
    for (int i = 0; i != 24'000; ++i) {
        std::array<double, 3> chance;
        for (double& c : chance) c = std::generate_canonical<double, 53>(random);
        ++seen[order_of({failover_order::random, 4, chance}, 4)];
    }
    EXPECT_EQ(seen.size(), 24u);
    for (const auto& [order, count] : seen) EXPECT_NEAR(count, 1000, 160);  // five standard deviations
}

TEST(failover_engine, chance_out_of_its_range_is_the_nearest) {
    constexpr double infinity = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
    EXPECT_EQ(order_of({failover_order::random, 3, std::array{1.0, infinity}}, 3), (std::vector<std::size_t>{0, 1, 2}));
    EXPECT_EQ(order_of({failover_order::random, 3, std::array{-1.0, nan}}, 3), (std::vector<std::size_t>{1, 2, 0}));
}

}  // namespace
}  // namespace dial::failing_over
