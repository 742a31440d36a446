// Counts of a pool: what it has, and what it has done so far.
#pragma once

#include <dial/pool_event.hpp>
#include <dial/time.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace dial {

/// How long those who got a connection had waited for it.
struct wait_histogram {
    /// The upper bounds of the buckets, included; one more bucket holds what took longer.
    static constexpr std::array<duration, 12> bounds{std::chrono::microseconds{100}, std::chrono::microseconds{500},
        std::chrono::milliseconds{1}, std::chrono::milliseconds{5}, std::chrono::milliseconds{10},
        std::chrono::milliseconds{50}, std::chrono::milliseconds{100}, std::chrono::milliseconds{500},
        std::chrono::seconds{1}, std::chrono::seconds{5}, std::chrono::seconds{10}, std::chrono::seconds{60}};

    std::array<std::uint64_t, bounds.size() + 1> counts = {};  ///< each bucket by itself, not cumulative
    duration sum = {};
    duration longest = {};

    void add(duration waited) noexcept;
    std::uint64_t count() const noexcept;
    /// The upper bound of the bucket in which this part of the waits (0.99: all but one in a hundred) had ended; `longest` where
    /// that is less, zero where nobody has waited.
    duration quantile(double part) const noexcept;

    wait_histogram& operator+=(const wait_histogram& other) noexcept;
};

/// Of one target, or of all together.
struct pool_counts {
    std::size_t in_use = 0;      ///< handed out, not returned yet
    std::size_t idle = 0;        ///< could be handed out at once
    std::size_t connecting = 0;  ///< being opened, or prepared
    std::size_t checking = 0;    ///< idle, and being checked
    std::size_t waiting = 0;     ///< wait for a connection

    std::uint64_t opened = 0;         ///< connects that succeeded, whether or not the connection was needed in the end
    std::uint64_t open_failed = 0;    ///< connects that did not
    std::uint64_t given_up = 0;       ///< connects that were given up: for reset(), close(), or another target's sake
    std::uint64_t acquired = 0;       ///< handed out,
    std::uint64_t reused = 0;         ///< of these: not for the first time
    std::uint64_t wait_timeouts = 0;  ///< waits that took too long
    std::uint64_t turned_away = 0;    ///< because too many waited already
    std::uint64_t cancelled = 0;      ///< waits that their owners cancelled
    std::array<std::uint64_t, close_reasons> closed = {};  ///< by close_reason
    wait_histogram waits;

    std::uint64_t closed_for(close_reason why) const noexcept { return closed[static_cast<std::size_t>(why)]; }
    /// Idle or alive for too long.
    std::uint64_t expired() const noexcept {
        return closed_for(close_reason::idle_timeout) + closed_for(close_reason::max_lifetime);
    }
    /// Found dead before anybody got them.
    std::uint64_t dead() const noexcept {
        return closed_for(close_reason::dead) + closed_for(close_reason::check_failed);
    }

    pool_counts& operator+=(const pool_counts& other) noexcept;
};
static_assert(std::is_trivially_destructible_v<pool_counts> && std::is_aggregate_v<pool_counts>);

}  // namespace dial
