// What happens in a pool, as it happens: what an observer is told.
#pragma once

#include <dial/error.hpp>
#include <dial/time.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace dial {

class report;

/// Why a pool closed a connection.
enum class close_reason : unsigned char {
    idle_timeout,  ///< Nobody used it for pool_options::idle_timeout.
    max_lifetime,  ///< It was open for pool_options::max_lifetime.
    max_idle,      ///< There were more idle ones than pool_options::max_idle.
    dead,          ///< The peer closed or reset it, or sent what nobody had asked for, while it was idle.
    check_failed,  ///< pool_options::check said so, or did not answer in time.
    discarded,     ///< Its user did not want it used again (lease::discard), closed it, or left it by an exception.
    reset,         ///< pool::reset.
    address_gone,  ///< Its address has gone from DNS (pool_options::follow_dns).
    evicted,       ///< Its place was needed for another target (pool_options::max_total).
    pool_closed,   ///< The pool was closed, or destroyed.
};
inline constexpr std::size_t close_reasons = 10;

/// The enumerator's name: "idle_timeout".
std::string_view to_string(close_reason why) noexcept;

/// One thing that happened. What it points to is valid during the call that brings it.
struct pool_event {
    enum class subject : unsigned char {
        opening,      ///< A connect has started.
        opened,       ///< It is connected, and prepared; `story` tells how.
        open_failed,  ///< It is not: `error`, and `story`. `operation_aborted`: the pool gave it up.
        acquired,     ///< A connection was handed out: `reused`, after `waited`.
        returned,     ///< It came back.
        checked,      ///< pool_options::check has passed; where it fails, that is `closed`.
        closed,       ///< A connection was closed: `why`.
        wait_ended,   ///< Somebody who waited got none: `error`, after `waited`. `operation_aborted`: they cancelled.
    };

    subject what = subject::opening;
    time_point when = {};
    std::string_view target = {};  ///< as target::to_string() writes it
    std::uint64_t connection =
        0;  ///< Tells the connections of a pool apart: each has a number of its own, from 1; else 0.
    error_code error = {};
    bool reused = false;
    duration waited = {};
    close_reason why = close_reason::idle_timeout;
    const report* story = nullptr;  ///< of a connect, where there is one

    /// Of this target, after the event.
    std::size_t in_use = 0, idle = 0, connecting = 0, waiting = 0;
};

/// The enumerator's name: "open_failed".
std::string_view to_string(pool_event::subject what) noexcept;

static_assert(std::is_trivially_destructible_v<pool_event> && std::is_aggregate_v<pool_event>);

}  // namespace dial
