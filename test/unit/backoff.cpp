// How long retries wait, with chance given.
#include <dial/detail/backoff.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <random>

namespace dial::retrying {
namespace {

using namespace std::chrono_literals;

constexpr double almost_one = 1 - std::numeric_limits<double>::epsilon() / 2;  // the greatest below it
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

retry_options with(jitter kind) {
    return retry_options().jitter(kind);
}

TEST(backoff, doubles_up_to_the_ceiling) {
    backoff b{with(jitter::none)};
    for (const duration expected : {100ms, 200ms, 400ms, 800ms, 1600ms, 3200ms, 6400ms, 10000ms, 10000ms})
        EXPECT_EQ(b.next(0.5), expected);
}

TEST(backoff, grows_by_the_factor) {
    backoff b{with(jitter::none).factor(1.5)};
    for (const duration expected : {duration{100ms}, duration{150ms}, duration{225ms}, duration{337500us}})
        EXPECT_EQ(b.next(0), expected);
}

TEST(backoff, a_factor_below_one_is_one) {
    for (const double factor : {1.0, 0.5, 0.0, -2.0, nan}) {
        backoff b{with(jitter::none).factor(factor)};
        for (int i = 0; i != 5; ++i) EXPECT_EQ(b.next(0), 100ms) << factor;
    }
}

TEST(backoff, full_jitter_is_anything_from_zero_to_the_delay) {
    backoff b{with(jitter::full)};
    EXPECT_EQ(b.next(0.25), 25ms);
    EXPECT_EQ(b.next(0), 0ms);
    EXPECT_EQ(b.next(0.5), 200ms) << "grows whatever chance said before";
    const duration last = b.next(almost_one);
    EXPECT_LE(last, 800ms);
    EXPECT_GE(last, 800ms - 1ns);
    EXPECT_EQ(b.next(0.125), 200ms);
}

TEST(backoff, decorrelated_jitter_is_from_base_to_three_times_the_delay_before) {
    backoff b{with(jitter::decorrelated)};
    EXPECT_EQ(b.next(0.5), 200ms) << "from 100 to 300";
    EXPECT_EQ(b.next(0.2), 200ms) << "from 100 to 600";
    EXPECT_EQ(b.next(0), 100ms);
    EXPECT_EQ(b.next(0.25), 150ms) << "from 100 to 300";
    for (int i = 0; i != 10; ++i) b.next(0.9);
    EXPECT_EQ(b.next(0.9), 10s) << "and no more than max_delay";
    EXPECT_EQ(b.next(0), 100ms);
}

TEST(backoff, is_never_above_max_delay_also_when_base_is) {
    for (const jitter kind : {jitter::full, jitter::decorrelated, jitter::none}) {
        backoff b{with(kind).base(1min).max_delay(2s)};
        for (int i = 0; i != 5; ++i) EXPECT_LE(b.next(almost_one), 2s);
    }
    backoff b{with(jitter::decorrelated).base(1min).max_delay(2s)};
    EXPECT_EQ(b.next(0), 2s);
}

TEST(backoff, without_a_base_or_a_ceiling_there_is_no_delay) {
    for (const jitter kind : {jitter::full, jitter::decorrelated, jitter::none})
        for (const auto& options : {with(kind).base(0s), with(kind).base(-1s), with(kind).base(duration::min()),
                 with(kind).max_delay(0s), with(kind).max_delay(duration::min())}) {
            backoff b{options};
            for (int i = 0; i != 5; ++i) EXPECT_EQ(b.next(0.7), 0s);
        }
}

TEST(backoff, the_longest_durations_do_not_overflow) {
    backoff b{with(jitter::none).base(never).max_delay(never)};
    for (int i = 0; i != 100; ++i) EXPECT_EQ(b.next(0), never);
    backoff grows{with(jitter::none).base(1ns).max_delay(never)};
    for (int i = 0; i != 62; ++i) EXPECT_EQ(grows.next(0), duration{std::int64_t{1} << i});
    grows.next(0);
    for (int i = 0; i != 1000; ++i) EXPECT_EQ(grows.next(0), never);
    backoff steep{with(jitter::none).factor(std::numeric_limits<double>::infinity()).max_delay(never)};
    EXPECT_EQ(steep.next(0), 100ms);
    EXPECT_EQ(steep.next(0), never);
    backoff nothing{with(jitter::none).base(0s).factor(std::numeric_limits<double>::infinity())};
    for (int i = 0; i != 3; ++i) EXPECT_EQ(nothing.next(0), 0s);
}

TEST(backoff, stays_in_its_bounds_whatever_the_options) {
    std::mt19937_64 random{1};
    const auto any = [&] {
        const std::uint64_t bits = random() >> (random() % 64);
        return duration{static_cast<std::int64_t>(random() % 4 == 0 ? ~bits : bits)};
    };
    for (int round = 0; round != 20'000; ++round) {
        const auto kind = static_cast<jitter>(random() % 3);
        const auto options = with(kind).base(any()).max_delay(any()).factor(static_cast<double>(random() % 100) / 10);
        backoff b{options};
        duration ceiling = std::min(options.base(), options.max_delay());
        for (int i = 0; i != 80; ++i) {
            const double chance = std::generate_canonical<double, 53>(random);
            const duration d = b.next(chance);
            ASSERT_GE(d, 0ns);
            ASSERT_LE(d, options.max_delay());
            if (kind == jitter::decorrelated) {
                ASSERT_GE(d, ceiling);
            }
        }
    }
}

TEST(backoff, chance_out_of_its_range_is_the_nearest) {
    for (const double low : {-0.5, nan, -std::numeric_limits<double>::infinity()}) {
        EXPECT_EQ(backoff{with(jitter::full)}.next(low), 0ms);
        EXPECT_EQ(backoff{with(jitter::decorrelated)}.next(low), 100ms);
    }
    for (const double high : {1.0, 7.0, std::numeric_limits<double>::infinity()}) {
        EXPECT_EQ(backoff{with(jitter::full)}.next(high), 100ms);
        EXPECT_EQ(backoff{with(jitter::decorrelated)}.next(high), 300ms);
    }
}

}  // namespace
}  // namespace dial::retrying
