#include <proxy/network.hpp>

#include <boost/asio/ip/address_v4.hpp>
#include <boost/asio/ip/address_v6.hpp>

#include <algorithm>
#include <cstddef>

namespace dial::proxy {

namespace asio = boost::asio;

namespace {

constexpr unsigned mapped_prefix = 96;  // ::ffff:0:0/96, RFC 4291 section 2.5.5.2

unsigned length_of(const asio::ip::address& a) {
    return a.is_v4() ? 32 : 128;
}

bool is_mapped(const asio::ip::address& a) {
    return a.is_v6() && a.to_v6().is_v4_mapped();
}

asio::ip::address without_mapping(const asio::ip::address& a) {
    if (!is_mapped(a)) return a;
    return asio::ip::make_address_v4(asio::ip::v4_mapped, a.to_v6());
}

template <class Bytes>
bool have_same_prefix(const Bytes& a, const Bytes& b, unsigned prefix) {
    const std::size_t whole = prefix / 8;
    const unsigned rest = prefix % 8;
    if (!std::equal(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(whole), b.begin())) return false;
    return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

}  // namespace

network::network(const asio::ip::address& address) : address_{without_mapping(address)}, prefix_{length_of(address_)} {}

std::optional<network> network::with_prefix(const asio::ip::address& address, unsigned prefix) {
    if (prefix > length_of(address)) return {};
    network out{address};
    out.prefix_ = prefix;
    if (is_mapped(address)) {
        if (prefix >= mapped_prefix) {
            out.prefix_ -= mapped_prefix;
        } else {
            out.address_ = address;  // of more than mapped addresses
        }
    }
    return out;
}

bool network::contains(const asio::ip::address& address) const {
    const asio::ip::address a = without_mapping(address);
    if (a.is_v4() != address_.is_v4()) return false;
    if (a.is_v4()) return have_same_prefix(a.to_v4().to_bytes(), address_.to_v4().to_bytes(), prefix_);
    return have_same_prefix(a.to_v6().to_bytes(), address_.to_v6().to_bytes(), prefix_);
}

}  // namespace dial::proxy
