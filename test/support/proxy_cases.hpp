// The scenarios in test/data/proxy.txt: exchanges with proxies.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace dial::test {

struct proxy_case {
    // What the proxy does, in this order.
    struct move {
        enum class kind : unsigned char { bytes, close, reset };
        kind what = kind::bytes;
        std::string bytes;
        std::size_t after = 0;              // held back until so many bytes have come
        std::chrono::milliseconds wait{0};  // then so long
    };

    std::string id, title, protocol;
    std::string host;
    std::uint16_t port = 0;
    bool has_credentials = false;
    std::string user, password;
    std::vector<std::pair<std::string, std::string>> headers;
    std::optional<std::chrono::milliseconds> timeout;
    std::optional<std::size_t> max_head;
    std::vector<move> moves;

    std::string expected;     // a result: "ok", "proxy_reply", …
    std::optional<int> code;  // of a reply, or status
    std::optional<std::chrono::milliseconds> at;
    std::vector<std::string> also_right;
    std::string sent, leftover;
    std::string bound;  // "192.0.2.7:1080", "[2001:db8::1]:1080"; empty: not said
};

// Throws std::runtime_error, naming the line, where the file is not as its README says.
std::vector<proxy_case> read_proxy_cases(const std::string& path);

}  // namespace dial::test
