// What happened during a dial: who was asked, what was tried, when, and how it ended.
#pragma once

#include <dial/error.hpp>
#include <dial/event.hpp>
#include <dial/time.hpp>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

namespace dial {

/// The story of one dial. Times count from its start. Kept on success and on failure; made of events.
///
/// A report given to a dial (dial::request) is written once, right before the handler is called.
class report {
public:
    /// A stretch of the whole: "resolve", "race", of unix sockets "connect"; of layers "proxy", "tls", "wait" (for a place in
    /// a limit), "backoff" (between two tries), "breaker" (refused). The whole itself is total().
    class phase {
    public:
        phase() = default;

        std::string name;
        std::string target;  ///< to whom, where that is not the target of the whole: a proxy, one of several targets
        duration started = {}, ended = {};  ///< `ended` counts once `how` is not pending
        outcome how = outcome::pending;
        error_code error;
        std::string note;                   ///< more about the failure
        std::vector<phase_detail> details;  ///< what became known in it: of TLS "protocol", "subject", "issuer", …
    };

    /// A question to the resolver.
    class lookup {
    public:
        lookup() = default;

        std::optional<record_type> record;            ///< what was asked for; none: the port of a service
        std::string name;                             ///< of which name
        address_family family = address_family::any;  ///< any: not about addresses
        duration started = {}, ended = {};
        outcome how = outcome::pending;
        error_code error;
        std::vector<boost::asio::ip::address> addresses;
        std::vector<service_record> services;   ///< of an SRV lookup
        std::vector<service_binding> bindings;  ///< of an HTTPS lookup
        std::optional<duration> ttl;            ///< how long it may be kept, where the resolver knows
        std::string source;                     ///< who says so, where the resolver knows: a server, "hosts file", …
    };

    /// One address.
    class attempt {
    public:
        attempt() = default;

        std::size_t index = 0;
        boost::asio::ip::tcp::endpoint peer;   ///< of no meaning where `path` is not empty
        boost::asio::ip::tcp::endpoint local;  ///< where it connected from
        std::string path;                      ///< the unix socket, as a target is written
        duration started = {}, ended = {};
        outcome how = outcome::pending;
        error_code error;
        std::string note;  ///< more about the failure, such as the option that the kernel refused
    };

    report() = default;

    const std::string& target() const noexcept { return target_; }  ///< as target::to_string() writes it
    bool ok() const noexcept { return over_ && !error_; }           ///< connected
    bool over() const noexcept { return over_; }
    error_code error() const noexcept { return error_; }
    duration total() const noexcept { return total_; }
    const std::vector<phase>& phases() const noexcept { return phases_; }
    const std::vector<lookup>& lookups() const noexcept { return lookups_; }
    /// In the order of their starts; those that were not started are the last, and have no times.
    const std::vector<attempt>& attempts() const noexcept { return attempts_; }
    const attempt* winner() const noexcept;  ///< none unless ok()
    /// Where the error came from: the last phase that failed, or was cut off by a limit. None if ok(), or if it failed before
    /// any phase had begun.
    const phase* failed_phase() const noexcept;

    /// The timeline in lines of at most `width` columns (but for under 20), each ended by a newline; UTF-8, with ANSI colours
    /// if `colour`. If the dial has failed, the first line says target, cause and remedy in words (wrapped where it is wider
    /// than `width`); else the last one says what it came to. docs/report.md tells how to read it.
    std::string to_string(std::size_t width = 100, bool colour = false) const;

    /// One JSON object (RFC 8259) on one line, without a newline; docs/report.md lists its members, which stay.
    std::string to_json() const;

    /// Feeds it: the dial begins, something happens, the dial is over. What dial does itself, for a report of one's own
    /// that is fed by an observer. begin() empties it first. Events that do not fit are no harm: of two starts or ends the
    /// first counts, an end without a start is a start as well, and what comes after end() is left out.
    void begin(std::string target, time_point now);
    void on_event(const event& e);
    void end(error_code error, time_point now);

    /// Takes over what a part of the whole has told: a connector inside a layer. Its times become times of this one; its
    /// phases say to whom, where that was somebody else than the target of the whole. What a layer does with the reports of
    /// the connectors below it; on_event() and end() add what the layer did itself.
    void add(report part);

private:
    std::string target_;
    std::optional<time_point> begun_;  // the first event, if nobody said begin
    bool over_ = false;
    error_code error_;
    duration total_ = {};
    std::vector<phase> phases_;
    std::vector<lookup> lookups_;
    std::vector<attempt> attempts_;
};

// g++ 12 destroys an aggregate temporary inside a co_await expression twice: a declared constructor makes it none.
static_assert(!std::is_aggregate_v<report> && !std::is_aggregate_v<report::phase>);
static_assert(!std::is_aggregate_v<report::lookup> && !std::is_aggregate_v<report::attempt>);

}  // namespace dial
