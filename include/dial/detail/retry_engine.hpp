// Decides whether a failed try is repeated, and when. Pure: no clock but `now`, chance comes in.
#pragma once

#include <dial/detail/backoff.hpp>
#include <dial/retry_options.hpp>
#include <dial/time.hpp>

#include <functional>
#include <variant>

namespace dial::retrying {

struct try_at {
    time_point when;
    bool operator==(const try_at&) const = default;
};
struct give_up {
    enum class cause : unsigned char {
        not_retryable,  // the error would be the same
        attempts,       // as many as allowed were made
        total_time,     // the next would begin after the time for all
        deadline,       // the next would begin after the deadline of the request
        budget,         // too many are retrying
    };
    cause why;
    bool operator==(const give_up&) const = default;
};
using step = std::variant<try_at, give_up>;

// One per request. The first try begins at `now`.
class engine {
public:
    engine(const retry_options& options, time_point now, time_point deadline = time_point::max());

    // The try that ran has failed. `random`: from [0, 1). `withdraw`: asks the budget for one retry; called last, when nothing
    // else speaks against it, so that no budget is spent on a retry that is not made. Empty: no budget.
    step on_failed(bool retryable, time_point now, double random, const std::function<bool()>& withdraw);

    int tries() const { return tries_; }  // begun so far, or about to

private:
    backoff delays_;
    int attempts_, tries_ = 1;
    time_point end_, deadline_;
};

}  // namespace dial::retrying
