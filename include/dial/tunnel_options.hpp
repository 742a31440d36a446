// How http_tunnel asks a proxy.
#pragma once

#include <dial/credentials.hpp>

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace dial {

/// Options of `http_tunnel`.
///
///   dial::tunnel_options().credentials({"user", "password"}).header("User-Agent", "crawler/1.0")
class tunnel_options {
public:
    tunnel_options() = default;
    tunnel_options(dial::credentials who) : who_{std::move(who)} {}

    /// For Basic authentication (RFC 7617), sent with the first request. A colon in the user, or a control character in either,
    /// makes each connect fail with `error::invalid_option`.
    tunnel_options& credentials(dial::credentials who) {
        who_ = std::move(who);
        return *this;
    }
    const dial::credentials& credentials() const noexcept { return who_; }

    /// A header to send, one more each time. A name that is no token, a value with control characters, and headers that frame
    /// the request (Host, Content-Length, Transfer-Encoding) make each connect fail with `error::invalid_option`.
    tunnel_options& header(std::string name, std::string value) {
        headers_.emplace_back(std::move(name), std::move(value));
        return *this;
    }
    const std::vector<std::pair<std::string, std::string>>& headers() const noexcept { return headers_; }

    /// How large the head of the answer may be, in bytes, those of interim answers (1xx) included. Default 16 KiB.
    tunnel_options& max_head(std::size_t bytes) {
        max_head_ = bytes;
        return *this;
    }
    std::size_t max_head() const noexcept { return max_head_; }

private:
    dial::credentials who_;
    std::vector<std::pair<std::string, std::string>> headers_;
    std::size_t max_head_ = 16 * 1024;
};

}  // namespace dial
