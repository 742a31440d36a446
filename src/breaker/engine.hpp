// Decides whether a connect to one target is let through: a circuit breaker. Pure: no clock but `now`.
//
// Ask before each connect; who is let through tells how it ended, once, with the permit that it got.
#pragma once

#include <dial/breaker_options.hpp>
#include <dial/time.hpp>

#include <cstdint>
#include <optional>
#include <variant>

namespace dial::breaking {

enum class outcome : unsigned char {
    connected,
    failed,
    unknown,  // it was cancelled, or failed in a way that says nothing about the target
};

outcome outcome_of(const error_code& result, const breaker_options& options);

// What a connect began under. Since then the state may have changed, and what came of it is old news.
struct permit {
    std::uint64_t breaker, generation;
    bool operator==(const permit&) const = default;
};

struct let_through {
    permit with;
    bool operator==(const let_through&) const = default;
};
struct refuse {
    std::optional<time_point> until;  // nothing: for as long as the one runs that was let through to see
    bool operator==(const refuse&) const = default;
};
using answer = std::variant<let_through, refuse>;

class engine {
public:
    // `identity`: another for each breaker whose permits might be taken for those of this one.
    explicit engine(const breaker_options& options, std::uint64_t identity = 0);

    answer ask(time_point now);
    // Of connects begun before the last change of state, nothing counts.
    void on_ended(const permit& begun_with, outcome how, time_point now) noexcept;

    bool is_closed() const noexcept { return state_ == state::closed; }

private:
    enum class state : unsigned char { closed, open, half_open };

    void open(time_point now) noexcept;
    void close() noexcept;

    int failures_, failed_ = 0;  // in a row
    duration first_open_for_, max_open_for_, open_for_;
    permit current_;
    state state_ = state::closed;
    bool probe_out_ = false;  // half open: the one that is to see runs
    time_point open_until_ = time_point::min();
};

}  // namespace dial::breaking
