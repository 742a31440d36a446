// The source address that the kernel would use for a destination: what destination order (engine.hpp) has to know.
#pragma once

#include <resolve/engine.hpp>

#include <boost/asio/ip/address.hpp>

#include <array>
#include <optional>

namespace dial::resolve {

address from_asio(const boost::asio::ip::address& a);

// Asks the kernel by connecting a UDP socket, which sends nothing and does not wait. The sockets, one for each family,
// are opened when they are needed first and then used again: for a dozen addresses, that is as many descriptors less.
class source_prober {
public:
    source_prober() = default;
    source_prober(const source_prober&) = delete;
    source_prober& operator=(const source_prober&) = delete;
    ~source_prober();

    // Nothing if there is no route, or if it cannot be found out (no IPv6 in this kernel, too many open files, …).
    std::optional<address> source_for(const address& to);

private:
    int socket_for(int family);

    std::array<int, 2> sockets_{-1, -1};  // IPv4, IPv6
};

}  // namespace dial::resolve
