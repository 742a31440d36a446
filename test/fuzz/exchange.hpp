// Runs one exchange against a proxy that says whatever the input holds, by both kinds of reader: they must agree.
#pragma once

#include "check.hpp"

#include <dial/detail/exchange.hpp>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

namespace dial::test {

struct exchanged {
    error_code error;
    std::size_t taken = 0;
    std::string note, sent;
    bool open = false;
    bool operator==(const exchanged&) const = default;
};

// `step`: how many bytes arrive at a time.
inline exchanged run(detail::exchange& exchange, std::string_view input, std::size_t step, bool peeking) {
    exchanged result;
    std::size_t arrived = 0;
    for (std::size_t turns = 0;; ++turns) {
        check(turns < 4 * input.size() + 64, "it ends");
        const detail::exchange::step next = exchange.next();
        if (const auto* const send = std::get_if<detail::exchange::send>(&next)) {
            check(!send->bytes.empty(), "it sends something");
            result.sent += send->bytes;
            exchange.on_sent();
        } else if (const auto* const receive = std::get_if<detail::exchange::receive>(&next)) {
            check(receive->at_least_ours != 0, "it wants something");
            if (arrived == result.taken) arrived = std::min(arrived + step, input.size());
            if (arrived == result.taken) {
                exchange.on_end();
                continue;
            }
            std::string_view offered = input.substr(result.taken, arrived - result.taken);
            if (!peeking) offered = offered.substr(0, receive->at_least_ours);
            const std::size_t taken = exchange.on_received(offered);
            check(taken <= offered.size(), "it takes no more than there is");
            const bool failed = std::holds_alternative<detail::exchange::fail>(exchange.next());
            check(taken != 0, "it takes something");
            check(peeking || failed || taken == offered.size(), "what it asks for is its own");
            result.taken += taken;
        } else {
            if (const auto* const fail = std::get_if<detail::exchange::fail>(&next)) result.error = fail->error;
            result.open = !result.error;
            result.note = exchange.note();
            check(exchange.next() == next, "its end is the end");
            return result;
        }
    }
}

inline void check_exchange(
    const std::function<std::unique_ptr<detail::exchange>()>& make, std::string_view input, std::string_view secret) {
    const exchanged whole = run(*make(), input, input.size() + 1, true);
    for (const std::size_t step : {std::size_t{1}, std::size_t{3}, input.size() + 1}) {
        for (const bool peeking : {false, true}) {
            const auto exchange = make();
            const exchanged other = run(*exchange, input, step, peeking);
            check(other.open == whole.open && other.error == whole.error && other.sent == whole.sent,
                "however it is read, the end is the same");
            check(!whole.open || other.taken == whole.taken, "however it is read, the tunnel begins at the same byte");
            check(other.note.find(secret) == std::string::npos, "no credentials in a note");
            for (const phase_detail& each : exchange->details())
                check(input.find(secret) != input.npos || each.value.find(secret) == std::string::npos,
                    "no credentials in a detail");
        }
    }
}

}  // namespace dial::test
