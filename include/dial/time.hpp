// Time in dial: one unit, one clock, and "no limit".
#pragma once

#include <chrono>
#include <concepts>
#include <ratio>

namespace dial {

/// Every length of time in dial. Converts from any std::chrono duration without loss of meaning.
using duration = std::chrono::nanoseconds;

/// Every point in time in dial: of the clock that never jumps.
using time_point = std::chrono::time_point<std::chrono::steady_clock, duration>;

/// For any limit: none. A limit of zero or less has passed already.
inline constexpr duration never = duration::max();

/// `length` in nanoseconds, or the nearest value that fits; not-a-number is no time at all.
template <class Rep, class Period>
constexpr duration to_duration(std::chrono::duration<Rep, Period> length) {
    using wide = std::chrono::duration<long double, std::nano>;
    const wide exact{length};
    if (exact >= wide{duration::max()}) return duration::max();
    if (exact <= wide{duration::min()}) return duration::min();
    if (exact != exact) return duration::zero();
    if constexpr (std::integral<Rep> && std::ratio_divide<Period, std::nano>::den == 1)
        return std::chrono::duration_cast<duration>(length);  // whole nanoseconds, and they fit
    else
        return std::chrono::duration_cast<duration>(exact);
}

/// `start + length`, or the latest time there is: what lies beyond it never comes.
constexpr time_point saturating_add(time_point start, duration length) {
    const auto now = start.time_since_epoch();
    if (length > duration::zero() && now > duration::max() - length) return time_point::max();
    if (length < duration::zero() && now < duration::min() - length) return time_point::min();
    return start + length;
}

}  // namespace dial
