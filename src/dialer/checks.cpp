// The part of a dial that has connected attempts checked: they have not won before.
#include <dial/detail/attempt_check.hpp>
#include <dialer/operation.hpp>

#include <string>
#include <utility>

namespace dial::detail {

void dial_operation::check(runner& r) {
    r.checked = true;
    r.checking = true;
    ++waits_;
    r.check = what_.check()->start(
        r.attempt.hand_over(), [dial = shared_from_this(), which = &r](error_code ec, std::string note) {
            dial->on_checked(*which, ec, std::move(note));
        });
}

void dial_operation::hear_check(runner& r, error_code ec, std::string note) {
    --waits_;
    r.checking = false;
    if (finished_ || r.over) return what_.check()->stop(r.check);
    if (!ec) return engine_->on_connected(r.candidate);
    r.over = true;
    r.ended = now_;
    r.attempt.fail(ec, std::move(note));
    tell_end_of(r, outcome::failed, ec);
    engine_->on_failed(r.candidate);
}

void dial_operation::stop_check(runner& r) {
    if (r.checking) what_.check()->stop(r.check);
}

void dial_operation::accept(const runner& winner) {
    if (winner.checked) what_.check()->win(winner.check);
}

}  // namespace dial::detail
