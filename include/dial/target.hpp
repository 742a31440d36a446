// Whereto: a host and a port, a service, or a unix socket. Parsed and checked, never looked up.
#pragma once

#include <dial/error.hpp>

#include <boost/asio/ip/address.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace dial {

/// Where to connect to. Cheap to copy.
///
///   host:port            example.com:443, 192.0.2.7:80, [2001:db8::1]:443, [fe80::1%eth0]:22, [fe80::1%2]:22
///   host:service         example.com:https (services(5))
///   unix:/path           a unix socket: unix:/run/redis.sock, unix:relative/path
///   unix:@name           one with an abstract name (unix(7)); a file called @name is unix:./@name
///   srv:_xmpp._tcp.name  the hosts of a service, as its SRV record has them (RFC 2782); also made by dial::srv
///
/// What begins with "unix:" is always a path, unix:80 too; a host of that name is written Unix:80 or unix.:80.
/// Services, and zones that are names, are looked up when they are dialed. A host name that getaddrinfo(3) would take
/// for a number, as 127.1 or 0x7f.1, is refused; others go to the resolver as written, up to 253 bytes of 63 a label.
class target {
public:
    /// No target: dialing it is `error::invalid_target`.
    target() = default;

    /// Parse `text`. Throw std::invalid_argument, whose what() names the flaw and its place.
    target(const char* text) : target{std::string_view{text}} {}
    target(const std::string& text) : target{std::string_view{text}} {}
    target(std::string_view text);

    /// A host (without brackets, they may be there) and a port or service, each by itself. Throws likewise.
    target(std::string_view host, std::string_view port);
    target(std::string_view host, long long port);

    /// Parses `text`; throws std::invalid_argument, or sets `ec` to `error::invalid_target` and returns no target.
    static target parse(std::string_view text) { return target{text}; }
    static target parse(std::string_view text, error_code& ec);

    bool empty() const noexcept { return !parts_; }

    /// A unix socket: path() is what goes into sockaddr_un, with a NUL in front of an abstract name.
    bool is_unix() const noexcept { return !path().empty(); }
    const std::string& path() const noexcept { return parts().path; }

    /// The hosts of a service: host() is the name of its SRV record, and there is no port.
    bool is_srv() const noexcept { return parts().srv; }

    /// A host: its name as written, or its address as Asio writes it, without brackets and zone.
    const std::string& host() const noexcept { return parts().host; }
    /// The host, if it is an address literal; a numeric zone is its scope.
    const std::optional<boost::asio::ip::address>& address() const noexcept { return parts().address; }
    /// The zone of an IPv6 literal when it is the name of an interface, which has to be looked up (if_nametoindex(3)).
    const std::string& zone() const noexcept { return parts().zone; }
    /// `localhost`, or a name under it: loopback, without a lookup (RFC 6761 section 6.3).
    bool is_localhost() const noexcept;

    /// The port; 0 where there is a service name, or a service.
    std::uint16_t port() const noexcept { return parts().port; }
    const std::string& service() const noexcept { return parts().service; }

    /// In the form that parse() reads, which gives an equal target. Empty for no target.
    std::string to_string() const;

    friend bool operator==(const target& a, const target& b) noexcept { return a.parts() == b.parts(); }

private:
    struct parts_type {
        std::string host, zone, service, path;
        std::optional<boost::asio::ip::address> address;
        std::uint16_t port = 0;
        bool srv = false;
        bool operator==(const parts_type&) const = default;
    };
    struct parser;
    friend target srv(std::string_view name);

    static const parts_type& nothing() noexcept;
    const parts_type& parts() const noexcept { return parts_ ? *parts_ : nothing(); }

    std::shared_ptr<const parts_type> parts_;  // shared: a target goes through many hands on its way to the kernel
};

/// The hosts of a service: `dial::srv("_xmpp-client._tcp.example.com")`. They are looked up in DNS when it is dialed, and dialed
/// in the order that the record gives (RFC 2782). Throws std::invalid_argument for what is no such name.
target srv(std::string_view name);

}  // namespace dial
