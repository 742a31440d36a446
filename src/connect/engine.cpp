#include <dial/detail/connect_engine.hpp>

#include <algorithm>
#include <cerrno>

namespace dial::detail {
namespace {

error_code from_errno(int error) {
    return {error, boost::system::system_category()};
}

}  // namespace

// What the kernel may still hold when the connect is given up.
connect_step connect_engine::give_up(error_code why) const noexcept {
    connect_step step;
    step.withdraw = called_ && last_.what != progress::failed && last_.what != progress::queue_full;
    step.result = why;
    return step;
}

duration connect_engine::next_pause() noexcept {
    const duration pause = first_pause * (1 << pauses_);
    if (pause >= longest_pause) return longest_pause;
    ++pauses_;
    return pause;
}

time_point connect_engine::deadline(time_point now) noexcept {
    if (!timed_) {
        timed_ = true;
        limit_ = limit_ == never ? never : saturating_add(now, limit_).time_since_epoch();
    }
    return time_point{limit_};
}

connect_step connect_engine::next(time_point now) {
    using action = connect_step::action;
    if (cancelled_) return give_up(from_errno(ECANCELED));
    if (!called_) {
        if (limit_ <= duration::zero()) return give_up(error::timeout);
        return {.what = action::call};
    }
    if (last_.what == progress::connected) return {};
    if (last_.what == progress::failed) return {.result = from_errno(last_.error)};

    const time_point deadline = this->deadline(now);
    const bool late = now >= deadline;
    switch (last_.what) {
        case progress::in_progress:
            if (late) return give_up(error::timeout);
            return {.what = action::wait_ready, .until = deadline};

        case progress::to_itself:
            if (late || spare_calls_ == 0) return give_up(from_errno(ECONNREFUSED));
            --spare_calls_;
            return {.what = action::call};

        case progress::queue_full:
            if (pausing_) {
                pausing_ = false;
                return {.what = action::call};
            }
            if (late) return give_up(error::timeout);
            pausing_ = true;
            return {.what = action::wait_time, .until = std::min(saturating_add(now, next_pause()), deadline)};

        case progress::connected:
        case progress::failed: break;  // answered above
    }
    return {};
}

}  // namespace dial::detail
