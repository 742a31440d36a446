#include <race/engine.hpp>

#include <algorithm>

namespace dial::race {
namespace {

family other(family f) {
    return f == family::v4 ? family::v6 : family::v4;
}

}  // namespace

engine::engine(const rules& r, time_point now, std::pmr::memory_resource* memory)
    : rules_{r}, deadline_{std::min(saturating_add(now, r.timeout), r.deadline)}, waiting_{memory}, attempts_{memory} {
    if (r.attempt_timeout <= duration::zero()) deadline_ = std::min(deadline_, now);  // no attempt could be in time
    if (r.max_in_flight == 0) rules_.max_in_flight = 1;
}

// --- What it is told ---

// Section 6: new addresses join those not tried yet, withdrawn ones leave them; neither touches a running attempt.
void engine::on_addresses(std::span<const candidate> sorted) {
    if (!sorted.empty()) leading_ = sorted.front().of;
    waiting_.clear();
    for (const candidate& c : sorted) {
        const bool tried = std::ranges::any_of(attempts_, [&](const attempt& a) { return a.what.index == c.index; });
        const bool listed = std::ranges::find(waiting_, c.index, &candidate::index) != waiting_.end();
        if (!tried && !listed) waiting_.push_back(c);
    }
}

void engine::on_connected(std::size_t index) {
    attempt* const a = find_running(index);
    if (!a || ending_) return;  // too late: it is closed like the others
    a->is = attempt::state::won;
    winner_ = index;
    ending_ = ending::connected;
}

void engine::on_failed(std::size_t index) {
    fail(index, true);
}

void engine::on_refused_locally(std::size_t index) {
    fail(index, false);
}

void engine::fail(std::size_t index, bool sent) {
    if (attempt* const a = find_running(index)) {
        a->is = attempt::state::failed;
        a->sent = sent;
    }
}

// --- What it says ---

step engine::next(time_point now) {
    if (!ending_) look_for_the_end(now);
    if (ending_) return wind_up();

    time_point wake = deadline_;
    for (attempt& a : attempts_) {
        if (a.is != attempt::state::running) continue;
        if (expiry(a) <= now) {
            a.is = attempt::state::failed;
            return close_attempt{a.what.index, close_attempt::cause::attempt_timeout};
        }
        wake = std::min(wake, expiry(a));
    }

    const time_point due = next_start(now);
    if (due <= now) return start(now);
    return wait_until{std::min(due, wake)};
}

// A race that has lost its last attempt has failed, be it on the tick of the deadline.
void engine::look_for_the_end(time_point now) {
    if (!lookups_are_out() && waiting_.empty() && running() == 0) {
        ending_ = attempts_.empty() ? ending::no_addresses : ending::all_failed;
    } else if (now >= deadline_) {
        ending_ = ending::timed_out;
    }
}

// Section 5: once one attempt has succeeded, all others are cancelled. So they are when there is no winner.
step engine::wind_up() {
    using cause = close_attempt::cause;
    const auto rest = std::ranges::find(attempts_, attempt::state::running, &attempt::is);
    if (rest == attempts_.end()) return finish{*ending_, winner_};
    rest->is = attempt::state::closed;
    if (*ending_ == ending::connected) return close_attempt{rest->what.index, cause::another_won};
    if (*ending_ == ending::cancelled) return close_attempt{rest->what.index, cause::cancelled};
    return close_attempt{rest->what.index, cause::timed_out};
}

// Section 5: the next attempt starts one Connection Attempt Delay after the newest, whose failure ends that delay. An
// older one may fail: the newest still has its time. In any case, the first packets of two attempts keep their distance.
time_point engine::next_start(time_point now) {
    if (waiting_.empty() || running() >= rules_.max_in_flight) return time_point::max();
    if (attempts_.empty()) return first_start(now);

    const attempt& newest = attempts_.back();
    const bool failed = newest.is == attempt::state::failed;
    const duration patience = newest.what.patience.value_or(rules_.attempt_delay);
    const time_point due = failed ? now : saturating_add(newest.started, patience);
    const auto sent = std::find_if(attempts_.rbegin(), attempts_.rend(), [](const attempt& a) { return a.sent; });
    if (sent == attempts_.rend()) return due;
    return std::max(due, saturating_add(sent->started, rules_.spacing));
}

// Section 3: the first addresses are tried at once, but A waits a little for an AAAA that is still out; and both, for what the
// service has to say of itself (version 3, draft-ietf-happy-happyeyeballs-v3 section 4.2).
time_point engine::first_start(time_point now) {
    const family preferred = rules_.preferred;
    if (!service_out_ && (!out(preferred) || waits(preferred))) return now;
    if (!window_end_) window_end_ = saturating_add(now, rules_.resolution_delay);
    return *window_end_;
}

step engine::start(time_point now) {
    const std::size_t group = std::ranges::min_element(waiting_, {}, &candidate::group)->group;
    const auto in_turn = [group, f = turn()](const candidate& c) { return c.group == group && c.of == f; };
    auto pick = std::ranges::find_if(waiting_, in_turn);
    if (pick == waiting_.end()) pick = std::ranges::find(waiting_, group, &candidate::group);
    attempts_.push_back({.what = *pick, .started = now});
    waiting_.erase(pick);
    return start_attempt{attempts_.back().what.index};
}

// Section 4: the families take turns. That of the first address leads, once with more than one of its own if so wished.
// To take turns with what was tried last is to interleave the list, also when half of the list comes late.
family engine::turn() const {
    const auto leads = [this](const attempt& a) { return a.what.of == leading_; };
    if (attempts_.size() < rules_.first_family_count && std::ranges::all_of(attempts_, leads)) return leading_;
    return attempts_.empty() ? leading_ : other(attempts_.back().what.of);
}

// --- Looking things up ---

bool engine::waits(family f) const {
    return std::ranges::find(waiting_, f, &candidate::of) != waiting_.end();
}

std::size_t engine::running() const {
    return static_cast<std::size_t>(std::ranges::count(attempts_, attempt::state::running, &attempt::is));
}

engine::attempt* engine::find_running(std::size_t index) {
    const auto a = std::ranges::find_if(
        attempts_, [&](const attempt& x) { return x.what.index == index && x.is == attempt::state::running; });
    return a == attempts_.end() ? nullptr : &*a;
}

bool engine::only_one_left() const {
    return !lookups_are_out() && waiting_.size() + running() == 1;
}

}  // namespace dial::race
