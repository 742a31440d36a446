// Which of several targets is tried first, and when the next.
#pragma once

#include <dial/time.hpp>

#include <chrono>
#include <type_traits>

namespace dial {

/// How the targets of dial::failover are tried. Each is tried once.
enum class failover_order : unsigned char {
    in_order,  ///< The next when the one before has failed: the first is preferred.
    random,    ///< As in_order, with the targets shuffled for each request: the load is spread.
    raced,  ///< The next after `delay` too, while those before go on; the first to connect wins, the others are cancelled.
};

class failover_options {
public:
    failover_options() = default;
    explicit failover_options(failover_order how) : order_{how} {}

    /// Default: in_order.
    failover_options& order(failover_order how) {
        order_ = how;
        return *this;
    }
    failover_order order() const noexcept { return order_; }

    /// For raced: how long the newest has before the next one starts. Default 250 ms (RFC 8305 section 8); zero or less: all
    /// start at once; never: the next starts only when the newest has failed.
    failover_options& delay(duration head_start) {
        delay_ = head_start;
        return *this;
    }
    duration delay() const noexcept { return delay_; }

private:
    failover_order order_ = failover_order::in_order;
    duration delay_ = std::chrono::milliseconds{250};
};
static_assert(std::is_trivially_destructible_v<failover_options>);

}  // namespace dial
