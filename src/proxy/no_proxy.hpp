// Which hosts are dialed without a proxy, as NO_PROXY lists them. Pure.
#pragma once

#include <proxy/network.hpp>

#include <boost/asio/ip/address.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dial::proxy {

// Entries are separated by commas, blanks or both:
//
//   *                       every host
//   example.com             this name and what is under it; .example.com is the same, as for curl (for Go, only what is under it)
//   *.example.com           only what is under it
//   192.0.2.7, 2001:db8::7  this address, in any of its forms
//   10.0.0.0/8, fd00::/8    the addresses of this network; bits behind the prefix do not count
//
// Each may have a port behind it, example.com:8080 or [2001:db8::7]:8080, and is then about that port only. The case of
// letters and a dot at the end of a name do not count, nor do the zones of addresses: no proxy has the links of this machine.
// An IPv4 address that is mapped into IPv6 is the IPv4 address.
//
// Loopback is no exception, as for curl: who wants it direct lists it (Go never takes a proxy for it).
class no_proxy {
public:
    no_proxy() = default;
    explicit no_proxy(std::string_view text);

    // `address`: what `host` is, if it is an address. That is matched by addresses and networks only; a name, which is not
    // looked up here, by names only. An entry with a port does not match port 0, that of a service whose port is unknown.
    bool matches(
        std::string_view host, const std::optional<boost::asio::ip::address>& address, std::uint16_t port) const;

    // Entries that are none of the above and match nothing, as written: 192.168.*, or 10.0.0.0/33.
    const std::vector<std::string>& ignored() const { return ignored_; }

private:
    struct entry {  // every host, where there is neither of these
        std::optional<network> addresses = {};
        std::string name = {};  // without a dot at its ends
        bool is_what_is_under = false;
        std::uint16_t port = 0;  // 0 for every port
    };

    static std::optional<entry> read(std::string_view text);
    static bool matches_name(const entry& e, std::string_view host);

    std::vector<entry> entries_;
    std::vector<std::string> ignored_;
};

}  // namespace dial::proxy
