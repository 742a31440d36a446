// What a target needs looked up before it can be raced, and how to ask.
#pragma once

#include <dial/resolver.hpp>
#include <resolve/ticket.hpp>

#include <boost/asio/ip/address.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace dial::resolve {

// The port of a TCP service: from the services(5) database on a thread, since that may be anywhere (nsswitch.conf(5)), else
// from what everybody knows. A port of 0 and an error where nobody knows.
void start_service_lookup(const std::string& service, std::shared_ptr<detail::lookup_ticket> ticket);

// The index of an interface, for the zone of an IPv6 address; 0 and errno if there is none of that name.
unsigned interface_index(const std::string& zone);

// The indexes of `addresses`, best first (RFC 6724). The source for each is what the kernel would choose, or `from` of its
// family. Makes system calls only where there is something to choose.
std::vector<std::size_t> destination_order(std::span<const boost::asio::ip::address> addresses,
    const std::optional<boost::asio::ip::address_v4>& from_v4,
    const std::optional<boost::asio::ip::address_v6>& from_v6);

// Which error tells why a name has no addresses, of those that the lookups gave: trouble in finding out before "no such
// name" before nothing.
error_code why_no_addresses(std::span<const error_code> errors);

}  // namespace dial::resolve
