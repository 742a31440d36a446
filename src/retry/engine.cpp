#include <dial/detail/retry_engine.hpp>

#include <algorithm>

namespace dial::retrying {

engine::engine(const retry_options& options, time_point now, time_point deadline)
    : delays_{options}, attempts_{options.attempts()}, end_{saturating_add(now, options.total_time())}, deadline_{
                                                                                                            deadline} {}

// Nobody waits for a try that comes too late: the caller learns of the error as soon as it is final. One that would begin at the
// end of time never begins.
step engine::on_failed(bool retryable, time_point now, double random, const std::function<bool()>& withdraw) {
    using cause = give_up::cause;
    if (!retryable) return give_up{cause::not_retryable};
    if (tries_ >= attempts_) return give_up{cause::attempts};
    const time_point when = saturating_add(now, delays_.next(random));
    if (when >= std::min(end_, deadline_)) return give_up{deadline_ < end_ ? cause::deadline : cause::total_time};
    if (withdraw && !withdraw()) return give_up{cause::budget};
    ++tries_;
    return try_at{when};
}

}  // namespace dial::retrying
