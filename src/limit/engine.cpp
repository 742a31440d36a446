#include <limit/engine.hpp>

#include <chrono>
#include <cmath>

namespace dial::limiting {
namespace {

// Rounded up, so that it is never more than so many a second; but what a double can only nearly say is not rounded up for that.
duration interval_of(double per_second) {
    if (per_second == 0) return duration::zero();
    const long double exact = 1e9L / per_second;
    return to_duration(std::chrono::duration<long double, std::nano>{std::ceil(exact - exact * 1e-15L)});
}

}  // namespace

engine::engine(const limit_options& options)
    : max_in_flight_{options.in_flight()}, interval_{interval_of(options.per_second())}, burst_{options.burst()},
      tokens_{burst_} {}

// --- What it is told ---

ticket engine::on_arrived() {
    return *line_.insert(line_.end(), ticket{next_ticket_++});
}

void engine::on_withdrawn(ticket who) {
    line_.erase(who);
}

void engine::on_finished() {
    if (in_flight_ != 0) --in_flight_;
}

// --- What it says ---

bool engine::start_at_once(time_point now) {
    if (!line_.empty() || in_flight_ >= max_in_flight_) return false;
    if (interval_ != duration::zero()) {
        refill(now);
        if (tokens_ == 0) return false;
        take_token(now);
    }
    ++in_flight_;
    return true;
}

step engine::next(time_point now) {
    if (line_.empty() || in_flight_ >= max_in_flight_) return idle{};
    if (interval_ != duration::zero()) {
        refill(now);
        if (tokens_ == 0) return wait_until{next_token_};
        take_token(now);
    }
    const ticket who = *line_.begin();
    line_.erase(line_.begin());
    ++in_flight_;
    return start{who};
}

void engine::refill(time_point now) {
    if (tokens_ == burst_ || now < next_token_) return;
    const duration late = now - next_token_;
    const auto come_back = static_cast<std::uint64_t>(late / interval_);  // besides the one that was due
    if (come_back >= burst_ - tokens_ - 1) {
        tokens_ = burst_;
    } else {
        tokens_ += static_cast<std::size_t>(come_back) + 1;
        next_token_ = saturating_add(now, interval_ - late % interval_);
    }
}

void engine::take_token(time_point now) {
    if (tokens_-- == burst_) next_token_ = saturating_add(now, interval_);
}

}  // namespace dial::limiting
