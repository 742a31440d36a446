// Reports for tests, told event by event in virtual time.
#pragma once

#include <dial/event.hpp>
#include <dial/report.hpp>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dial::test {

inline const time_point story_begin{std::chrono::hours{7}};

inline boost::asio::ip::tcp::endpoint endpoint(std::string_view address, std::uint16_t port) {
    return {boost::asio::ip::make_address(std::string{address}), port};
}

inline error_code system_error(int code) {
    return {code, boost::system::system_category()};
}

// Each call tells the report of one event, `at` after the beginning.
class story {
public:
    explicit story(std::string target) { report.begin(std::move(target), story_begin); }

    story& asked(duration at, address_family family) {
        report.on_event({.what = event::subject::lookup, .when = story_begin + at, .family = family});
        return *this;
    }
    story& answered(duration at, address_family family, std::vector<std::string> addresses) {
        std::vector<boost::asio::ip::address> all;
        for (const std::string& address : addresses) all.push_back(boost::asio::ip::make_address(address));
        report.on_event({.what = event::subject::lookup,
            .ended = true,
            .when = story_begin + at,
            .how = outcome::done,
            .family = family,
            .addresses = all});
        return *this;
    }
    story& unanswered(duration at, address_family family, outcome how, error_code error = {}) {
        report.on_event({.what = event::subject::lookup,
            .ended = true,
            .when = story_begin + at,
            .how = how,
            .error = error,
            .family = family});
        return *this;
    }
    // A question to DNS, asked and answered.
    story& looked_up(duration from, duration to, const lookup& asked, const answer& given) {
        event e{.what = event::subject::lookup,
            .when = story_begin + from,
            .record = asked.type(),
            .name = asked.name(),
            .family = asked.family()};
        report.on_event(e);
        e.ended = true;
        e.when = story_begin + to;
        e.how = given.error() ? outcome::failed : outcome::done;
        e.error = given.error();
        e.addresses = given.addresses();
        e.given = &given;
        report.on_event(e);
        return *this;
    }
    story& started(duration at, std::size_t index, std::string_view address, std::uint16_t port) {
        report.on_event({.what = event::subject::attempt,
            .when = story_begin + at,
            .index = index,
            .peer = endpoint(address, port)});
        return *this;
    }
    story& started_on(duration at, std::size_t index, std::string_view path) {
        report.on_event({.what = event::subject::attempt, .when = story_begin + at, .index = index, .path = path});
        return *this;
    }
    story& connected(duration at, std::size_t index, std::string_view from = "0.0.0.0", std::uint16_t port = 0) {
        report.on_event({.what = event::subject::attempt,
            .ended = true,
            .when = story_begin + at,
            .how = outcome::done,
            .index = index,
            .local = endpoint(from, port)});
        return *this;
    }
    story& ended(duration at, std::size_t index, outcome how, error_code error = {}, std::string_view note = {}) {
        report.on_event({.what = event::subject::attempt,
            .ended = true,
            .when = story_begin + at,
            .how = how,
            .error = error,
            .note = note,
            .index = index});
        return *this;
    }
    story& not_started(duration at, std::size_t index, std::string_view address, std::uint16_t port) {
        report.on_event({.what = event::subject::attempt,
            .ended = true,
            .when = story_begin + at,
            .how = outcome::not_started,
            .index = index,
            .peer = endpoint(address, port)});
        return *this;
    }
    story& over(duration at, error_code error = {}) {
        report.end(error, story_begin + at);
        return *this;
    }

    dial::report report;
};

// The one of the README: a dead IPv6 address, and IPv4 to the rescue.
inline report rescue() {
    using namespace std::chrono_literals;
    return story{"example.net:443"}
        .asked(0ms, address_family::v6)
        .asked(0ms, address_family::v4)
        .answered(12ms, address_family::v6, {"2001:db8::1", "2001:db8::2"})
        .started(12ms, 0, "2001:db8::1", 443)
        .answered(31ms, address_family::v4, {"192.0.2.7"})
        .started(262ms, 2, "192.0.2.7", 443)
        .connected(318ms, 2, "192.0.2.1", 50000)
        .ended(318ms, 0, outcome::another_won)
        .over(318ms)
        .report;
}

}  // namespace dial::test
