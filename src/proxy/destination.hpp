// What a proxy is asked to connect to.
#pragma once

#include <dial/error.hpp>
#include <dial/target.hpp>

#include <boost/asio/ip/address.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace dial::proxy {

struct destination {
    std::string host;                                 // as written; without brackets and zone
    std::optional<boost::asio::ip::address> address;  // where the host is one; without a zone
    std::uint16_t port = 0;
};

// A host and its port; none for a target that no proxy can be asked for, and why in words. The port of a service is looked up
// in services(5).
std::optional<destination> destination_of(const target& to, std::string& why);

}  // namespace dial::proxy
