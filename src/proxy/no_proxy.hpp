// Which targets need no proxy: what NO_PROXY says. Pure.
#pragma once

#include <boost/asio/ip/address.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dial::proxy {

// Entries separated by commas or spaces:
//
//   *                           everything
//   example.com, .example.com   the host and all names under it (as curl reads it; Go takes the second for the names alone)
//   *.example.com               the same
//   192.0.2.7, [2001:db8::1]    an address; an IPv4 address is equal to its IPv4-mapped form
//   192.0.2.0/24, 2001:db8::/32 a block of addresses
//   example.com:8443            at this port only; an IPv6 address with a port stands in brackets
//
// Names compare without case and without the dot at their ends; a name is not looked up to compare it with addresses. What is none
// of these is left out. localhost and loopback are nothing special.
class no_proxy {
public:
    no_proxy() = default;
    explicit no_proxy(std::string_view text);

    bool matches(
        std::string_view host, const std::optional<boost::asio::ip::address>& address, std::uint16_t port) const;

private:
    struct entry {
        std::string name;                     // empty: an address
        boost::asio::ip::address_v6 network;  // IPv4 is mapped
        unsigned bits = 128;
        std::optional<std::uint16_t> port;
    };

    void add(std::string_view text);

    bool all_ = false;
    std::vector<entry> entries_;
};

}  // namespace dial::proxy
