#include <proxy/no_proxy.hpp>

#include <dial/target.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <system_error>
#include <utility>

namespace dial::proxy {

namespace asio = boost::asio;

namespace {

constexpr std::string_view separators = ", \t\r\n\f\v";

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string_view without_final_dot(std::string_view name) {
    return name.ends_with('.') ? name.substr(0, name.size() - 1) : name;
}

// Takes the first entry off `text`; empty when there is none left.
std::string_view take_entry(std::string_view& text) {
    const std::size_t begin = std::min(text.find_first_not_of(separators), text.size());
    const std::size_t end = std::min(text.find_first_of(separators, begin), text.size());
    const std::string_view entry = text.substr(begin, end - begin);
    text.remove_prefix(end);
    return entry;
}

template <class Number>
bool read_number(std::string_view digits, Number& out) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
    return error == std::errc{} && end == digits.data() + digits.size();
}

// Takes ':' and a port off the end of `text`. A ':' among others, outside of brackets, is one of an IPv6 address.
bool take_port(std::string_view& text, std::uint16_t& port) {
    const std::size_t colon = text.rfind(':');
    if (colon == text.npos) return true;
    const std::size_t close = text.rfind(']');
    if (close == text.npos ? text.find(':') != colon : colon < close) return true;
    const std::string_view digits = text.substr(colon + 1);
    text = text.substr(0, colon);
    return digits.empty() || (read_number(digits, port) && port != 0);
}

bool take_brackets(std::string_view& text) {
    if (!text.starts_with('[') || !text.ends_with(']')) return false;
    text = text.substr(1, text.size() - 2);
    return true;
}

// What a target takes for a host, in the same way; no target otherwise.
target host_of(std::string_view text) {
    std::string form{text};
    if (text.find(':') != text.npos) {
        form = '[' + form + "]:1";
    } else {
        form += text == "unix" ? ".:1" : ":1";  // with the dot it is a name, not a path
    }
    error_code ec;
    return target::parse(form, ec);
}

// [fd00::]/8 and [fd00::/8] as well.
std::optional<network> read_network(std::string_view text) {
    take_brackets(text);
    const std::size_t slash = text.find('/');
    std::string_view address = text.substr(0, slash);
    take_brackets(address);
    unsigned prefix = 0;
    const target host = host_of(address);
    if (!host.address() || !read_number(text.substr(slash + 1), prefix)) return {};
    return network::with_prefix(*host.address(), prefix);
}

}  // namespace

no_proxy::no_proxy(std::string_view text) {
    for (std::string_view word = take_entry(text); !word.empty(); word = take_entry(text)) {
        if (auto known = read(word)) {
            entries_.push_back(std::move(*known));
        } else {
            ignored_.emplace_back(word);
        }
    }
}

std::optional<no_proxy::entry> no_proxy::read(std::string_view text) {
    entry out;
    if (!take_port(text, out.port)) return {};
    if (text == "*") return out;

    if (text.find('/') != text.npos) {
        out.addresses = read_network(text);
        return out.addresses ? std::optional{out} : std::nullopt;
    }
    const bool is_in_brackets = take_brackets(text);
    if (const target host = host_of(text); host.address()) {
        out.addresses = network{*host.address()};
        return out;
    }
    if (is_in_brackets) return {};

    out.is_what_is_under = text.starts_with("*.");
    if (out.is_what_is_under) text.remove_prefix(1);
    if (text.starts_with('.')) text.remove_prefix(1);
    const target host = host_of(text);
    if (host.empty() || host.address()) return {};
    out.name = without_final_dot(text);
    return out;
}

bool no_proxy::matches_name(const entry& e, std::string_view host) {
    host = without_final_dot(host);
    if (host.size() < e.name.size()) return false;
    const std::size_t above = host.size() - e.name.size();
    if (!std::ranges::equal(host.substr(above), e.name, {}, lower, lower)) return false;
    return above == 0 ? !e.is_what_is_under : host[above - 1] == '.';
}

bool no_proxy::matches(
    std::string_view host, const std::optional<asio::ip::address>& address, std::uint16_t port) const {
    return std::ranges::any_of(entries_, [&](const entry& e) {
        if (e.port != 0 && e.port != port) return false;
        if (e.addresses) return address && e.addresses->contains(*address);
        return e.name.empty() || (!address && matches_name(e, host));
    });
}

}  // namespace dial::proxy
