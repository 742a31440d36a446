#include "../support/report_story.hpp"

#include <dial/report.hpp>

#include <gtest/gtest.h>
#include <boost/asio/error.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace std::chrono_literals;
namespace netdb = boost::asio::error;
using dial::address_family;
using dial::error_code;
using dial::event;
using dial::outcome;
using dial::report;
using dial::test::endpoint;
using dial::test::rescue;
using dial::test::story;
using dial::test::story_begin;
using dial::test::system_error;

std::vector<std::string> lines_of(std::string_view text) {
    std::vector<std::string> lines;
    for (; !text.empty(); text.remove_prefix(text.find('\n') + 1)) lines.emplace_back(text.substr(0, text.find('\n')));
    return lines;
}

std::string first_line(const report& r) {
    return lines_of(r.to_string(400)).front();
}

// What a dial that tried one address and failed with `error` has to say for itself.
std::string headline(std::string target, error_code error, std::string_view note = {}) {
    const bool is_unix = target.starts_with("unix:");
    story s{target};
    is_unix ? s.started_on(1ms, 0, target) : s.started(1ms, 0, "192.0.2.7", 443);
    return first_line(s.ended(2ms, 0, outcome::failed, error, note).over(2ms, error).report);
}

std::size_t code_points(std::string_view text) {
    return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

// --- The look ---

TEST(report_timeline, a_success_looks_like_this) {
    EXPECT_EQ(rescue().to_string(92),
        "resolve   AAAA  2 addresses   12 ms     A  1 address   31 ms\n"
        "[2001:db8::1]:443   12 ms ├──────────────────────────────╴ cancelled, another won     318 ms\n"
        "192.0.2.7:443      262 ms                          ├─────● connected from 192.0.2.1   318 ms\n"
        "connected to 192.0.2.7:443 in 318 ms\n");
}

TEST(report_timeline, the_bars_shrink_first) {
    EXPECT_EQ(rescue().to_string(70),
        "resolve   AAAA  2 addresses   12 ms     A  1 address   31 ms\n"
        "[2001:db8::1]:443   12 ms ├────────╴ cancelled, another won     318 ms\n"
        "192.0.2.7:443      262 ms        ├─● connected from 192.0.2.1   318 ms\n"
        "connected to 192.0.2.7:443 in 318 ms\n");
}

TEST(report_timeline, then_the_bars_are_left_out) {
    EXPECT_EQ(rescue().to_string(60),
        "resolve   AAAA  2 addresses   12 ms     A  1 address   31 ms\n"
        "[2001:db8::1]:443   12 ms  cancelled, another won     318 ms\n"
        "192.0.2.7:443      262 ms  connected from 192.0.2.1   318 ms\n"
        "connected to 192.0.2.7:443 in 318 ms\n");
}

TEST(report_timeline, then_each_attempt_takes_two_lines) {
    EXPECT_EQ(rescue().to_string(44),
        "resolve   AAAA  2 addresses   12 ms\n"
        "          A  1 address   31 ms\n"
        "[2001:db8::1]:443\n"
        "  12 ms – 318 ms: cancelled, another won\n"
        "192.0.2.7:443\n"
        "  262 ms – 318 ms: connected from 192.0.2.1\n"
        "connected to 192.0.2.7:443 in 318 ms\n");
}

TEST(report_timeline, even_the_narrowest_says_it_all) {
    EXPECT_EQ(rescue().to_string(1),
        "resolve   AAAA 2\n"
        "          addresses\n"
        "          12 ms\n"
        "          A 1\n"
        "          address 31\n"
        "          ms\n"
        "[2001:db8::1]:443\n"
        "  12 ms – 318 ms:\n"
        "  cancelled, another\n"
        "  won\n"
        "192.0.2.7:443\n"
        "  262 ms – 318 ms:\n"
        "  connected from\n"
        "  192.0.2.1\n"
        "connected to\n"
        "  192.0.2.7:443 in\n"
        "  318 ms\n");
    EXPECT_EQ(rescue().to_string(0), rescue().to_string(20));
}

TEST(report_timeline, bars_do_not_grow_without_end) {
    EXPECT_EQ(rescue().to_string(120), rescue().to_string(4'000));
}

TEST(report_timeline, a_failure_begins_with_target_cause_and_remedy) {
    const report r = story{"example.net:443"}
                         .asked(0ms, address_family::v6)
                         .asked(0ms, address_family::v4)
                         .unanswered(11ms, address_family::v6, outcome::failed, netdb::no_data)
                         .answered(12ms, address_family::v4, {"192.0.2.7", "192.0.2.8"})
                         .started(12ms, 0, "192.0.2.7", 443)
                         .started(262ms, 1, "192.0.2.8", 443)
                         .ended(900ms, 1, outcome::failed, system_error(ECONNREFUSED))
                         .ended(2262ms, 0, outcome::timed_out)
                         .over(2262ms, system_error(ECONNREFUSED))
                         .report;
    EXPECT_EQ(r.to_string(100),
        "cannot connect to example.net:443: connection refused; is the server running, and the port right?\n"
        "resolve   AAAA  no addresses   11 ms     A  2 addresses   12 ms\n"
        "192.0.2.7:443   12 ms ├────────────────────────────────────────────────┄ no answer in time    2.26 s\n"
        "192.0.2.8:443  262 ms      ├─────────────×                               connection refused   0.90 s\n");
}

TEST(report_timeline, a_first_line_that_is_too_long_goes_on_in_the_next) {
    const auto lines = lines_of(story{"example.net:443"}.over(1ms, system_error(ECONNREFUSED)).report.to_string(80));
    EXPECT_EQ(lines,
        (std::vector<std::string>{
            "cannot connect to example.net:443: connection refused; is the server running,",
            "  and the port right?",
        }));
}

TEST(report_timeline, a_report_that_is_not_over_has_open_bars_up_to_the_latest_event_and_no_last_line) {
    const report r = story{"example.net:443"}
                         .asked(0ms, address_family::v6)
                         .asked(0ms, address_family::v4)
                         .answered(12ms, address_family::v6, {"2001:db8::1", "2001:db8::2"})
                         .started(12ms, 0, "2001:db8::1", 443)
                         .started(262ms, 1, "2001:db8::2", 443)
                         .ended(300ms, 1, outcome::failed, system_error(EPERM), "SO_MARK")
                         .report;
    EXPECT_EQ(r.to_string(100),
        "resolve   AAAA  2 addresses   12 ms     A  still out\n"
        "[2001:db8::1]:443   12 ms ├╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌ still trying\n"
        "[2001:db8::2]:443  262 ms                           ├────× operation not permitted: SO_MARK   300 ms\n");
    EXPECT_EQ(report{}.to_string(), "");
}

TEST(report_timeline, a_port_exhaustion_is_told_in_the_words_of_its_note) {
    const report r = story{"192.0.2.7:80"}
                         .started(0ms, 0, "192.0.2.7", 80)
                         .ended(200us, 0, outcome::failed, system_error(EADDRNOTAVAIL),
                             "no port left from 192.0.2.1 to 192.0.2.7:80 (32768 to 60999); add source addresses")
                         .over(250us, system_error(EADDRNOTAVAIL))
                         .report;
    EXPECT_EQ(r.to_string(120),
        "cannot connect to 192.0.2.7:80: no port left from 192.0.2.1 to 192.0.2.7:80 (32768 to 60999); add source "
        "addresses\n"
        "192.0.2.7:80  0.0 ms ├────────────────────────────────────────────────────────× "
        "cannot assign requested address   0.2 ms\n");
}

TEST(report_timeline, a_note_that_the_first_line_does_not_tell_stands_beside_or_below_its_attempt) {
    const report r = story{"example.net:80"}
                         .started(0ms, 0, "192.0.2.7", 80)
                         .ended(20ms, 0, outcome::failed, system_error(EADDRNOTAVAIL), "all the ports are taken")
                         .started(20ms, 1, "192.0.2.8", 80)
                         .ended(40ms, 1, outcome::failed, system_error(ECONNREFUSED))
                         .over(40ms, system_error(ECONNREFUSED))
                         .report;
    EXPECT_EQ(lines_of(r.to_string(100))[1],
        "192.0.2.7:80   0 ms ├──────×        cannot assign requested address: all the ports are taken   20 ms");
    const auto narrow = lines_of(r.to_string(80));
    EXPECT_EQ(narrow[2], "192.0.2.7:80   0 ms ├────────×           cannot assign requested address   20 ms");
    EXPECT_EQ(narrow[3], "  all the ports are taken");
}

TEST(report_timeline, a_unix_socket_is_told_by_its_path) {
    const report r =
        story{"unix:/run/redis.sock"}.started_on(0ms, 0, "unix:/run/redis.sock").connected(400us, 0).over(400us).report;
    EXPECT_EQ(r.to_string(60),
        "unix:/run/redis.sock  0.0 ms ├──────────● connected   0.4 ms\n"
        "connected to unix:/run/redis.sock in 0.4 ms\n");
}

TEST(report_timeline, a_service_is_looked_up_too) {
    const report r = story{"localhost:htttp"}
                         .asked(0ms, address_family::any)
                         .unanswered(1ms, address_family::any, outcome::failed, netdb::service_not_found)
                         .over(1ms, netdb::service_not_found)
                         .report;
    EXPECT_EQ(r.to_string(100),
        "cannot connect to localhost:htttp: no such service; give the port as a number, or see /etc/services\n"
        "resolve   service  no such service   1.0 ms\n");
    EXPECT_EQ(story{"h:http"}.answered(1ms, address_family::any, {}).report.to_string(),
        "resolve   service  found   1.0 ms\n");
}

TEST(report_timeline, a_lookup_says_what_it_brought) {
    const auto line = [](outcome how, error_code error = {}) {
        return story{"h:1"}
            .asked(0ms, address_family::v4)
            .unanswered(20ms, address_family::v4, how, error)
            .report.to_string(200);
    };
    EXPECT_EQ(line(outcome::done), "resolve   A  no addresses   20 ms\n");
    EXPECT_EQ(line(outcome::failed, netdb::no_data), "resolve   A  no addresses   20 ms\n");
    EXPECT_EQ(line(outcome::failed, netdb::host_not_found), "resolve   A  no such name   20 ms\n");
    EXPECT_EQ(line(outcome::failed, netdb::no_recovery), "resolve   A  failed: the name servers failed   20 ms\n");
    EXPECT_EQ(line(outcome::failed, system_error(EMFILE)), "resolve   A  failed: too many open files   20 ms\n");
    EXPECT_EQ(line(outcome::timed_out), "resolve   A  no answer in time   20 ms\n");
    EXPECT_EQ(line(outcome::cancelled), "resolve   A  cancelled   20 ms\n");
    EXPECT_EQ(line(outcome::another_won), "resolve   A  no longer needed   20 ms\n");
}

TEST(report_timeline, deferred_says_when_success_will_be_known) {
    const report r = story{"h:1"}.started(1ms, 0, "192.0.2.7", 1).ended(1ms, 0, outcome::deferred).over(1ms).report;
    const auto lines = lines_of(r.to_string(90));
    EXPECT_NE(lines[0].find("○"), std::string::npos);
    EXPECT_NE(lines[0].find("deferred: TCP Fast Open, known with the first write"), std::string::npos);
    EXPECT_EQ(lines[1], "will connect to 192.0.2.7:1 with the first write; ready in 1.0 ms");
}

TEST(report_timeline, addresses_not_started_are_listed_last) {
    const report r = story{"h:1"}
                         .started(0ms, 0, "2001:db8::1", 1)
                         .not_started(10ms, 1, "192.0.2.7", 1)
                         .ended(10ms, 0, outcome::cancelled)
                         .report;
    EXPECT_EQ(lines_of(r.to_string(60)).back(), "192.0.2.7:1      not started");
}

TEST(report_timeline, over_8_addresses_not_started_are_summed_up) {
    story s{"h:1"};
    for (std::size_t i = 0; i != 8; ++i) s.not_started(10ms, i, "192.0.2.7", 1);
    EXPECT_EQ(lines_of(s.report.to_string()).size(), 8u);
    s.not_started(10ms, 8, "192.0.2.7", 1);
    EXPECT_EQ(s.report.to_string(), "9 more addresses not started\n");
}

TEST(report_timeline, times_of_a_column_are_in_one_unit) {
    const auto ends = [](dial::duration a, dial::duration b) {
        const auto lines =
            lines_of(story{"h:1"}.ended(a, 0, outcome::cancelled).ended(b, 1, outcome::cancelled).report.to_string(80));
        const auto end_of = [](const std::string& line) { return line.substr(line.rfind("  ") + 2); };
        return end_of(lines[0]) + ", " + end_of(lines[1]);
    };
    EXPECT_EQ(ends(440us, 9'949us), "0.4 ms, 9.9 ms");
    EXPECT_EQ(ends(440us, 9'950us), "0 ms, 10 ms");
    EXPECT_EQ(ends(12ms, 999'499us), "12 ms, 999 ms");
    EXPECT_EQ(ends(12ms, 999'500us), "0.01 s, 1.00 s");
    EXPECT_EQ(ends(1s, 71'250ms), "1.00 s, 71.25 s");
}

// --- The words ---

TEST(report_timeline, the_first_line_is_made_for_its_error) {
    EXPECT_EQ(headline("h:1", system_error(ETIMEDOUT)),
        "cannot connect to h:1: connection timed out; is the address right, and does a firewall drop the packets?");
    EXPECT_EQ(headline("h:1", system_error(EPERM), "SO_MARK"),
        "cannot connect to h:1: operation not permitted (SO_MARK); get the privilege that it needs (CAP_NET_ADMIN, "
        "CAP_NET_RAW), or leave the option out");
    EXPECT_EQ(headline("h:1", system_error(EIO), "the hook said no"),
        "cannot connect to h:1: input/output error: the hook said no");
    EXPECT_EQ(headline("unix:/x", system_error(ECONNREFUSED)),
        "cannot connect to unix:/x: connection refused; is the server running, and does it listen on this path?");
    EXPECT_EQ(headline("nowhere.test:1", netdb::host_not_found),
        "cannot connect to nowhere.test:1: no such name; is it spelled right?");
    EXPECT_EQ(headline("", system_error(EMFILE)),
        "cannot connect: too many open files; close descriptors, or raise ulimit -n");
    EXPECT_EQ(headline("h:1", system_error(ECANCELED)), "not connected to h:1: cancelled by the caller after 2.0 ms");
}

TEST(report_timeline, each_usual_error_has_a_remedy) {
    for (const int code : {ECONNREFUSED, ECONNRESET, ETIMEDOUT, ENETUNREACH, ENETDOWN, EHOSTUNREACH, EHOSTDOWN, EACCES,
             EPERM, EADDRNOTAVAIL, EADDRINUSE, EMFILE, ENFILE, ENOBUFS, ENOMEM, EAFNOSUPPORT, EINVAL})
        EXPECT_NE(headline("h:1", system_error(code)).find("; "), std::string::npos) << code;
    for (const int code : {ECONNREFUSED, ETIMEDOUT, EACCES, EPERM, ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG, EPROTOTYPE})
        EXPECT_NE(headline("unix:/x", system_error(code)).find("; "), std::string::npos) << code;
    for (const int code : {EPERM, EACCES, ENODEV, EINVAL, ENOPROTOOPT, EADDRNOTAVAIL})
        EXPECT_NE(headline("h:1", system_error(code), "OPTION").find(" (OPTION); "), std::string::npos) << code;
    for (const error_code error :
        {error_code{netdb::host_not_found}, error_code{netdb::host_not_found_try_again}, error_code{netdb::no_data},
            error_code{netdb::no_recovery}, error_code{netdb::service_not_found}, error_code{dial::error::timeout},
            error_code{dial::error::no_addresses}, error_code{dial::error::invalid_target}})
        EXPECT_NE(headline("h:1", error).find("; "), std::string::npos) << error.message();
}

TEST(report_timeline, a_dial_that_waited_for_dns_alone_blames_dns) {
    const std::string dns =
        "cannot connect to h.test:1: no answer from DNS within the time limit (gave up after 5.00 s); "
        "check the name servers in /etc/resolv.conf, and the way to them";
    EXPECT_EQ(first_line(story{"h.test:1"}.asked(0ms, address_family::v6).over(5s, dial::error::timeout).report), dns);
    EXPECT_EQ(first_line(story{"h.test:1"}
                             .asked(0ms, address_family::v4)
                             .unanswered(5s, address_family::v4, outcome::timed_out)
                             .ended(1ms, 0, outcome::failed, system_error(ENETUNREACH))
                             .over(5s, dial::error::timeout)
                             .report),
        dns);
}

TEST(report_timeline, a_dial_that_waited_for_an_attempt_does_not_blame_dns) {
    EXPECT_EQ(first_line(story{"h.test:1"}
                             .asked(0ms, address_family::v4)
                             .started(1ms, 0, "2001:db8::1", 1)
                             .ended(5s, 0, outcome::timed_out)
                             .over(5s, dial::error::timeout)
                             .report),
        "cannot connect to h.test:1: no answer within the time limit (gave up after 5.00 s); is the address right, does a "
        "firewall drop the packets, or is it only slow?");
    EXPECT_EQ(first_line(story{"192.0.2.7:1"}.over(0s, dial::error::timeout).report),
        "cannot connect to 192.0.2.7:1: the time limit passed before anything was tried (gave up after 0.0 ms); give it "
        "more time");
}

TEST(report_timeline, a_success_without_an_attempt_is_told_by_its_target) {
    EXPECT_EQ(story{"h:1"}.over(20ms).report.to_string(), "connected to h:1 in 20 ms\n");
}

// --- Colours, and what must never come out ---

TEST(report_timeline, colours_tell_connected_failed_and_given_up_apart) {
    const auto lines = lines_of(rescue().to_string(92, true));
    EXPECT_EQ(lines[1].find("\x1B[2m├─"), std::string{"[2001:db8::1]:443   12 ms "}.size());
    EXPECT_NE(lines[2].find("\x1B[32mconnected from 192.0.2.1\x1B[0m"), std::string::npos);
    EXPECT_EQ(lines[3], "\x1B[32mconnected to 192.0.2.7:443 in 318 ms\x1B[0m");
    const std::string failed = story{"h:1"}.over(1ms, system_error(EMFILE)).report.to_string(100, true);
    EXPECT_TRUE(failed.starts_with("\x1B[31mcannot connect"));
}

TEST(report_timeline, what_others_wrote_does_not_move_the_cursor) {
    const std::string nasty = "a\x1B[31m\r\n\t\x7F\xC2\x9B\xFF";
    const report r = story{nasty}
                         .started_on(0ms, 0, nasty)
                         .ended(1ms, 0, outcome::failed, system_error(EIO), nasty)
                         .over(1ms, system_error(EIO))
                         .report;
    const std::string text = r.to_string(200);
    EXPECT_TRUE(std::ranges::none_of(text, [](unsigned char c) { return c != '\n' && (c < 0x20 || c == 0x7F); }));
    EXPECT_EQ(text.find("\xC2\x9B"), text.npos);
    EXPECT_TRUE(text.starts_with("cannot connect to a\uFFFD[31m\uFFFD"));
    EXPECT_EQ(lines_of(text).size(), 2u);
}

// Events in any order, of any kind.
report random_report(std::mt19937& random) {
    const auto below = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
    const auto text = [&] {
        static const std::array<std::string_view, 6> words{"a", "example", "é", "/run/a-long-directory", "\xFF", "  "};
        std::string all;
        for (unsigned n = below(12); n != 0; --n) (all += words[below(6)]) += below(3) == 0 ? " " : "";
        return all;
    };
    const std::array<const char*, 4> addresses{
        "192.0.2.7", "2001:db8::1", "127.0.0.1", "2001:db8:1111:2222:3333:4444:5555:6666"};
    const std::array<error_code, 6> errors{error_code{}, system_error(ECONNREFUSED), dial::error::timeout,
        netdb::host_not_found, system_error(EADDRNOTAVAIL), system_error(ECANCELED)};

    report r;
    if (below(10) != 0) r.begin(text(), story_begin);
    const unsigned longest = 1u << below(32);
    for (unsigned n = below(40); n != 0; --n) {
        const std::string note = text(), path = text();
        const std::vector found(below(4), boost::asio::ip::make_address(addresses[below(4)]));
        event e;
        e.what = static_cast<event::subject>(below(3));
        e.ended = below(2) == 0;
        e.when = story_begin + std::chrono::microseconds{below(longest)};
        e.how = static_cast<outcome>(below(8));
        e.error = errors[below(6)];
        if (below(4) == 0) e.note = note;
        if (below(8) == 0) e.path = path;
        e.family = static_cast<address_family>(below(3));
        e.addresses = found;
        e.index = below(20);
        e.peer = endpoint(addresses[below(4)], static_cast<std::uint16_t>(random()));
        if (below(2) == 0) e.local = endpoint(addresses[below(4)], 1);
        r.on_event(e);
    }
    if (below(3) != 0) r.end(errors[below(6)], story_begin + std::chrono::microseconds{below(longest)});
    return r;
}

TEST(report_timeline, no_line_is_ever_wider_than_it_may_be) {
    std::mt19937 random{7};
    for (int round = 0; round != 60; ++round) {
        const report r = random_report(random);
        for (std::size_t width = 1; width <= 200; ++width) {
            const std::string text = r.to_string(width);
            for (const std::string& line : lines_of(text)) {
                ASSERT_LE(code_points(line), std::max<std::size_t>(width, 20)) << line << '\n' << text;
                ASSERT_FALSE(line.ends_with(' ')) << text;
            }
        }
    }
}

TEST(report_timeline, without_colour_there_is_no_escape_and_with_it_the_text_is_the_same) {
    std::mt19937 random{11};
    for (int round = 0; round != 1'000; ++round) {
        const report r = random_report(random);
        const std::string plain = r.to_string(90);
        EXPECT_EQ(plain.find('\x1B'), plain.npos);
        std::string stripped = r.to_string(90, true);
        for (std::size_t at; (at = stripped.find('\x1B')) != stripped.npos;)
            stripped.erase(at, stripped.find('m', at) + 1 - at);
        EXPECT_EQ(stripped, plain);
    }
}

}  // namespace
