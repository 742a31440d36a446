// What a resolver is asked, and what it answers.
#pragma once

#include <dial/error.hpp>
#include <dial/options.hpp>
#include <dial/time.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/ip/address.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace dial {

/// Kinds of DNS records that a lookup may ask for; the values are those of IANA's registry.
enum class record_type : std::uint16_t {
    a = 1,       ///< IPv4 addresses
    aaaa = 28,   ///< IPv6 addresses (RFC 3596)
    srv = 33,    ///< the hosts of a service (RFC 2782)
    svcb = 64,   ///< how to connect to a service (RFC 9460)
    https = 65,  ///< the same, for the https scheme
};

/// As DNS writes it: "AAAA".
std::string_view to_string(record_type type) noexcept;

/// A question about one name. A dial asks for the addresses of both families at the same time (RFC 8305 section 3), IPv6
/// first.
class lookup {
public:
    /// The addresses of one family: v4 or v6. `any` counts as v6.
    lookup(std::string name, address_family family)
        : lookup{std::move(name), family == address_family::v4 ? record_type::a : record_type::aaaa} {}
    lookup(std::string name, record_type type) : name_{std::move(name)}, type_{type} {}

    const std::string& name() const noexcept { return name_; }  ///< As the target has it, case and final dot included.
    record_type type() const noexcept { return type_; }
    /// v4 or v6; `any` where it is not about addresses.
    address_family family() const noexcept {
        return type_ == record_type::a   ? address_family::v4
            : type_ == record_type::aaaa ? address_family::v6
                                         : address_family::any;
    }

private:
    std::string name_;
    record_type type_;
};

/// A host that offers a service: what an SRV record says (RFC 2782).
class service_record {
public:
    service_record() = default;
    service_record(std::uint16_t first, std::uint16_t share, std::uint16_t at, std::string of)
        : priority{first}, weight{share}, port{at}, host{std::move(of)} {}
    bool operator==(const service_record&) const = default;

    std::uint16_t priority = 0;  ///< The lowest is tried first.
    std::uint16_t weight = 0;    ///< Share among those of one priority.
    std::uint16_t port = 0;
    std::string host;  ///< Without a final dot; "." alone: there is no such service.
};

/// How to connect to a service: what an SVCB or HTTPS record says (RFC 9460).
class service_binding {
public:
    service_binding() = default;
    bool operator==(const service_binding&) const = default;

    /// As zone files have it: `1 . alpn=h2,h3 port=8443 ipv4hint=192.0.2.1`, with a final dot.
    std::string to_string() const;

    std::uint16_t priority = 0;  ///< The lowest is tried first; 0: AliasMode, look at `host` instead.
    std::string host;  ///< Without a final dot; "." alone: the name that was asked for (priority 0: no service).
    std::vector<std::string> alpn;  ///< Protocol IDs, as "h2"; any bytes.
    bool no_default_alpn = false;   ///< None but those in `alpn`.
    std::optional<std::uint16_t> port;
    std::vector<boost::asio::ip::address> hints;  ///< Where to begin while the host's addresses are being looked up.
    /// Whether dial knows every key that the record calls mandatory; a client leaves out a record that it does not (section 8).
    bool understood = true;
};

/// What came of a lookup: addresses or records, or why there are none.
class answer {
public:
    /// Without any, the name exists and has none of this type.
    answer(std::vector<boost::asio::ip::address> addresses) : addresses_{std::move(addresses)} {}
    answer(std::vector<service_record> services) : services_{std::move(services)} {}
    answer(std::vector<service_binding> bindings) : bindings_{std::move(bindings)} {}
    answer(error_code error) : error_{error} {}
    answer(boost::asio::error::netdb_errors error) : error_{error} {}

    const error_code& error() const noexcept { return error_; }
    const std::vector<boost::asio::ip::address>& addresses() const noexcept { return addresses_; }
    const std::vector<service_record>& services() const noexcept { return services_; }   ///< of an SRV lookup
    const std::vector<service_binding>& bindings() const noexcept { return bindings_; }  ///< of an SVCB or HTTPS lookup
    /// Whether it brought nothing, for whatever reason.
    bool empty() const noexcept { return addresses_.empty() && services_.empty() && bindings_.empty(); }

    /// How long it may be kept, also when it is that there is nothing (RFC 2308). None: whoever answered does not know.
    const std::optional<duration>& ttl() const noexcept { return ttl_; }
    answer& ttl(std::optional<duration> kept) {
        ttl_ = kept;
        return *this;
    }

    /// Who says so, for people: "192.0.2.53:53", "hosts file", "cache: 192.0.2.53:53". Empty: not known.
    const std::string& source() const noexcept { return source_; }
    answer& source(std::string who) {
        source_ = std::move(who);
        return *this;
    }

private:
    error_code error_;
    std::vector<boost::asio::ip::address> addresses_;
    std::vector<service_record> services_;
    std::vector<service_binding> bindings_;
    std::optional<duration> ttl_;
    std::string source_;
};

// g++ 12 destroys an aggregate temporary inside a co_await expression twice: a declared constructor makes it none.
static_assert(!std::is_aggregate_v<service_record> && !std::is_aggregate_v<service_binding>);

}  // namespace dial
