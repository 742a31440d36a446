// What dials have learned about the network, for those that come after.
#pragma once

#include <dial/time.hpp>

#include <cstddef>
#include <memory>

namespace dial {

/// Remembers which destinations answered, and how soon: given to a dialer by dialer::remember(), shared by as many as one
/// likes.
///
/// - A family goes second where its addresses of this name failed the last time; of a name that is new, where it failed at two
///   destinations or more and nothing came back from any. If both families fail, the order stays.
/// - How long an attempt has before the next one starts follows the round-trip time, from 100 ms to 2 s (RFC 8305 section 5);
///   where that is not known, it is that of the options.
///
/// Kept per prefix (IPv4 /24, IPv6 /48) for ten minutes, and only for the network it was learned on, which is told by the
/// set of this machine's own addresses. An attempt that was given up since another won counts as failed if it had more than
/// twice the time of the winner, and 100 ms; a dial that was cancelled teaches only what had failed by then.
///
/// A handle: copies share what is remembered. Thread-safe.
class history {
public:
    /// `max_prefixes`: how many are remembered; beyond that, the one that was not heard of for longest is forgotten.
    explicit history(std::size_t max_prefixes = 4096);

    /// How many prefixes it knows something about, in all networks.
    std::size_t size() const;
    /// Forgets all.
    void clear();

    // For dialers: what is in src/history/core.hpp.
    class core;
    const std::shared_ptr<core>& shared() const noexcept { return core_; }

private:
    std::shared_ptr<core> core_;
};

}  // namespace dial
