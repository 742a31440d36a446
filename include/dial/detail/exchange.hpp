// What is said to a proxy and heard from it until the tunnel is open: one exchange per protocol, all of one shape.
//
// Pure: an exchange owns no socket and reads no clock. Whoever runs it obeys next(): sends all that it says, or receives and
// hands over what came.
#pragma once

#include <dial/error.hpp>
#include <dial/event.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace dial::detail {

class exchange {
public:
    struct send {
        std::string_view bytes;  // all of them; valid until on_sent()
        bool operator==(const send&) const = default;
    };
    struct receive {
        // So many bytes are the proxy's for sure. To read more, by peeking, is allowed: on_received() says what was taken.
        std::size_t at_least_ours;
        bool operator==(const receive&) const = default;
    };
    struct tunnel_is_open {
        bool operator==(const tunnel_is_open&) const = default;
    };
    struct fail {
        error_code error;
        bool operator==(const fail&) const = default;
    };
    using step = std::variant<send, receive, tunnel_is_open, fail>;

    exchange() = default;
    exchange(const exchange&) = delete;
    exchange& operator=(const exchange&) = delete;
    virtual ~exchange() = default;

    virtual step next() const = 0;

    virtual void on_sent() = 0;
    // Returns how many of the bytes, from the first on, were the proxy's. Those after them belong to the tunnel.
    virtual std::size_t on_received(std::string_view bytes) = 0;
    virtual void on_end() = 0;  // the proxy closed the connection

    // What a report shall say: never credentials. More about a failure, in words; empty if the error says it all.
    virtual std::string note() const { return {}; }
    // Such as the address that a SOCKS proxy connected from ("bound", "192.0.2.7:1080"), or an HTTP status ("status", "200").
    virtual std::vector<phase_detail> details() const { return {}; }
};

}  // namespace dial::detail
