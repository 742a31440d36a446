// When connects to a target that fails are stopped, and for how long.
#pragma once

#include <dial/error.hpp>
#include <dial/time.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>

namespace dial {

/// Whether an error tells something about the target or the way to it: all do but cancellation, what is wrong with the request
/// or the options (`error::invalid_target`, `error::invalid_option`), and `error::breaker_open`: then nothing was tried.
bool counts_as_failure(const error_code& error);

/// When dial::breaker opens and closes. For each target of its own.
///
/// Closed, it lets all connects through. After `failures` in a row it opens: connects fail at once with `error::breaker_open`.
/// When `open_for` has passed, one is let through to see: if it connects, the breaker closes, else it stays open for as long
/// again, or longer. If the outcome is not known (it was cancelled, or the error does not count), the next one is to see.
class breaker_options {
public:
    breaker_options() = default;
    explicit breaker_options(int failures) { this->failures(failures); }

    /// How many connects have to fail in a row; one that succeeds starts the count anew. Default 5; below one is one.
    breaker_options& failures(int in_a_row) {
        failures_ = std::max(in_a_row, 1);
        return *this;
    }
    int failures() const noexcept { return failures_; }

    /// How long it is open before one is let through. Default 10 s; zero or less: not at all, one after the other is let
    /// through.
    breaker_options& open_for(duration time) {
        open_for_ = std::max(time, duration::zero());
        return *this;
    }
    duration open_for() const noexcept { return open_for_; }

    /// Each time that the one which is let through fails, the time doubles, up to this. Default: zero; below `open_for`, it
    /// stays the same.
    breaker_options& max_open_for(duration ceiling) {
        max_open_for_ = ceiling;
        return *this;
    }
    duration max_open_for() const noexcept { return max_open_for_; }

    /// Which errors count as failures; the others say nothing, neither good nor bad. Default: `counts_as_failure`. An empty
    /// function is that too. Cancellation by the caller never counts, whatever this says.
    breaker_options& counts(std::function<bool(const error_code&)> predicate);
    const std::function<bool(const error_code&)>& counts() const noexcept { return counts_; }

    /// How many targets are remembered. Beyond that, the one that was not used for longest is forgotten: one whose breaker is
    /// closed, as long as there is any. Default 1000; zero is one.
    breaker_options& max_targets(std::size_t count) {
        max_targets_ = std::max<std::size_t>(count, 1);
        return *this;
    }
    std::size_t max_targets() const noexcept { return max_targets_; }

private:
    int failures_ = 5;
    duration open_for_ = std::chrono::seconds{10}, max_open_for_ = duration::zero();
    std::function<bool(const error_code&)> counts_ = counts_as_failure;
    std::size_t max_targets_ = 1000;
};

}  // namespace dial
