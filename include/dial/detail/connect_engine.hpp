// Decides how one connect goes on. Pure: no socket, no clock but `now`.
//
// It is told what the kernel said (a verdict) and that the caller gave up; next(now) answers with one step at a time.
#pragma once

#include <dial/detail/attempt.hpp>
#include <dial/error.hpp>
#include <dial/time.hpp>

#include <cstdint>

namespace dial::detail {

struct connect_step {
    enum class action : unsigned char {
        call,        // ::connect, then on_verdict
        wait_ready,  // until the socket is ready or `until` has come; then ask, on_verdict
        wait_time,   // until `until` has come
        finish,      // with `result`; `withdraw`: the kernel still holds an attempt or a connection nobody wants
    };
    action what = action::finish;
    bool withdraw = false;
    time_point until = time_point::max();
    error_code result = {};
    bool operator==(const connect_step&) const = default;
};

class connect_engine {
public:
    // A full queue of a listening unix socket is tried again after this long, doubled up to the second.
    static constexpr duration first_pause = std::chrono::milliseconds{1};
    static constexpr duration longest_pause = std::chrono::milliseconds{50};

    // `spare_calls`: how many more times a socket that connected to itself may be replaced by a new one.
    connect_engine(duration timeout, unsigned char spare_calls) noexcept : limit_{timeout}, spare_calls_{spare_calls} {}

    void on_verdict(verdict v) noexcept {
        last_ = v;
        called_ = true;
    }
    void on_cancelled() noexcept { cancelled_ = true; }

    // No verdict that is still to come can change the answer, nor can the time.
    bool decided() const noexcept {
        return cancelled_ || (called_ && (last_.what == progress::connected || last_.what == progress::failed));
    }

    connect_step next(time_point now);

private:
    connect_step give_up(error_code why) const noexcept;
    duration next_pause() noexcept;
    time_point deadline(time_point now) noexcept;

    duration limit_;  // the timeout; from the first look at the clock, the deadline
    verdict last_ = {};
    bool timed_ : 1 = false;  // limit_ is the deadline
    bool called_ : 1 = false;
    bool cancelled_ : 1 = false;
    bool pausing_ : 1 = false;  // the pause after a full queue runs
    unsigned char pauses_ = 0;
    unsigned char spare_calls_;
};

}  // namespace dial::detail
