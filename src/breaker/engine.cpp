#include <breaker/engine.hpp>

#include <algorithm>

namespace dial::breaking {

engine::engine(const breaker_options& options, std::uint64_t identity)
    : failures_{options.failures()}, first_open_for_{options.open_for()},
      max_open_for_{std::max(options.open_for(), options.max_open_for())}, open_for_{first_open_for_}, current_{
                                                                                                           identity,
                                                                                                           0} {}

answer engine::ask(time_point now) {
    if (state_ == state::closed) return let_through{current_};
    if (state_ == state::open) {
        if (now < open_until_) return refuse{open_until_};
        state_ = state::half_open;
    }
    if (probe_out_) return refuse{};
    probe_out_ = true;
    ++current_.generation;  // a probe's permit is its own
    return let_through{current_};
}

void engine::on_ended(const permit& begun_with, outcome how, time_point now) noexcept {
    if (begun_with != current_) return;
    if (state_ == state::closed) {
        if (how == outcome::connected) failed_ = 0;
        if (how == outcome::failed && ++failed_ >= failures_) open(now);
        return;
    }
    if (!probe_out_) return;  // told twice
    probe_out_ = false;
    if (how == outcome::connected) close();
    if (how == outcome::failed) {
        open_for_ = open_for_ > max_open_for_ / 2 ? max_open_for_ : 2 * open_for_;
        open(now);
    }
}

void engine::open(time_point now) noexcept {
    state_ = state::open;
    open_until_ = saturating_add(now, open_for_);
    ++current_.generation;
}

void engine::close() noexcept {
    state_ = state::closed;
    failed_ = 0;
    open_for_ = first_open_for_;
    ++current_.generation;
}

}  // namespace dial::breaking
