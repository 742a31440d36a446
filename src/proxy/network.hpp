// The addresses that share a prefix: 10.0.0.0/8, or one address. Pure.
#pragma once

#include <boost/asio/ip/address.hpp>

#include <optional>
#include <string_view>

namespace dial::proxy {

// An IPv4 address that is mapped into IPv6 is the IPv4 address here, since it leads to the same host; zones do not count.
class network {
public:
    // That of one address.
    explicit network(const boost::asio::ip::address& address);

    // The bits of `address` behind the prefix do not count. Nothing if `prefix` is longer than the address.
    static std::optional<network> with_prefix(const boost::asio::ip::address& address, unsigned prefix);

    bool contains(const boost::asio::ip::address& address) const;

private:
    boost::asio::ip::address address_;
    unsigned prefix_;
};

}  // namespace dial::proxy
