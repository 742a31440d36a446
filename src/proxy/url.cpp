#include <proxy/url.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <system_error>

namespace dial::proxy {
namespace {

// What is wrong, or nothing. Always a literal: where a URL is malformed, any part of it may be one of the password.
using words = std::string_view;

struct scheme {
    std::string_view name;
    proxy_kind kind;
    std::uint16_t port;
};

constexpr scheme schemes[] = {
    {"http", proxy_kind::http, 80},
    {"https", proxy_kind::https, 443},
    {"socks4", proxy_kind::socks4, 1080},
    {"socks4a", proxy_kind::socks4a, 1080},
    {"socks5", proxy_kind::socks5, 1080},
    {"socks5h", proxy_kind::socks5h, 1080},
};

constexpr std::string_view end_of_scheme = "://";

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool is_blank_or_control(char c) {
    return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f;
}

template <class Number>
bool read_number(std::string_view digits, Number& out, int base) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out, base);
    return error == std::errc{} && end == digits.data() + digits.size();
}

// Takes the scheme off the front of `rest`.
words read_scheme(std::string_view& rest, scheme& out) {
    const std::size_t end = std::min(rest.find_first_of(":/?#@"), rest.size());
    if (!rest.substr(end).starts_with(end_of_scheme)) return {};
    const std::string_view name = rest.substr(0, end);
    rest.remove_prefix(end + end_of_scheme.size());
    const auto same = [&](const scheme& s) { return std::ranges::equal(name, s.name, {}, lower); };
    const auto* const found = std::ranges::find_if(schemes, same);
    if (found == std::end(schemes))
        return "its scheme is unknown; http, https, socks4, socks4a, socks5 and socks5h are known";
    out = *found;
    return {};
}

words decode(std::string_view text, std::string& out) {
    while (!text.empty()) {
        const std::size_t percent = std::min(text.find('%'), text.size());
        out += text.substr(0, percent);
        text.remove_prefix(percent);
        if (text.empty()) break;
        std::uint8_t byte = 0;
        if (text.size() < 3 || !read_number(text.substr(1, 2), byte, 16))
            return "in the user or the password, two hexadecimal digits have to follow '%'; '%' itself is %25";
        if (byte == 0) return "there is a NUL in the user or the password";
        out += static_cast<char>(byte);
        text.remove_prefix(3);
    }
    return {};
}

words read_credentials(std::string_view text, proxy_url& out) {
    const std::size_t colon = std::min(text.find(':'), text.size());
    out.has_credentials = !text.empty();
    if (const words wrong = decode(text.substr(0, colon), out.user); !wrong.empty()) return wrong;
    if (colon == text.size()) return {};
    return decode(text.substr(colon + 1), out.password);
}

// An address in brackets, as a target has it. RFC 6874 writes the '%' of a zone as %25; people write '%' alone, and as curl
// has it "%25" with nothing behind it is interface 25.
std::string without_escaped_percent(std::string_view host) {
    constexpr std::string_view escaped = "%25";
    std::string text{host};
    const std::size_t percent = text.find('%');
    if (percent == text.npos || std::string_view{text}.substr(percent, escaped.size()) != escaped) return text;
    if (text.substr(percent + escaped.size()) == "]") return text;
    return text.erase(percent + 1, escaped.size() - 1);
}

words read_host_and_port(std::string_view text, std::uint16_t port, proxy_url& out) {
    const bool is_in_brackets = text.starts_with('[');
    std::size_t end = std::min(text.find(is_in_brackets ? ']' : ':'), text.size());
    if (is_in_brackets) {
        if (end == text.size()) return "there is '[' without its ']'";
        ++end;
    }
    const std::string_view host = text.substr(0, end);
    std::string_view rest = text.substr(end);
    if (!rest.empty()) {
        if (rest[0] != ':') return "only ':' and a port may follow ']'";
        rest.remove_prefix(1);
        if (rest.find(':') != rest.npos)
            return "there is more than one ':' in host and port; an IPv6 address is written in brackets, as [::1]:1080";
        if (!rest.empty() && (!read_number(rest, port, 10) || port == 0))
            return "its port is no number from 1 to 65535";
    }
    if (host.empty()) return "there is no host";
    error_code ec;
    const std::string form = is_in_brackets ? without_escaped_percent(host) : std::string{host};
    out.at = target::parse(form + ':' + std::to_string(port), ec);
    if (ec || out.at.is_unix())  // a host called "unix" is no host of a target either
        return is_in_brackets ? "there is no IPv6 address in the brackets"
                              : "its host is neither a name nor an address";
    return {};
}

words read_url(std::string_view text, proxy_url& out) {
    if (text.empty()) return "it is empty";
    if (std::ranges::any_of(text, is_blank_or_control))
        return "there is a space or a control character in it; a space in a password is written as %20";

    scheme known = schemes[0];
    if (const words wrong = read_scheme(text, known); !wrong.empty()) return wrong;
    out.kind = known.kind;

    const std::size_t end = std::min(text.find_first_of("/?#"), text.size());
    const std::string_view path = text.substr(end);
    if (path.find('@') != path.npos)  // not "no such port", which would be the half of a password
        return "there is '@' behind '/', '?' or '#'; in a user or a password write %2F, %3F or %23 for these";
    if (!path.empty() && path != "/") return "there is something behind host and port, where only '/' may be";

    std::string_view host_and_port = text.substr(0, end);
    if (const std::size_t at = host_and_port.rfind('@'); at != host_and_port.npos) {
        if (const words wrong = read_credentials(host_and_port.substr(0, at), out); !wrong.empty()) return wrong;
        host_and_port.remove_prefix(at + 1);
    }
    return read_host_and_port(host_and_port, known.port, out);
}

}  // namespace

std::string_view name_of(proxy_kind kind) {
    const auto* const found = std::ranges::find(schemes, kind, &scheme::kind);
    return found != std::end(schemes) ? found->name : "unknown";
}

std::optional<proxy_url> parse_proxy_url(std::string_view text, std::string& flaw) {
    proxy_url read;
    flaw = read_url(text, read);
    if (!flaw.empty()) return {};
    return read;
}

}  // namespace dial::proxy
