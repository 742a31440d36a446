#include <dial/target.hpp>

#include <target/flaw.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <stdexcept>

namespace dial {

namespace asio = boost::asio;
using detail::flaw;

namespace {

constexpr std::string_view unix_prefix = "unix:", srv_prefix = "srv:";
constexpr std::size_t longest_path = 107;    // what Asio's endpoint takes, the NUL before an abstract name included
constexpr std::size_t longest_label = 63;    // RFC 1035 section 2.3.4
constexpr std::size_t longest_name = 253;    // of its 255, a length byte in front and the root at the end
constexpr std::size_t longest_zone = 15;     // IFNAMSIZ without the NUL
constexpr std::size_t longest_service = 32;  // RFC 6335 section 5.1 says 15; services(5) on Debian has longer ones

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool is_letter(char c) {
    return lower(c) >= 'a' && lower(c) <= 'z';
}

bool is_hex_digit(char c) {
    return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'f');
}

bool is_visible(char c) {
    return static_cast<unsigned char>(c) > 0x20 && c != 0x7f;
}

bool is_in_paths(char c) {
    return c != '\0';
}

// Also '_', as in _http._tcp, and what is not ASCII: names go to the resolver as they are.
bool is_in_names(char c) {
    return is_letter(c) || is_digit(c) || c == '-' || c == '_' || c == '.' || static_cast<unsigned char>(c) >= 0x80;
}

// More than RFC 6335 allows: services(5) has names such as whois++ and kerberos_master.
bool is_in_services(char c) {
    return is_letter(c) || is_digit(c) || c == '-' || c == '_' || c == '+' || c == '.';
}

bool is_in_zones(char c) {
    return std::string_view{"/:%[]"}.find(c) == std::string_view::npos;
}

// What inet_aton(3), hence getaddrinfo(3), takes for a number: digits, or hexadecimal as 0x7f.
bool is_number(std::string_view label) {
    if (std::ranges::all_of(label, is_digit)) return true;
    return label.size() >= 2 && label[0] == '0' && lower(label[1]) == 'x' &&
        std::ranges::all_of(label.substr(2), is_hex_digit);
}

// The value of `digits`, or `limit` + 1 where it is larger.
std::uint64_t to_number(std::string_view digits, std::uint64_t limit) {
    std::uint64_t value = 0;
    for (const char c : digits) value = std::min(value * 10 + static_cast<std::uint64_t>(c - '0'), limit + 1);
    return value;
}

std::string_view without_final_dot(std::string_view name) {
    return name.ends_with('.') ? name.substr(0, name.size() - 1) : name;
}

}  // namespace

// Each function reads one part of the text into `out`, or says what is wrong with it.
struct target::parser {
    using kind = flaw::kind;
    using flawed = std::optional<flaw>;

    std::string_view text;
    parts_type& out;

    // `part` is a part of `text`: that is how its place is known.
    flawed wrong(kind what, std::string_view part) const {
        return flaw{what, static_cast<std::size_t>(part.data() - text.data())};
    }

    template <class Predicate>
    flawed check_each(std::string_view part, Predicate fits, kind otherwise) const {
        for (std::size_t i = 0; i != part.size(); ++i)
            if (!fits(part[i])) return wrong(otherwise, part.substr(i));
        return {};
    }

    // --- All of a text ---

    // A host called unix has no place here: "unix:80" is the relative path 80.
    flawed read_target() const {
        if (text.starts_with(unix_prefix)) return read_path(text.substr(unix_prefix.size()));
        if (flawed bad = check_text()) return bad;
        // No port or service begins like that: a host called srv is no other matter.
        if (text.starts_with("srv:_")) return read_srv(text.substr(srv_prefix.size()));

        if (text.starts_with('/') || text.starts_with("./") || text.starts_with("UNIX:"))
            return wrong(kind::bare_path, text);
        if (text.starts_with('[')) {
            std::string_view rest = text;
            if (flawed bad = read_brackets(rest)) return bad;
            if (rest.empty()) return wrong(kind::no_port, rest);
            if (!rest.starts_with(':')) return wrong(kind::after_bracket, rest);
            return read_port(rest.substr(1));
        }
        const std::size_t colon = std::min(text.find(':'), text.size());
        const std::string_view rest = text.substr(colon);
        if (const std::size_t second = rest.find(':', 1); second != rest.npos)
            return wrong(kind::many_colons, rest.substr(second));
        if (flawed bad = read_name(text.substr(0, colon))) return bad;
        if (rest.empty()) return wrong(kind::no_port, rest);
        return read_port(rest.substr(1));
    }

    flawed read_host_alone() const {
        if (flawed bad = check_text()) return bad;
        if (text == "unix") return wrong(kind::unix_name, text);  // to_string() would write a path
        if (text.starts_with('[')) {
            std::string_view rest = text;
            if (flawed bad = read_brackets(rest)) return bad;
            return rest.empty() ? flawed{} : wrong(kind::after_bracket, rest);
        }
        return text.find(':') == text.npos ? read_name(text) : read_ipv6(text);
    }

    flawed read_port_alone() const {
        if (flawed bad = check_text()) return bad;
        return read_port(text);
    }

    // _service._proto.name
    flawed read_srv(std::string_view name) const {
        if (flawed bad = read_name(name)) return bad;
        const std::size_t proto = name.find('.'), rest = name.find('.', proto + 1);
        if (!name.starts_with('_') || proto < 2) return wrong(kind::not_srv, name);
        if (rest == name.npos || rest + 1 == name.size() || name[proto + 1] != '_' || rest - proto < 3)
            return wrong(kind::not_srv, name);
        out.srv = true;
        return {};
    }

    flawed check_text() const {
        if (flawed bad = check_each(text, is_visible, kind::blank)) return bad;
        if (const std::size_t url = text.find("://"); url != text.npos) return wrong(kind::url, text.substr(url));
        return {};
    }

    // --- The parts ---

    // "@name" is an abstract one, whose first byte is a NUL; a file of that name is "./@name".
    flawed read_path(std::string_view path) const {
        const bool is_abstract = path.starts_with('@');
        if (is_abstract) path.remove_prefix(1);
        if (path.empty()) return wrong(kind::no_path, path);
        if (flawed bad = check_each(path, is_in_paths, kind::nul_in_path)) return bad;
        if (path.size() + is_abstract > longest_path) return wrong(kind::long_path, path);
        if (is_abstract) out.path = '\0';
        out.path += path;
        return {};
    }

    // Takes an IPv6 address in brackets off the front of `rest`.
    flawed read_brackets(std::string_view& rest) const {
        const std::size_t close = rest.find(']');
        if (close == rest.npos) return wrong(kind::open_bracket, rest);
        const std::string_view inside = rest.substr(1, close - 1);
        rest.remove_prefix(close + 1);
        return read_ipv6(inside);
    }

    // Asio parses no zone here, and writes none in to_string(): it asks the kernel for interfaces.
    flawed read_ipv6(std::string_view host) const {
        if (host.empty()) return wrong(kind::no_host, host);
        const std::size_t percent = std::min(host.find('%'), host.size());
        error_code ec;
        asio::ip::address_v6 address = asio::ip::make_address_v6(std::string{host.substr(0, percent)}, ec);
        if (ec) return wrong(kind::not_ipv6, host);
        out.host = address.to_string();
        if (percent != host.size()) {
            if (flawed bad = read_zone(host.substr(percent + 1), address)) return bad;
        }
        out.address = address;
        return {};
    }

    flawed read_zone(std::string_view zone, asio::ip::address_v6& address) const {
        if (zone.empty()) return wrong(kind::no_zone, zone);
        if (flawed bad = check_each(zone, is_in_zones, kind::zone_character)) return bad;
        if (zone.size() > longest_zone) return wrong(kind::long_zone, zone);
        if (!std::ranges::all_of(zone, is_digit)) {
            out.zone = zone;
            return {};
        }
        constexpr std::uint32_t largest = std::numeric_limits<std::uint32_t>::max();
        const std::uint64_t scope = to_number(zone, largest);
        if (scope == 0 || scope > largest) return wrong(kind::zone_number, zone);
        address.scope_id(static_cast<asio::ip::scope_id_type>(scope));
        return {};
    }

    // A name, or an IPv4 address. A name that ends in a number is neither: getaddrinfo(3) would read 127.1, 0177.0.0.1
    // and 2130706433 as addresses, none of them the one that people expect.
    flawed read_name(std::string_view name) const {
        if (name.empty()) return wrong(kind::no_host, name);
        if (flawed bad = check_each(name, is_in_names, kind::name_character)) return bad;
        std::string_view rest = without_final_dot(name);
        if (rest.size() > longest_name) return wrong(kind::long_name, name);

        std::string_view label;
        for (bool more = true; more;) {
            const std::size_t dot = std::min(rest.find('.'), rest.size());
            more = dot != rest.size();
            label = rest.substr(0, dot);
            if (label.empty()) return wrong(kind::empty_label, label);
            if (label.size() > longest_label) return wrong(kind::long_label, label);
            rest.remove_prefix(more ? dot + 1 : dot);
        }
        out.host = name;
        if (!is_number(label)) return {};
        error_code ec;
        out.address = asio::ip::make_address_v4(out.host, ec);
        return ec ? wrong(kind::numeric_name, name) : flawed{};
    }

    flawed read_port(std::string_view port) const {
        if (port.empty()) return wrong(kind::no_port, port);
        if (!std::ranges::all_of(port, is_digit)) return read_service(port);
        constexpr std::uint16_t largest = std::numeric_limits<std::uint16_t>::max();
        const std::uint64_t value = to_number(port, largest);
        if (value == 0) return wrong(kind::port_zero, port);
        if (value > largest) return wrong(kind::port_over, port);
        out.port = static_cast<std::uint16_t>(value);
        return {};
    }

    flawed read_service(std::string_view name) const {
        if (flawed bad = check_each(name, is_in_services, kind::port_character)) return bad;
        if (!is_letter(name[0]) && !is_digit(name[0])) return wrong(kind::port_start, name);
        if (std::ranges::none_of(name, is_letter)) return wrong(kind::letterless, name);
        if (name.size() > longest_service) return wrong(kind::long_service, name);
        out.service = name;
        return {};
    }
};

namespace {

[[noreturn]] void refuse(std::string_view noun, std::string_view text, const flaw& found) {
    throw std::invalid_argument{describe(noun, text, found)};
}

}  // namespace

target::target(std::string_view text) {
    const auto read = std::make_shared<parts_type>();
    if (const auto bad = parser{text, *read}.read_target()) refuse("target", text, *bad);
    parts_ = read;
}

target::target(std::string_view host, std::string_view port) {
    const auto read = std::make_shared<parts_type>();
    if (const auto bad = parser{host, *read}.read_host_alone()) refuse("host", host, *bad);
    if (const auto bad = parser{port, *read}.read_port_alone()) refuse("port", port, *bad);
    parts_ = read;
}

target::target(std::string_view host, long long port) : target{host, std::string_view{std::to_string(port)}} {}

target target::parse(std::string_view text, error_code& ec) {
    target result;
    const auto read = std::make_shared<parts_type>();
    if (parser{text, *read}.read_target()) {
        ec = error::invalid_target;
    } else {
        ec.clear();
        result.parts_ = read;
    }
    return result;
}

target srv(std::string_view name) {
    const auto read = std::make_shared<target::parts_type>();
    const target::parser parser{name, *read};
    auto bad = parser.check_text();
    if (!bad) bad = parser.read_srv(name);
    if (bad) refuse("service", name, *bad);
    target result;
    result.parts_ = read;
    return result;
}

const target::parts_type& target::nothing() noexcept {
    static const parts_type none;
    return none;
}

bool target::is_localhost() const noexcept {
    constexpr std::string_view localhost = "localhost";
    const std::string_view name = without_final_dot(host());
    if (name.size() < localhost.size()) return false;
    const std::size_t above = name.size() - localhost.size();
    return std::ranges::equal(name.substr(above), localhost, {}, lower) && (above == 0 || name[above - 1] == '.');
}

std::string target::to_string() const {
    if (empty()) return {};
    if (is_unix()) {
        std::string text{unix_prefix};
        text += path();
        if (path().front() == '\0') text[unix_prefix.size()] = '@';
        return text;
    }
    if (is_srv()) return std::string{srv_prefix} + host();
    std::string text = host();
    if (address() && address()->is_v6()) {
        const auto scope = address()->to_v6().scope_id();
        const std::string written = scope != 0 ? std::to_string(scope) : zone();
        text = '[' + host() + (written.empty() ? "" : '%' + written) + ']';
    }
    return text + ':' + (service().empty() ? std::to_string(port()) : service());
}

}  // namespace dial
