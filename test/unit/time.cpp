#include <dial/time.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <ratio>

namespace {

using namespace std::chrono_literals;
using dial::duration;
using dial::never;
using dial::time_point;
using dial::to_duration;

template <class Rep, class Period>
using of = std::chrono::duration<Rep, Period>;

TEST(time, never_is_the_longest_duration_there_is) {
    EXPECT_EQ(never, duration::max());
    EXPECT_EQ(to_duration(never), never);
}

TEST(time, ordinary_durations_convert_exactly) {
    EXPECT_EQ(to_duration(5s), 5'000'000'000ns);
    EXPECT_EQ(to_duration(250ms), 250'000'000ns);
    EXPECT_EQ(to_duration(1h), 3'600'000'000'000ns);
    EXPECT_EQ(to_duration(0s), 0ns);
    EXPECT_EQ(to_duration(7ns), 7ns);
    EXPECT_EQ(to_duration(of<double, std::ratio<1>>{0.25}), 250ms);
    EXPECT_EQ(to_duration(of<float, std::milli>{1.5f}), 1500us);
    EXPECT_EQ(to_duration(of<int, std::ratio<1, 60>>{30}), 500ms);
}

TEST(time, is_known_at_compile_time) {
    static_assert(to_duration(5s) == 5'000'000'000ns);
    static_assert(to_duration(std::chrono::hours::max()) == never);
    static_assert(dial::saturating_add(time_point{1ns}, never) == time_point::max());
}

TEST(time, what_is_too_long_becomes_never) {
    EXPECT_EQ(to_duration(std::chrono::hours::max()), never);
    EXPECT_EQ(to_duration(std::chrono::seconds::max()), never);
    EXPECT_EQ(to_duration(std::chrono::milliseconds::max()), never);
    EXPECT_EQ(to_duration(of<double, std::ratio<1>>{1e300}), never);
    EXPECT_EQ(to_duration(of<double, std::ratio<1>>::max()), never);
    EXPECT_EQ(to_duration(of<double, std::ratio<1>>{INFINITY}), never);
    EXPECT_EQ(to_duration(of<long double, std::ratio<1>>{INFINITY}), never);
    EXPECT_EQ(to_duration(9'223'372'037s), never);
    EXPECT_LT(to_duration(9'223'372'036s), never);
}

TEST(time, what_is_too_far_below_zero_becomes_the_least_duration) {
    EXPECT_EQ(to_duration(std::chrono::hours::min()), duration::min());
    EXPECT_EQ(to_duration(of<double, std::ratio<1>>{-1e300}), duration::min());
    EXPECT_EQ(to_duration(of<double, std::ratio<1>>{-INFINITY}), duration::min());
    EXPECT_EQ(to_duration(duration::min()), duration::min());
}

TEST(time, negative_durations_stay_negative) {
    EXPECT_EQ(to_duration(-5s), -5'000'000'000ns);
    EXPECT_EQ(to_duration(of<double, std::ratio<1>>{-0.5}), -500ms);
}

TEST(time, not_a_number_is_no_time_at_all) {
    EXPECT_EQ(to_duration(of<double, std::ratio<1>>{NAN}), 0ns);
    EXPECT_EQ(to_duration(of<float, std::ratio<1>>{NAN}), 0ns);
}

TEST(time, units_finer_than_a_nanosecond_lose_only_their_fraction) {
    EXPECT_EQ(to_duration(of<std::int64_t, std::pico>{2'500}), 2ns);
    EXPECT_EQ(to_duration(of<std::int64_t, std::pico>{-2'500}), -2ns);
    EXPECT_EQ(
        to_duration(of<std::int64_t, std::pico>::max()), duration{std::numeric_limits<std::int64_t>::max() / 1000});
    EXPECT_EQ(to_duration(of<double, std::pico>{1e300}), never);
}

TEST(time, unsigned_counts_beyond_the_range_become_never_and_not_negative) {
    EXPECT_EQ(to_duration(of<std::uint64_t, std::nano>::max()), never);
    EXPECT_EQ(to_duration(of<std::uint64_t, std::nano>{std::uint64_t{1} << 63}), never);
    EXPECT_EQ(to_duration(of<std::uint64_t, std::ratio<1>>::max()), never);
    EXPECT_EQ(to_duration(of<std::uint32_t, std::ratio<1>>{5}), 5s);
}

TEST(time, no_step_of_the_conversion_overflows_where_its_result_fits) {
    // 2e10 thirds of a second: fewer nanoseconds than never, but 2e10 * 1e9 does not fit.
    EXPECT_EQ(to_duration(of<std::int64_t, std::ratio<1, 3>>{20'000'000'000}) / 1s, 6'666'666'666);
    // Three halves of a nanosecond fit in an int64 up to its end; multiplied by two they do not.
    const of<std::int64_t, std::ratio<1, 1'500'000'000>> two_thirds_of_a_nanosecond{std::int64_t{9} << 59};
    EXPECT_EQ(to_duration(two_thirds_of_a_nanosecond) / 1s, (std::int64_t{6} << 59) / 1'000'000'000);
}

TEST(time, no_rounding_on_the_way_leaves_the_range) {
    // Below never, but 1e9 times it, as a float, is 2 to the 63rd.
    volatile float count = 9'223'371'776.f;  // volatile: the compiler's own arithmetic would saturate
    EXPECT_GT(to_duration(of<float, std::ratio<1>>{count}), 9'223'371'000s);
    for (double seconds = 9'223'372'036.854; seconds < 9'223'372'036.856; seconds = std::nextafter(seconds, 1e300))
        ASSERT_GT(to_duration(of<double, std::ratio<1>>{seconds}), 9'223'372'036s) << seconds;
}

TEST(time, the_latest_time_is_never_passed) {
    const time_point start{100s};
    EXPECT_EQ(dial::saturating_add(start, 5s), time_point{105s});
    EXPECT_EQ(dial::saturating_add(start, -5s), time_point{95s});
    EXPECT_EQ(dial::saturating_add(start, 0s), start);
    EXPECT_EQ(dial::saturating_add(start, never), time_point::max());
    EXPECT_EQ(dial::saturating_add(start, never - 100s), time_point::max());
    EXPECT_EQ(dial::saturating_add(start, never - 100s - 1ns), time_point::max() - 1ns);
    EXPECT_EQ(dial::saturating_add(time_point::max(), 1ns), time_point::max());
    EXPECT_EQ(dial::saturating_add(time_point::max(), never), time_point::max());
}

TEST(time, the_earliest_time_is_never_passed) {
    EXPECT_EQ(dial::saturating_add(time_point::min(), -1ns), time_point::min());
    EXPECT_EQ(dial::saturating_add(time_point{-100s}, duration::min()), time_point::min());
    EXPECT_EQ(dial::saturating_add(time_point::min(), 1ns), time_point::min() + 1ns);
    EXPECT_EQ(dial::saturating_add(time_point::min(), never), time_point{-1ns});
    EXPECT_EQ(dial::saturating_add(time_point::max(), duration::min()), time_point{-1ns});
}

}  // namespace
