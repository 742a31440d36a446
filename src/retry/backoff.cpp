#include <dial/detail/backoff.hpp>

#include <algorithm>

namespace dial::retrying {
namespace {

// Of no negative length; what is too long for a duration is the longest.
duration times(duration length, long double factor) {
    return to_duration(
        std::chrono::duration<long double, std::nano>{static_cast<long double>(length.count()) * factor});
}

}  // namespace

backoff::backoff(const retry_options& options)
    : base_{options.base()}, max_delay_{options.max_delay()}, factor_{options.factor()}, jitter_{options.jitter()},
      last_{std::min(base_, max_delay_)} {}

duration backoff::next(double random) {
    if (!(random > 0)) random = 0;
    random = std::min(random, 1.0);
    if (jitter_ == jitter::decorrelated) {
        const duration longest = std::max(times(last_, 3), base_);
        return last_ = std::min(base_ + std::min(times(longest - base_, random), longest - base_), max_delay_);
    }
    const duration ceiling = last_;
    last_ = std::min(times(last_, factor_), max_delay_);
    return jitter_ == jitter::none ? ceiling : std::min(times(ceiling, random), ceiling);
}

}  // namespace dial::retrying
