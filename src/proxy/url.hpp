// A proxy as environment variables and command lines write it. Pure.
#pragma once

#include <dial/credentials.hpp>
#include <dial/target.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace dial::proxy {

enum class kind : unsigned char { http, https, socks4, socks4a, socks5, socks5h };

struct url {
    proxy::kind kind = proxy::kind::http;
    target at;
    credentials who;
};

// [scheme://][user[:password]@]host[:port][/], as curl and others read it: without a scheme it is http; user and password are
// percent-encoded; where the port is missing it is 80, 443 for https, 1080 for SOCKS. None if there is a flaw, which `flaw` says
// in words that have nothing of the credentials.
std::optional<url> parse_url(std::string_view text, std::string& flaw);

}  // namespace dial::proxy
