// What happens during a dial, as it happens: what an observer is told, and what a report is made of.
#pragma once

#include <dial/error.hpp>
#include <dial/lookup.hpp>
#include <dial/options.hpp>
#include <dial/time.hpp>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace dial {

/// How an attempt, a lookup or a phase ended.
enum class outcome : unsigned char {
    pending,      ///< It has not ended.
    done,         ///< An attempt is connected; a lookup or a phase did what it was for.
    deferred,     ///< TCP Fast Open: the SYN leaves with the first write, and only that tells.
    failed,       ///< `error` says why.
    timed_out,    ///< A limit passed: that of the attempt, or that of the whole dial.
    another_won,  ///< Given up: another attempt connected first.
    cancelled,    ///< Given up: the caller cancelled.
    not_started,  ///< An address that was known and was not tried, because the dial was over.
};

/// The enumerator's name: "timed_out".
std::string_view to_string(outcome how) noexcept;

/// A fact about a phase: what a proxy or the peer's TLS said of itself.
class phase_detail {
public:
    phase_detail() = default;
    phase_detail(std::string of, std::string is) : name{std::move(of)}, value{std::move(is)} {}

    std::string name, value;  ///< "issuer", "CN=Example CA"
};

/// One thing that started or ended. What it points to is valid during the call that brings it.
struct event {
    enum class subject : unsigned char {
        phase,  ///< A stretch of the whole: "resolve", "race", of unix sockets "connect", and those of layers: "proxy", …
        lookup,   ///< A question to the resolver: `record` of `name`, or, without `record`, the port of a service.
        attempt,  ///< One address; `index` tells attempts apart, and is the same in both events of one.
    };

    subject what = subject::phase;
    std::uint64_t dial = 0;  ///< Tells dials apart that one observer hears of: each has a number of its own, from 1.
    bool ended = false;      ///< false: it has just started
    time_point when = {};    ///< Of the event.
    outcome how = outcome::pending;  ///< Once it has ended. `not_started` comes without a start, `ended` set.
    error_code error = {};           ///< Why it failed.
    std::string_view note = {};      ///< More about the failure: the option that the kernel refused, …
    std::string_view phase = {};     ///< phase: its name
    std::string_view target = {};    ///< phase: to whom, where that is not the target of the whole: a proxy
    std::span<const phase_detail> details = {};                ///< phase, ended: what became known in it
    std::optional<record_type> record = {};                    ///< lookup: what is asked for; none: a port
    std::string_view name = {};                                ///< lookup: of this name
    address_family family = address_family::any;               ///< lookup of addresses: of which family
    std::span<const boost::asio::ip::address> addresses = {};  ///< lookup, ended: what it brought
    const answer* given = nullptr;                             ///< lookup, ended: the whole of it, with TTL and source
    std::size_t index = 0;                                     ///< attempt: which
    boost::asio::ip::tcp::endpoint peer = {};                  ///< attempt: whereto
    boost::asio::ip::tcp::endpoint local = {};                 ///< attempt, connected: where from
    std::string_view path = {};  ///< attempt on a unix socket: whereto, as a target is written
};

static_assert(std::is_trivially_destructible_v<event> && std::is_aggregate_v<event>);

}  // namespace dial
