// How a dial goes: its limits, its race, and what is set on each socket before it connects.
#pragma once

#include <dial/time.hpp>

#include <boost/asio/ip/address_v4.hpp>
#include <boost/asio/ip/address_v6.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <type_traits>

namespace dial {

/// TCP keep-alive: probes on an idle connection find out that the peer is gone (tcp(7)).
struct keep_alive {
    duration idle = std::chrono::seconds{15};      ///< Quiet time before the first probe; whole seconds, rounded up.
    duration interval = std::chrono::seconds{15};  ///< Time between probes; whole seconds, rounded up.
    int count = 9;                                 ///< Unanswered probes before the connection is given up.
    bool operator==(const keep_alive&) const = default;
};

/// Local ports from `first` to `last`, both included (ip(7), IP_LOCAL_PORT_RANGE).
struct port_range {
    std::uint16_t first = 0;
    std::uint16_t last = 0;
    bool operator==(const port_range&) const = default;
};

/// The name of a network interface, at most 15 characters (netdevice(7)). Empty: any interface.
class interface_name {
public:
    constexpr interface_name() noexcept = default;
    /// Throws std::invalid_argument when `name` has over 15 characters or a NUL in it.
    constexpr interface_name(std::string_view name) {
        if (name.size() >= text_.size()) throw std::invalid_argument{"an interface name has at most 15 characters"};
        if (name.find('\0') != name.npos) throw std::invalid_argument{"an interface name has no NUL in it"};
        for (std::size_t i = 0; i != name.size(); ++i) text_[i] = name[i];
    }
    constexpr interface_name(const char* name) : interface_name{std::string_view{name}} {}

    constexpr bool empty() const noexcept { return text_[0] == '\0'; }
    constexpr const char* c_str() const noexcept { return text_.data(); }
    constexpr std::string_view view() const noexcept { return text_.data(); }
    bool operator==(const interface_name&) const = default;

private:
    std::array<char, 16> text_{};
};

/// What dial sets on each socket that it opens, before it connects. Options of TCP are left out on other sockets, those
/// of IP on sockets of other families. What the kernel refuses fails the attempt with the kernel's errno.
struct socket_options {
    bool no_delay = true;  ///< TCP_NODELAY
    std::optional<dial::keep_alive> keep_alive = dial::keep_alive{};
    std::optional<duration> user_timeout = {};  ///< TCP_USER_TIMEOUT; whole milliseconds, rounded up
    std::optional<int> syn_count = {};          ///< TCP_SYNCNT: how often a SYN is sent again
    std::optional<int> receive_buffer = {};     ///< SO_RCVBUF, in bytes; the kernel doubles it (socket(7))
    std::optional<int> send_buffer = {};        ///< SO_SNDBUF, in bytes; the kernel doubles it
    std::optional<int> mark = {};               ///< SO_MARK; needs CAP_NET_ADMIN
    std::optional<int> traffic_class = {};      ///< IP_TOS or IPV6_TCLASS, 0 to 255
    std::optional<boost::asio::ip::address_v4> local_v4 =
        {};  ///< The source of attempts to IPv4 addresses; takes no port
    std::optional<boost::asio::ip::address_v6> local_v6 = {};  ///< before connect (IP_BIND_ADDRESS_NO_PORT)
    std::optional<port_range> local_ports = {};                ///< IP_LOCAL_PORT_RANGE (Linux 6.3)
    interface_name interface = {};                             ///< SO_BINDTODEVICE
    bool multipath = false;  ///< MPTCP (RFC 8684); plain TCP where the kernel has none
    /// TCP Fast Open (RFC 7413): with a cookie at hand, the SYN leaves with the first write. The one case in which
    /// success is known only then.
    bool fast_open = false;
};

enum class address_family : unsigned char { any, v4, v6 };

/// How a dial goes. The defaults are those of RFC 8305.
struct options {
    duration timeout = std::chrono::seconds{30};                ///< The whole dial, DNS included.
    duration attempt_timeout = never;                           ///< One address.
    duration attempt_delay = std::chrono::milliseconds{250};    ///< From one start to the next (RFC 8305 section 5).
    duration resolution_delay = std::chrono::milliseconds{50};  ///< How long A waits for AAAA (RFC 8305 section 3).
    std::size_t max_attempts_in_flight = 6;                     ///< At a time; zero is one.
    address_family family = {};                                 ///< Only addresses of this family.
    socket_options socket = {};                                 ///< Set on each attempt's socket before it connects.
    /// Ask for HTTPS records as well (RFC 9460): they may name other ports and hosts, and an order. A server that does not
    /// answer that question delays a dial by `resolution_delay` at most.
    bool https_records = false;
};

// g++ 12 destroys an aggregate temporary inside a co_await expression twice.
static_assert(std::is_trivially_destructible_v<socket_options> && std::is_aggregate_v<socket_options>);
static_assert(std::is_trivially_destructible_v<options> && std::is_aggregate_v<options>);

}  // namespace dial
