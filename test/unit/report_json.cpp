#include "../support/report_story.hpp"

#include <dial/report.hpp>

#include <gtest/gtest.h>
#include <boost/json/src.hpp>

#include <algorithm>
#include <cerrno>
#include <random>
#include <string>

namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
namespace json = boost::json;
using dial::address_family;
using dial::event;
using dial::outcome;
using dial::report;
using dial::test::story;
using dial::test::system_error;

// Throws unless it is valid JSON, valid UTF-8 included.
json::value parsed(const report& r) {
    const std::string text = r.to_json();
    EXPECT_EQ(text.find('\n'), text.npos);
    return json::parse(text);
}

std::string keys(const json::value& object) {
    std::string all;
    for (const auto& member : object.as_object()) (all += all.empty() ? "" : " ") += member.key();
    return all;
}

TEST(report_json, is_one_object_with_these_members_in_this_order) {
    report r = dial::test::rescue();
    r.begin("example.net:443", dial::test::story_begin);
    r.on_event({.what = event::subject::phase, .when = dial::test::story_begin, .phase = "race"});
    r.on_event({.what = event::subject::lookup, .when = dial::test::story_begin});
    r.on_event({.what = event::subject::attempt, .when = dial::test::story_begin});
    r.end(system_error(EPERM), dial::test::story_begin);
    const json::value v = parsed(r);
    EXPECT_EQ(keys(v), "ok target peer local elapsed_ms error error_code phases lookups attempts");
    EXPECT_EQ(keys(v.at("error_code")), "category value");
    EXPECT_EQ(keys(v.at("phases").at(0)), "name started_ms ended_ms outcome error error_code target note details");
    EXPECT_EQ(keys(v.at("lookups").at(0)), "family started_ms ended_ms outcome error error_code addresses record name records ttl_s source");
    EXPECT_EQ(keys(v.at("attempts").at(0)), "peer local started_ms ended_ms outcome error error_code note");
}

TEST(report_json, a_success_is_exactly_this) {
    const report r = story{"h.test:80"}
                         .asked(0ms, address_family::v6)
                         .answered(1500us, address_family::v6, {"2001:db8::1"})
                         .started(1500us, 0, "2001:db8::1", 80)
                         .connected(12ms, 0, "2001:db8::2", 50000)
                         .not_started(12ms, 1, "192.0.2.7", 80)
                         .over(12ms)
                         .report;
    EXPECT_EQ(r.to_json(),
        R"({"ok":true,"target":"h.test:80","peer":"[2001:db8::1]:80","local":"[2001:db8::2]:50000","elapsed_ms":12,)"
        R"("error":null,"error_code":null,"phases":[],)"
        R"("lookups":[{"family":"v6","started_ms":0,"ended_ms":1.5,"outcome":"done","error":null,"error_code":null,)"
        R"("addresses":["2001:db8::1"],"record":null,"name":null,"records":[],"ttl_s":null,"source":null}],)"
        R"("attempts":[{"peer":"[2001:db8::1]:80","local":"[2001:db8::2]:50000","started_ms":1.5,"ended_ms":12,)"
        R"("outcome":"done","error":null,"error_code":null,"note":null},)"
        R"({"peer":"192.0.2.7:80","local":null,"started_ms":null,"ended_ms":null,"outcome":"not_started","error":null,)"
        R"("error_code":null,"note":null}]})");
}

TEST(report_json, a_failure_has_its_error_as_text_and_as_a_code) {
    const json::value v = parsed(story{"h.test:80"}
                                     .started(1ms, 0, "192.0.2.7", 80)
                                     .ended(2ms, 0, outcome::failed, system_error(EPERM), "SO_MARK")
                                     .over(2ms, dial::error::timeout)
                                     .report);
    EXPECT_EQ(v.at("ok"), json::value(false));
    EXPECT_TRUE(v.at("peer").is_null());
    EXPECT_EQ(v.at("error").as_string(), make_error_code(dial::error::timeout).message());
    EXPECT_EQ(v.at("error_code").at("category").as_string(), "dial");
    EXPECT_EQ(v.at("error_code").at("value").as_int64(), 1);
    const json::value& attempt = v.at("attempts").at(0);
    EXPECT_EQ(attempt.at("error").as_string(), system_error(EPERM).message());
    EXPECT_EQ(attempt.at("error_code").at("value").as_int64(), EPERM);
    EXPECT_EQ(attempt.at("note").as_string(), "SO_MARK");
    EXPECT_EQ(attempt.at("outcome").as_string(), "failed");
}

TEST(report_json, a_unix_socket_is_a_peer_by_its_path) {
    const json::value v =
        parsed(story{"unix:/run/x.sock"}.started_on(0ms, 0, "unix:/run/x.sock").connected(1ms, 0).over(1ms).report);
    EXPECT_EQ(v.at("peer").as_string(), "unix:/run/x.sock");
    EXPECT_TRUE(v.at("local").is_null() || v.at("local").is_string());
    EXPECT_EQ(v.at("attempts").at(0).at("peer").as_string(), "unix:/run/x.sock");
}

TEST(report_json, what_has_not_ended_has_no_end) {
    const json::value v = parsed(story{"h:1"}.asked(1ms, address_family::any).started(3ms, 0, "192.0.2.7", 80).report);
    EXPECT_EQ(v.at("ok"), json::value(false));
    EXPECT_TRUE(v.at("error").is_null());
    EXPECT_EQ(v.at("elapsed_ms").to_number<double>(), 3);  // the latest that is known
    EXPECT_EQ(v.at("lookups").at(0).at("family").as_string(), "service");
    EXPECT_EQ(v.at("lookups").at(0).at("outcome").as_string(), "pending");
    EXPECT_TRUE(v.at("lookups").at(0).at("ended_ms").is_null());
    EXPECT_TRUE(v.at("attempts").at(0).at("ended_ms").is_null());
}

TEST(report_json, numbers_have_three_decimals_at_most) {
    const auto elapsed = [](dial::duration total) {
        const std::string text = story{"h:1"}.over(total).report.to_json();
        const std::size_t from = text.find("elapsed_ms\":") + 12;
        return text.substr(from, text.find(',', from) - from);
    };
    EXPECT_EQ(elapsed(0ns), "0");
    EXPECT_EQ(elapsed(499ns), "0");
    EXPECT_EQ(elapsed(500ns), "0.001");
    EXPECT_EQ(elapsed(1'234'567ns), "1.235");
    EXPECT_EQ(elapsed(1'020us), "1.02");
    EXPECT_EQ(elapsed(1'999'999'999ns), "2000");
    EXPECT_EQ(elapsed(std::chrono::hours{1}), "3600000");
    EXPECT_EQ(elapsed(dial::duration::max() - std::chrono::hours{7}).substr(0, 13), "9223346836854");
}

TEST(report_json, strings_are_escaped) {
    const std::string target = "\"\\/\b\f\n\r\t\x01\x1F\x7F\0 é€😀"s;
    const json::value v = parsed(story{target}.report);
    EXPECT_EQ(v.at("target").as_string(), target);
    const std::string text = story{target}.report.to_json();
    EXPECT_TRUE(std::ranges::none_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7F; }));
}

TEST(report_json, what_is_not_utf8_is_replaced) {
    const auto read = [](std::string target) {
        return std::string{parsed(story{target}.report).at("target").as_string()};
    };
    EXPECT_EQ(read("a\xFFz"), "a\uFFFDz");
    EXPECT_EQ(read("\xC0\x80"), "\uFFFD\uFFFD");                      // overlong
    EXPECT_EQ(read("\xE0\x80\x80"), "\uFFFD\uFFFD\uFFFD");            // overlong
    EXPECT_EQ(read("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");            // a surrogate
    EXPECT_EQ(read("\xF4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD");  // beyond Unicode
    EXPECT_EQ(read("\xE2\x82"), "\uFFFD\uFFFD");                      // cut off
    EXPECT_EQ(read("\xE2\x82z"), "\uFFFD\uFFFDz");
    EXPECT_EQ(read("\xF4\x8F\xBF\xBF"), "\xF4\x8F\xBF\xBF");
}

TEST(report_json, any_bytes_make_valid_json) {
    std::mt19937 random{3};
    for (int round = 0; round != 2'000; ++round) {
        std::string bytes(random() % 30, ' ');
        for (char& c : bytes) c = static_cast<char>(random());
        const report r = story{bytes}
                             .started_on(0ms, 0, bytes)
                             .ended(1ms, 0, outcome::failed, system_error(static_cast<int>(random() % 200)), bytes)
                             .report;
        EXPECT_NO_THROW(parsed(r)) << r.to_json();
    }
}

}  // namespace
