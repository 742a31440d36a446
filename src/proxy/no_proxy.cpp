#include <proxy/no_proxy.hpp>

#include <boost/system/error_code.hpp>

#include <algorithm>
#include <charconv>
#include <utility>

namespace dial::proxy {
namespace {

namespace ip = boost::asio::ip;

std::string normal(std::string_view name) {
    if (name.ends_with('.')) name.remove_suffix(1);
    std::string text{name};
    std::ranges::transform(
        text, text.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return text;
}

template <class Number>
std::optional<Number> number(std::string_view text) {
    Number value{};
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (ec != std::errc{} || end != text.data() + text.size() || text.empty()) return {};
    return value;
}

ip::address_v6 as_v6(const ip::address& address) {
    if (address.is_v4()) return ip::make_address_v6(ip::v4_mapped, address.to_v4());
    return ip::address_v6{address.to_v6().to_bytes()};  // without a zone
}

bool begin_alike(const ip::address_v6& a, const ip::address_v6& b, unsigned bits) {
    const auto x = a.to_bytes(), y = b.to_bytes();
    for (std::size_t i = 0; bits != 0; ++i) {
        const unsigned here = std::min(bits, 8u);
        const unsigned mask = 0xffu << (8 - here) & 0xffu;
        if ((x[i] & mask) != (y[i] & mask)) return false;
        bits -= here;
    }
    return true;
}

}  // namespace

no_proxy::no_proxy(std::string_view text) {
    constexpr std::string_view separators = ", \t";
    for (;;) {
        const std::size_t begin = text.find_first_not_of(separators);
        if (begin == text.npos) return;
        text.remove_prefix(begin);
        const std::size_t end = std::min(text.find_first_of(separators), text.size());
        add(text.substr(0, end));
        text.remove_prefix(end);
    }
}

void no_proxy::add(std::string_view text) {
    if (text == "*") {
        all_ = true;
        return;
    }
    entry e;
    std::string_view host = text;
    const std::size_t slash = text.find('/');
    if (host.starts_with('[')) {
        const std::size_t bracket = host.find(']');
        if (bracket == host.npos) return;
        const std::string_view behind = host.substr(bracket + 1);
        host = host.substr(1, bracket - 1);
        if (behind.starts_with(':')) {
            if (!(e.port = number<std::uint16_t>(behind.substr(1)))) return;
        } else if (!behind.empty() && !behind.starts_with('/')) {
            return;
        }
    } else if (slash != text.npos) {
        host = text.substr(0, slash);
    } else if (std::ranges::count(host, ':') == 1) {
        const std::size_t colon = host.find(':');
        if (!(e.port = number<std::uint16_t>(host.substr(colon + 1)))) return;
        host = host.substr(0, colon);
    }
    boost::system::error_code not_an_address;
    const ip::address address = ip::make_address(std::string{host}, not_an_address);
    if (!not_an_address) {
        e.network = as_v6(address);
        if (slash != text.npos) {
            const auto bits = number<unsigned>(text.substr(slash + 1));
            const unsigned most = address.is_v4() ? 32 : 128;
            if (!bits || *bits > most) return;
            e.bits = *bits + (128 - most);
        }
        entries_.push_back(e);
        return;
    }
    if (slash != text.npos) return;
    if (host.starts_with("*.")) host.remove_prefix(1);
    if (host.starts_with('.')) host.remove_prefix(1);
    e.name = normal(host);
    if (!e.name.empty() && e.name.find_first_of("*:[]") == std::string::npos) entries_.push_back(std::move(e));
}

bool no_proxy::matches(std::string_view host, const std::optional<ip::address>& address, std::uint16_t port) const {
    if (all_) return true;
    const std::string name = normal(host);
    const auto fits = [&](const entry& e) {
        if (e.port && *e.port != port) return false;
        if (e.name.empty()) return address && begin_alike(e.network, as_v6(*address), e.bits);
        if (address || !name.ends_with(e.name)) return false;
        return name.size() == e.name.size() || name[name.size() - e.name.size() - 1] == '.';
    };
    return std::ranges::any_of(entries_, fits);
}

}  // namespace dial::proxy
