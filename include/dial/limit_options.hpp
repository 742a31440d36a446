// How many connects at a time, and how many a second.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>

namespace dial {

/// What dial::limit lets through; the others wait, and start in the order they came in.
///
///   dial::limit(d, 8)
///   dial::limit(d, dial::limit_options(8).per_second(50).burst(10))
class limit_options {
public:
    limit_options() = default;
    /// As in_flight(count).
    limit_options(std::size_t count) { in_flight(count); }

    /// How many run at a time. Default: any number; zero is one, since with none nothing would ever end.
    limit_options& in_flight(std::size_t count) {
        in_flight_ = std::max<std::size_t>(count, 1);
        return *this;
    }
    std::size_t in_flight() const noexcept { return in_flight_; }

    /// How many start in a second, evenly spaced; below one is slower than that (0.1: one in ten seconds). Default: any
    /// number, and so it is for zero or less, infinity and not-a-number.
    limit_options& per_second(double rate) {
        per_second_ = rate > 0 && rate <= std::numeric_limits<double>::max() ? rate : 0;
        return *this;
    }
    double per_second() const noexcept { return per_second_; }

    /// How many may start at once after a time in which fewer started than `per_second` allows: in any time `t` there are at
    /// most `burst + t * per_second` starts. Default 1; zero is one.
    limit_options& burst(std::size_t count) {
        burst_ = std::max<std::size_t>(count, 1);
        return *this;
    }
    std::size_t burst() const noexcept { return burst_; }

private:
    std::size_t in_flight_ = std::numeric_limits<std::size_t>::max(), burst_ = 1;
    double per_second_ = 0;
};

}  // namespace dial
