// Reports of layers: parts that are put together, and how the phases look.
#include <dial/report.hpp>
#include <support/report_story.hpp>

#include <boost/asio/error.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <vector>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

void tell_phase(report& r, duration from, duration to, std::string_view name, outcome how, error_code error = {},
    std::string_view note = {}, std::vector<phase_detail> details = {}, std::string_view target = {}) {
    r.on_event({.when = story_begin + from, .phase = name, .target = target});
    r.on_event({.ended = true,
        .when = story_begin + to,
        .how = how,
        .error = error,
        .note = note,
        .phase = name,
        .details = details});
}

void tell_attempt(report& r, duration from, duration to, std::size_t index, outcome how, error_code error = {}) {
    const event start{.what = event::subject::attempt,
        .when = story_begin + from,
        .index = index,
        .peer = endpoint("192.0.2.9", 1080)};
    r.on_event(start);
    event end = start;
    end.ended = true;
    end.when = story_begin + to;
    end.how = how;
    end.error = error;
    r.on_event(end);
}

// What a dial to a proxy tells, begun at `from`.
report part(duration from, const std::string& target, outcome how, error_code error = {}) {
    report r;
    r.begin(target, story_begin + from);
    tell_phase(r, from, from + 5ms, "race", how == outcome::done ? outcome::done : outcome::failed, error);
    tell_attempt(r, from, from + 5ms, 0, how, error);
    r.end(error, story_begin + from + 5ms);
    return r;
}

TEST(report_add, makes_the_times_of_a_part_times_of_the_whole) {
    report whole;
    whole.begin("host.test:443", story_begin);
    whole.add(part(10ms, "host.test:443", outcome::failed, system_error(ECONNREFUSED)));
    whole.add(part(40ms, "host.test:443", outcome::done));
    whole.end({}, story_begin + 50ms);
    ASSERT_EQ(whole.attempts().size(), 2u);
    EXPECT_EQ(whole.attempts()[0].started, 10ms);
    EXPECT_EQ(whole.attempts()[0].ended, 15ms);
    EXPECT_EQ(whole.attempts()[1].started, 40ms);
    EXPECT_EQ(whole.attempts()[0].index, 0u);
    EXPECT_EQ(whole.attempts()[1].index, 1u);
    ASSERT_EQ(whole.phases().size(), 2u);
    EXPECT_EQ(whole.phases()[1].started, 40ms);
    EXPECT_EQ(whole.phases()[1].target, "");
    EXPECT_EQ(whole.total(), 50ms);
}

TEST(report_add, says_to_whom_where_that_is_somebody_else) {
    report whole;
    whole.begin("host.test:443", story_begin);
    whole.add(part(0ms, "proxy.test:1080", outcome::done));
    EXPECT_EQ(whole.phases().at(0).target, "proxy.test:1080");
}

TEST(report_add, of_a_part_that_has_not_begun_or_after_the_end_is_nothing) {
    report whole;
    whole.begin("host.test:443", story_begin);
    whole.add(report{});
    EXPECT_TRUE(whole.phases().empty());
    whole.end({}, story_begin + 1ms);
    whole.add(part(0ms, "host.test:443", outcome::done));
    EXPECT_TRUE(whole.phases().empty());
}

TEST(report_add, to_a_report_that_nobody_began_begins_it) {
    report whole;
    whole.add(part(10ms, "host.test:443", outcome::done));
    EXPECT_EQ(whole.attempts().at(0).started, 0ms);
}

TEST(report_add, keeps_those_that_were_not_started_last) {
    report first;
    first.begin("host.test:443", story_begin);
    first.on_event({.what = event::subject::attempt,
        .ended = true,
        .when = story_begin,
        .how = outcome::not_started,
        .index = 0,
        .peer = endpoint("192.0.2.1", 443)});
    report whole;
    whole.begin("host.test:443", story_begin);
    whole.add(first);
    whole.add(part(10ms, "host.test:443", outcome::done));
    ASSERT_EQ(whole.attempts().size(), 2u);
    EXPECT_EQ(whole.attempts()[1].how, outcome::not_started);
    EXPECT_NE(whole.attempts()[0].index, whole.attempts()[1].index);
}

TEST(report_winner, of_several_tries_is_the_last_that_connected) {
    report whole;
    whole.begin("host.test:443", story_begin);
    whole.add(part(0ms, "host.test:443", outcome::done));  // the handshake failed then
    whole.add(part(40ms, "host.test:443", outcome::done));
    whole.end({}, story_begin + 50ms);
    ASSERT_TRUE(whole.winner());
    EXPECT_EQ(whole.winner()->started, 40ms);
}

TEST(report_failed_phase, is_where_the_error_came_from) {
    report r;
    r.begin("host.test:443", story_begin);
    r.add(part(0ms, "host.test:443", outcome::done));
    tell_phase(r, 5ms, 8ms, "tls", outcome::failed, error_code{boost::asio::error::connection_reset}, "expired");
    tell_phase(r, 8ms, 9ms, "backoff", outcome::done);
    EXPECT_FALSE(r.failed_phase()) << "it is not over";
    r.end(error_code{boost::asio::error::connection_reset}, story_begin + 9ms);
    ASSERT_TRUE(r.failed_phase());
    EXPECT_EQ(r.failed_phase()->name, "tls");
    EXPECT_EQ(r.failed_phase()->note, "expired");
}

TEST(report_failed_phase, is_none_on_success_and_where_no_phase_had_begun) {
    report good;
    good.begin("host.test:443", story_begin);
    good.add(part(0ms, "host.test:443", outcome::failed, system_error(ECONNREFUSED)));
    good.end({}, story_begin + 9ms);
    EXPECT_FALSE(good.failed_phase());
    report bad;
    bad.begin("", story_begin);
    bad.end(error::invalid_target, story_begin);
    EXPECT_FALSE(bad.failed_phase());
}

report through_proxy() {
    report r;
    r.begin("host.test:443", story_begin);
    r.add(part(0ms, "proxy.test:1080", outcome::done));
    tell_phase(r, 5ms, 20ms, "proxy", outcome::done, {}, {}, {{"bound", "192.0.2.1:4000"}}, "proxy.test:1080");
    tell_phase(r, 20ms, 40ms, "tls", outcome::done, {}, {},
        {{"protocol", "TLSv1.3"}, {"cipher", "TLS_AES_256_GCM_SHA384"}, {"alpn", "h2"}, {"resumed", "yes"}});
    r.end({}, story_begin + 40ms);
    return r;
}

TEST(report_layers, what_layers_did_has_lines_with_bars_of_their_own) {
    EXPECT_EQ(through_proxy().to_string(92),
        "192.0.2.9:1080          0 ms ├──●                         connected                     5 ms\n"
        "proxy proxy.test:1080   5 ms    ├─────────●               tunnel open                  20 ms\n"
        "tls                    20 ms              ├─────────────● done, TLSv1.3, h2, resumed   40 ms\n"
        "connected to host.test:443 through 192.0.2.9:1080 in 40 ms\n");
}

TEST(report_layers, phases_in_json_have_target_note_and_details) {
    const std::string json = through_proxy().to_json();
    EXPECT_THAT(json,
        HasSubstr(R"("name":"proxy","started_ms":5,"ended_ms":20,"outcome":"done","error":null,"error_code":null,)"
                  R"("target":"proxy.test:1080","note":null,"details":{"bound":"192.0.2.1:4000"})"));
    EXPECT_THAT(json,
        HasSubstr(R"("details":{"protocol":"TLSv1.3","cipher":"TLS_AES_256_GCM_SHA384","alpn":"h2","resumed":"yes"})"));
}

TEST(report_layers, a_proxy_that_cannot_be_reached_is_not_the_target) {
    report r;
    r.begin("host.test:443", story_begin);
    r.add(part(0ms, "proxy.test:1080", outcome::failed, system_error(ECONNREFUSED)));
    r.end(system_error(ECONNREFUSED), story_begin + 5ms);
    EXPECT_THAT(r.to_string(1000),
        testing::StartsWith("cannot connect to host.test:443: proxy.test:1080 on the way: connection refused"));
}

TEST(report_layers, a_target_that_refuses_the_proxy_is_not_the_proxy) {
    report r;
    r.begin("host.test:443", story_begin);
    r.add(part(0ms, "proxy.test:1080", outcome::done));
    const error_code refused{5, socks5_category()};
    tell_phase(r, 5ms, 20ms, "proxy", outcome::failed, refused, {}, {}, "proxy.test:1080");
    r.end(refused, story_begin + 20ms);
    EXPECT_THAT(r.to_string(1000), HasSubstr("the target refused the proxy's connection"));
}

TEST(report_layers, the_note_of_a_certificate_is_in_the_headline_once) {
    report r;
    r.begin("host.test:443", story_begin);
    r.add(part(0ms, "host.test:443", outcome::done));
    const std::string note = "certificate has expired (subject CN=a, issuer CN=b)";
    tell_phase(r, 5ms, 20ms, "tls", outcome::failed, error_code{boost::asio::error::connection_reset}, note);
    r.end(error_code{boost::asio::error::connection_reset}, story_begin + 20ms);
    const std::string text = r.to_string(1000);
    EXPECT_EQ(text.find(note), text.rfind(note));
    EXPECT_NE(text.find(note), text.npos);
}

TEST(report_layers, time_that_ran_out_in_a_layer_is_said_so) {
    for (const auto& [phase, words] :
        {std::pair{"proxy", "the proxy proxy.test:1080 did not answer within the time limit"},
            std::pair{"tls", "the server did not shake hands within the time limit"},
            std::pair{"wait", "its turn did not come within the time limit"}}) {
        report r;
        r.begin("host.test:443", story_begin);
        tell_phase(r, 0ms, 20ms, phase, outcome::timed_out, error::timeout, {}, {},
            std::string_view{phase} == "proxy" ? "proxy.test:1080" : "");
        r.end(error::timeout, story_begin + 20ms);
        EXPECT_THAT(r.to_string(1000), HasSubstr(words));
    }
}

TEST(report_layers, a_report_that_is_not_over_shows_what_is_under_way) {
    report r;
    r.begin("host.test:443", story_begin);
    r.on_event({.when = story_begin + 5ms, .phase = "tls"});
    EXPECT_THAT(r.to_string(92), HasSubstr("under way"));
}

TEST(report_layers, text_of_a_proxy_or_certificate_cannot_move_the_cursor) {
    report r;
    r.begin("host.test:443", story_begin);
    tell_phase(r, 0ms, 20ms, "tls", outcome::failed, error_code{boost::asio::error::connection_reset}, "CN=\x1B[2J\nx");
    r.end(error_code{boost::asio::error::connection_reset}, story_begin + 20ms);
    EXPECT_THAT(r.to_string(1000), Not(HasSubstr("\x1B")));
}

}  // namespace
}  // namespace dial::test
