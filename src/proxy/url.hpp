// The URL of a proxy, as curl takes it: [scheme://][user[:password]@]host[:port][/]. Pure.
#pragma once

#include <dial/target.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace dial::proxy {

enum class proxy_kind { http, https, socks4, socks4a, socks5, socks5h };

// Its scheme.
std::string_view name_of(proxy_kind kind);

struct proxy_url {
    proxy_kind kind = proxy_kind::http;
    target at = {};
    std::string user = {}, password = {};  // decoded; there is no NUL in them
    bool has_credentials = false;          // also where there is a user without a password, or the other way round
    bool operator==(const proxy_url&) const = default;
};

// Nothing where `text` is no such URL; then `flaw` says in a few words why, with nothing of the text in them.
//
// Without a scheme it is http. Without a port it is that of the scheme: 80, 443, or 1080 for SOCKS, as Go has it (curl takes
// 1080 for http too). A user ends at the first ':', credentials at the last '@' before the path.
// "socks://" is refused: it does not say which SOCKS it is, and programs differ.
std::optional<proxy_url> parse_proxy_url(std::string_view text, std::string& flaw);

}  // namespace dial::proxy
