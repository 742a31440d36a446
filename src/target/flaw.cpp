#include <target/flaw.hpp>

namespace dial::detail {
namespace {

struct words {
    std::string reason;
    std::string_view advice = {};
};

constexpr std::string_view host_and_port = "write it as example.com:443";

bool is_control(char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

std::string hex(char c) {
    constexpr std::string_view digits = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(c);
    return {digits[byte >> 4], digits[byte & 15]};
}

std::string name_of(char c) {
    if (c == '\0') return "a NUL";
    if (c == ' ') return "a space";
    if (is_control(c)) return "a control character (0x" + hex(c) + ")";
    if (static_cast<unsigned char>(c) >= 0x80) return "byte 0x" + hex(c);
    return {'\'', c, '\''};
}

words words_for(flaw::kind what, const std::string& character) {
    using enum flaw::kind;
    switch (what) {  // no default: the compiler names the case we forget
        case blank: return {character};
        case url: return {"\"://\" as in a URL", "write only its host and port, as example.com:443"};
        case no_host: return {"no host", host_and_port};
        case many_colons: return {"more than one ':'", "an IPv6 address is written in brackets, as [::1]:443"};
        case open_bracket: return {"'[' without its ']'", "an IPv6 address is written as [::1]:443"};
        case after_bracket: return {character + " after the bracket", "only ':' and a port follow it, as [::1]:443"};
        case not_ipv6: return {"no IPv6 address", "only an IPv6 address has ':' in it or brackets around it"};
        case no_zone: return {"no zone after '%'", "a zone is an interface or its number, as fe80::1%eth0"};
        case long_zone:
            return {"a zone of over 15 characters", "a zone is an interface or its number, as fe80::1%eth0"};
        case zone_character: return {character + " cannot be in a zone"};
        case zone_number: return {"a zone number out of range", "it goes from 1 to 4294967295"};
        case bare_path: return {"a path", "a unix socket is written as unix:/path"};
        case name_character: return {character + " cannot be in a host name", host_and_port};
        case empty_label: return {"an empty label", "a dot stands between two labels, or once at the end"};
        case long_label: return {"a label of over 63 bytes"};
        case long_name: return {"a host name of over 253 bytes"};
        case numeric_name:
            return {"a name that reads as a number, but is no IPv4 address",
                "that has four decimal parts from 0 to 255, as 127.0.0.1"};
        case unix_name:
            return {
                "\"unix\", which begins the path of a unix socket", "write this host as Unix or unix. (with a dot)"};
        case no_port: return {"no port", "a port or a service follows the host, as in example.com:443"};
        case port_zero: return {"port 0", "a port goes from 1 to 65535"};
        case port_over: return {"a port over 65535", "a port goes from 1 to 65535"};
        case port_character: return {character + " cannot be in a port or a service", host_and_port};
        case port_start:
            return {character + " before the port or service", "it begins with a digit or a letter, as 443 or https"};
        case letterless: return {"neither a port nor a service", "a port has digits only, a service some letter"};
        case long_service: return {"a service of over 32 characters"};
        case no_path: return {"no path", "write it as unix:/path or unix:@name"};
        case long_path: return {"a path of over 107 bytes", "the kernel takes no longer one; a relative path may do"};
        case nul_in_path: return {"a NUL in the path of a unix socket"};
        case not_an_address:
            return {"no IP address", "write it as 192.0.2.53, 192.0.2.53:53, 2001:db8::53 or [2001:db8::53]:53"};
        case not_a_port: return {"a service where a port has to be", "a port has digits only, as 53"};
        case not_srv: return {"no name of a service", "an SRV record is at _service._proto.name, as _sip._tcp.example.com"};
    }
    return {"a flaw"};
}

// Fit for one line of a log. What is too long is cut: the text may be anything.
std::string quote(std::string_view text) {
    constexpr std::size_t enough = 300;
    std::string quoted = "\"";
    for (const char c : text.substr(0, enough)) {
        if (is_control(c)) {
            quoted += "\\x" + hex(c);
        } else {
            quoted += c;
        }
    }
    return quoted + (text.size() > enough ? "\"..." : "\"");
}

}  // namespace

std::string describe(std::string_view noun, std::string_view text, const flaw& found) {
    const std::string character = found.place < text.size() ? name_of(text[found.place]) : "";
    const words w = words_for(found.what, character);
    std::string line = "bad " + std::string{noun} + ' ' + quote(text) + ": " + w.reason;
    line += " at position " + std::to_string(found.place);
    if (!w.advice.empty()) line.append("; ").append(w.advice);
    return line;
}

}  // namespace dial::detail
