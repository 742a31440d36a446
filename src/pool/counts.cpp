#include <dial/pool_counts.hpp>

#include <algorithm>
#include <numeric>

namespace dial {

std::string_view to_string(close_reason why) noexcept {
    switch (why) {
        case close_reason::idle_timeout: return "idle_timeout";
        case close_reason::max_lifetime: return "max_lifetime";
        case close_reason::max_idle: return "max_idle";
        case close_reason::dead: return "dead";
        case close_reason::check_failed: return "check_failed";
        case close_reason::discarded: return "discarded";
        case close_reason::reset: return "reset";
        case close_reason::address_gone: return "address_gone";
        case close_reason::evicted: return "evicted";
        case close_reason::pool_closed: return "pool_closed";
    }
    return "unknown";
}

std::string_view to_string(pool_event::subject what) noexcept {
    switch (what) {
        case pool_event::subject::opening: return "opening";
        case pool_event::subject::opened: return "opened";
        case pool_event::subject::open_failed: return "open_failed";
        case pool_event::subject::acquired: return "acquired";
        case pool_event::subject::returned: return "returned";
        case pool_event::subject::checked: return "checked";
        case pool_event::subject::closed: return "closed";
        case pool_event::subject::wait_ended: return "wait_ended";
    }
    return "unknown";
}

void wait_histogram::add(duration waited) noexcept {
    const auto bucket = std::lower_bound(bounds.begin(), bounds.end(), waited) - bounds.begin();
    ++counts[static_cast<std::size_t>(bucket)];
    sum += waited;
    longest = std::max(longest, waited);
}

std::uint64_t wait_histogram::count() const noexcept {
    return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

duration wait_histogram::quantile(double part) const noexcept {
    const std::uint64_t all = count();
    if (all == 0) return {};
    const double wanted = std::clamp(part, 0.0, 1.0) * static_cast<double>(all);
    std::uint64_t so_far = 0;
    for (std::size_t i = 0; i != bounds.size(); ++i) {
        so_far += counts[i];
        if (so_far != 0 && static_cast<double>(so_far) >= wanted) return std::min(bounds[i], longest);
    }
    return longest;
}

wait_histogram& wait_histogram::operator+=(const wait_histogram& other) noexcept {
    for (std::size_t i = 0; i != counts.size(); ++i) counts[i] += other.counts[i];
    sum += other.sum;
    longest = std::max(longest, other.longest);
    return *this;
}

pool_counts& pool_counts::operator+=(const pool_counts& other) noexcept {
    in_use += other.in_use;
    idle += other.idle;
    connecting += other.connecting;
    checking += other.checking;
    waiting += other.waiting;
    opened += other.opened;
    open_failed += other.open_failed;
    given_up += other.given_up;
    acquired += other.acquired;
    reused += other.reused;
    wait_timeouts += other.wait_timeouts;
    turned_away += other.turned_away;
    cancelled += other.cancelled;
    for (std::size_t i = 0; i != closed.size(); ++i) closed[i] += other.closed[i];
    waits += other.waits;
    return *this;
}

}  // namespace dial
