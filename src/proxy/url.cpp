#include <proxy/url.hpp>

#include <algorithm>
#include <utility>

namespace dial::proxy {
namespace {

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::optional<kind> kind_of(std::string_view scheme) {
    std::string name{scheme};
    std::ranges::transform(name, name.begin(), lower);
    if (name == "http") return kind::http;
    if (name == "https") return kind::https;
    if (name == "socks4") return kind::socks4;
    if (name == "socks4a") return kind::socks4a;
    if (name == "socks5") return kind::socks5;
    if (name == "socks5h" || name == "socks") return kind::socks5h;
    return {};
}

const char* default_port(kind k) {
    switch (k) {  // no default: the compiler names the case we forget
        case kind::http: return "80";
        case kind::https: return "443";
        case kind::socks4:
        case kind::socks4a:
        case kind::socks5:
        case kind::socks5h: break;
    }
    return "1080";
}

int digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (const char l = lower(c); l >= 'a' && l <= 'f') return l - 'a' + 10;
    return -1;
}

// RFC 3986 section 2.1; none if an escape is none, or is a NUL.
std::optional<std::string> percent_decoded(std::string_view text) {
    std::string result;
    for (std::size_t i = 0; i != text.size(); ++i) {
        if (text[i] != '%') {
            result += text[i];
            continue;
        }
        if (i + 2 >= text.size()) return {};
        const int high = digit(text[i + 1]), low = digit(text[i + 2]);
        if (high < 0 || low < 0 || (high == 0 && low == 0)) return {};
        result += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return result;
}

bool has_port(std::string_view place) {
    const std::size_t bracket = place.rfind(']');
    return place.find(':', bracket == place.npos ? 0 : bracket) != place.npos;
}

}  // namespace

std::optional<url> parse_url(std::string_view text, std::string& flaw) {
    const auto fail = [&](std::string why) {
        flaw = std::move(why);
        return std::optional<url>{};
    };
    url result;
    if (const std::size_t end = text.find("://"); end != text.npos) {
        const auto scheme = kind_of(text.substr(0, end));
        if (!scheme)
            return fail("the proxy's scheme is not known; http, https, socks4, socks4a, socks5 and socks5h are");
        result.kind = *scheme;
        text.remove_prefix(end + 3);
    }
    // A password may hold anything: its end is the last @.
    if (const std::size_t at = text.rfind('@'); at != text.npos) {
        const std::string_view both = text.substr(0, at);
        const std::size_t colon = both.find(':');
        auto user = percent_decoded(both.substr(0, colon));
        auto password = percent_decoded(colon == both.npos ? std::string_view{} : both.substr(colon + 1));
        if (!user || !password) return fail("the proxy's user or password is not percent-encoded as it has to be");
        result.who = credentials{std::move(*user), std::move(*password)};
        text.remove_prefix(at + 1);
    }
    if (text.ends_with('/')) text.remove_suffix(1);
    if (text.find_first_of("/?#") != text.npos) return fail("the proxy has more behind its port than a proxy can have");
    if (text.empty()) return fail("the proxy has no host");
    std::string place{text};
    if (!has_port(text)) place.append(":").append(default_port(result.kind));
    error_code bad;
    result.at = target::parse(place, bad);
    if (bad || result.at.is_unix() || result.at.is_srv())
        return fail("the proxy's host or port cannot be read; an IPv6 address stands in brackets");
    return result;
}

}  // namespace dial::proxy
