// What is behind a history: the engine under a lock, and which network this machine is in.
#pragma once

#include <dial/history.hpp>
#include <dial/options.hpp>
#include <dial/time.hpp>
#include <history/engine.hpp>

#include <boost/asio/ip/address.hpp>

#include <cstddef>
#include <optional>
#include <span>

namespace dial {

// Thread-safe. The lock is that of the process (resolve/fork_guard.hpp), so that it is free in the child of a fork.
class history::core {
public:
    struct attempt {
        boost::asio::ip::address to;
        remembering::ending how;
        time_point started;
        duration took;  // from its start to its end
    };

    explicit core(std::size_t max_prefixes) : engine_{max_prefixes} {}

    // Which network this machine is in: told by the set of its addresses, without those of loopback and link-local ones of
    // IPv6. Asks the kernel: for once in a dial.
    static remembering::network network_now();

    // As the engine's. `f`: v4 or v6. Without candidates of a family, it goes by what is known of the network.
    bool goes_second(const remembering::network& where, address_family f,
        std::span<const boost::asio::ip::address> candidates, time_point now) const;
    std::optional<duration> attempt_delay(
        const remembering::network& where, const boost::asio::ip::address& to, time_point now) const;

    // Once, at the end of a dial, with all attempts that it started. Where memory is short, nothing is learned.
    void remember(const remembering::network& where, std::span<const attempt> all, time_point now) noexcept;

    std::size_t size(time_point now);
    void clear();

private:
    remembering::engine engine_;
};

}  // namespace dial
