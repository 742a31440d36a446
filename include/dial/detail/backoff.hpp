// How long to wait before each retry: exponential backoff with jitter, as in Marc Brooker, "Exponential Backoff And Jitter"
// (AWS Architecture Blog, 2015). Pure: chance comes in.
#pragma once

#include <dial/retry_options.hpp>
#include <dial/time.hpp>

namespace dial::retrying {

class backoff {
public:
    explicit backoff(const retry_options& options);

    // The next delay, from zero to max_delay. `random`: from [0, 1).
    //   full          uniform in [0, ceiling)
    //   decorrelated  uniform in [base, 3 * the delay before), and no more than max_delay; the delay before the first is base
    //   none          the ceiling
    // where the ceiling is base * factor^n for the n-th from zero, and no more than max_delay.
    duration next(double random);

private:
    duration base_, max_delay_;
    double factor_;
    jitter jitter_;
    duration last_;  // decorrelated: the delay before; else: the ceiling of the next
};

}  // namespace dial::retrying
