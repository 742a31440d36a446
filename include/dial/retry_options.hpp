// Whether, how often and how soon a failed try is repeated.
#pragma once

#include <dial/error.hpp>
#include <dial/retry_budget.hpp>
#include <dial/time.hpp>

#include <algorithm>
#include <chrono>
#include <functional>
#include <optional>
#include <utility>

namespace dial {

/// Whether the same try may succeed later without a change on this side. What nobody but the user can change is not repeated.
///
/// - The server or the way to it: ECONNREFUSED, ECONNRESET, ECONNABORTED, EPIPE, ETIMEDOUT, EHOSTUNREACH, EHOSTDOWN, ENETUNREACH,
///   ENETDOWN, ENONET, ENOENT (a unix socket whose server has not started yet), end of file, a truncated TLS stream.
/// - A shortage on this machine, which passes: EAGAIN, EADDRNOTAVAIL, EMFILE, ENFILE, ENOBUFS, ENOMEM.
/// - Name servers that say to ask later: `asio::error::host_not_found_try_again`.
/// - A limit that passed inside: `error::timeout`; a pool that was full, could not open a connection in time, or had too many waiting.
/// - A proxy's: `error::proxy_closed`, SOCKS5 replies 1, 3, 4, 5 and 6, SOCKS4 reply 91, HTTP 408, 429, 500, 502, 503 and 504.
///
/// Nothing else: not cancellation, invalid targets and options, names that do not exist, missing permissions and credentials,
/// certificates that do not verify, an open breaker.
bool retryable(const error_code& error);

/// How much of a delay is chance. It keeps those who failed together from coming back together.
enum class jitter : unsigned char {
    full,          ///< Anything from zero to the delay: least load on the server.
    decorrelated,  ///< Anything from `base` to three times the delay before: never at once.
    none,          ///< The delay itself. For where one client is alone.
};

/// What dial::retry repeats. The defaults: four tries in all, up to 100, 200 and 400 ms apart.
///
/// A retry that could not begin before the request's deadline is not waited for: the error is delivered at once.
class retry_options {
public:
    retry_options() = default;
    explicit retry_options(int attempts) { this->attempts(attempts); }

    /// How many tries, with the first. Default 4; below one is one.
    retry_options& attempts(int count) {
        attempts_ = std::max(count, 1);
        return *this;
    }
    int attempts() const noexcept { return attempts_; }

    /// The delay before the second try. Default 100 ms; below zero is zero.
    retry_options& base(duration first_delay) {
        base_ = std::max(first_delay, duration::zero());
        return *this;
    }
    duration base() const noexcept { return base_; }

    /// How much longer each delay is than the one before. Default 2; below one is one, not-a-number too.
    retry_options& factor(double growth) {
        factor_ = growth > 1 ? growth : 1;
        return *this;
    }
    double factor() const noexcept { return factor_; }

    /// No delay is longer, whatever `base` and `factor` say. Default 10 s; below zero is zero.
    retry_options& max_delay(duration ceiling) {
        max_delay_ = std::max(ceiling, duration::zero());
        return *this;
    }
    duration max_delay() const noexcept { return max_delay_; }

    /// Default: full.
    retry_options& jitter(dial::jitter kind) {
        jitter_ = kind;
        return *this;
    }
    dial::jitter jitter() const noexcept { return jitter_; }

    /// No retry begins this long after the first try began, or later. Default: never, there is no such limit.
    retry_options& total_time(duration limit) {
        total_time_ = limit;
        return *this;
    }
    duration total_time() const noexcept { return total_time_; }

    /// How much retries may add to the load. Default: none given; then each layer has a `retry_budget{}` of its own.
    retry_options& budget(retry_budget shared) {
        budget_ = std::move(shared);
        return *this;
    }
    const std::optional<retry_budget>& budget() const noexcept { return budget_; }

    /// Which errors are worth a retry. Default: `retryable`. An empty function is that too. Cancellation by the caller ends the
    /// matter, whatever this says.
    retry_options& when(std::function<bool(const error_code&)> predicate);
    const std::function<bool(const error_code&)>& when() const noexcept { return when_; }

private:
    int attempts_ = 4;
    double factor_ = 2;
    duration base_ = std::chrono::milliseconds{100}, max_delay_ = std::chrono::seconds{10}, total_time_ = never;
    dial::jitter jitter_ = dial::jitter::full;
    std::optional<retry_budget> budget_;
    std::function<bool(const error_code&)> when_ = retryable;
};

}  // namespace dial
