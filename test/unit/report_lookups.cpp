// What a report says of lookups in DNS: records, TTLs, and who answered.
#include <dial/report.hpp>
#include <support/report_story.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/asio/error.hpp>

#include <chrono>
#include <string>
#include <vector>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
namespace asio = boost::asio;

answer having(std::vector<std::string> all) {
    std::vector<asio::ip::address> list;
    for (const auto& a : all) list.push_back(asio::ip::make_address(a));
    return list;
}
const lookup a{"h.test", record_type::a}, aaaa{"h.test", record_type::aaaa}, srv{"_x._tcp.test", record_type::srv},
    https{"h.test", record_type::https};

answer services(std::size_t count) {
    std::vector<service_record> all;
    for (std::size_t i = 0; i != count; ++i)
        all.push_back({10, static_cast<std::uint16_t>(i), 5222, "h" + std::to_string(i) + ".test"});
    return answer{all}.ttl(60s).source("192.0.2.53:53");
}

TEST(report_lookups, say_how_long_they_count_and_who_answered) {
    const std::string text = story{"h.test:80"}
                                 .looked_up(0ms, 12ms, aaaa, having({}).ttl(30s).source("192.0.2.53:53"))
                                 .looked_up(0ms, 13ms, a, having({"127.0.0.1"}).source("hosts file"))
                                 .report.to_string(200);
    EXPECT_EQ(
        text, "resolve   AAAA  no addresses   12 ms (TTL 30 s, 192.0.2.53:53)     A  1 address   13 ms (hosts file)\n");
}

TEST(report_lookups, take_a_line_each_where_the_width_is_short) {
    const std::string text = story{"h.test:80"}
                                 .looked_up(0ms, 12ms, aaaa, having({}).ttl(30s).source("192.0.2.53:53"))
                                 .looked_up(0ms, 13ms, a, having({"127.0.0.1"}).ttl(300s).source("192.0.2.53:53"))
                                 .report.to_string(80);
    EXPECT_EQ(text,
        "resolve   AAAA  no addresses   12 ms (TTL 30 s, 192.0.2.53:53)\n"
        "          A  1 address   13 ms (TTL 300 s, 192.0.2.53:53)\n");
}

TEST(report_lookups, of_services_list_their_records_four_lines_at_most) {
    EXPECT_EQ(story{"srv:_x._tcp.test"}.looked_up(0ms, 1ms, srv, services(2)).report.to_string(),
        "resolve   SRV  2 hosts   1.0 ms (TTL 60 s, 192.0.2.53:53)\n"
        "          10 0 5222 h0.test.\n"
        "          10 1 5222 h1.test.\n");
    EXPECT_EQ(story{"srv:_x._tcp.test"}.looked_up(0ms, 1ms, srv, services(9)).report.to_string(),
        "resolve   SRV  9 hosts   1.0 ms (TTL 60 s, 192.0.2.53:53)\n"
        "          10 0 5222 h0.test.\n"
        "          10 1 5222 h1.test.\n"
        "          10 2 5222 h2.test.\n"
        "          and 6 more\n");
}

TEST(report_lookups, of_https_records_list_them_as_zone_files_do) {
    service_binding b;
    b.priority = 1;
    b.host = ".";
    b.alpn = {"h2"};
    b.port = 8443;
    EXPECT_THAT(story{"h.test:443"}.looked_up(0ms, 1ms, https, answer{std::vector{b}}).report.to_string(),
        HasSubstr("HTTPS  1 record   1.0 ms\n          1 . alpn=h2 port=8443\n"));
    EXPECT_THAT(
        story{"h.test:443"}.looked_up(0ms, 1ms, https, answer{std::vector<service_binding>{}}).report.to_string(),
        HasSubstr("HTTPS  no records"));
}

TEST(report_lookups, of_several_hosts_name_them) {
    const lookup other{"other.test.", record_type::a};
    EXPECT_THAT(story{"srv:_x._tcp.test"}
                    .looked_up(0ms, 1ms, a, having({}))
                    .looked_up(1ms, 2ms, other, having({"127.0.0.1"}))
                    .report.to_string(200),
        HasSubstr("h.test  A  no addresses   1.0 ms     other.test.  A  1 address   2.0 ms"));
    EXPECT_THAT(story{"h.test:1"}.looked_up(0ms, 1ms, a, having({})).report.to_string(), Not(HasSubstr("h.test  A")));
}

TEST(report_lookups, are_told_apart_by_name_and_record) {
    const report r = story{"srv:_x._tcp.test"}
                         .looked_up(0ms, 1ms, srv, services(1))
                         .looked_up(1ms, 2ms, a, having({"127.0.0.1"}))
                         .looked_up(1ms, 2ms, aaaa, having({}))
                         .looked_up(3ms, 4ms, {"other.test.", record_type::a}, having({}))
                         .report;
    ASSERT_EQ(r.lookups().size(), 4u);
    EXPECT_EQ(r.lookups()[0].record, record_type::srv);
    EXPECT_EQ(r.lookups()[0].services.size(), 1u);
    EXPECT_EQ(r.lookups()[0].ttl, 60s);
    EXPECT_EQ(r.lookups()[3].name, "other.test.");
}

TEST(report_lookups, show_nothing_that_could_move_the_cursor) {
    const std::string text = story{"srv:_x._tcp.test"}
                                 .looked_up(0ms, 1ms, {"\x1B[2J", record_type::srv},
                                     answer{std::vector{service_record{1, 1, 1, "\x1B[31m"}}}.source("\n\x07"))
                                 .report.to_string();
    EXPECT_EQ(text.find('\x1B'), text.npos);
    EXPECT_EQ(text.find('\x07'), text.npos);
}

TEST(report_lookups, of_services_that_are_not_there_have_words_of_their_own) {
    const auto first_line = [](asio::error::netdb_errors e) {
        return story{"srv:_x._tcp.test"}.looked_up(0ms, 1ms, srv, answer{e}).over(1ms, e).report.to_string(200);
    };
    EXPECT_THAT(first_line(asio::error::host_not_found),
        StartsWith("cannot connect to srv:_x._tcp.test: no such service; is there an SRV record of that name"));
    const std::string none = story{"srv:_x._tcp.test"}.over(1ms, asio::error::service_not_found).report.to_string(200);
    EXPECT_THAT(none, StartsWith("cannot connect to srv:_x._tcp.test: the domain says that it has no such service\n"));
}

TEST(report_lookups, are_in_the_json) {
    EXPECT_THAT(story{"srv:_x._tcp.test"}.looked_up(0ms, 1ms, srv, services(1)).report.to_json(),
        HasSubstr(R"("family":"any","started_ms":0,"ended_ms":1,"outcome":"done","error":null,"error_code":null,)"
                  R"("addresses":[],"record":"SRV","name":"_x._tcp.test","records":["10 0 5222 h0.test."],)"
                  R"("ttl_s":60,"source":"192.0.2.53:53"}])"));
}

}  // namespace
}  // namespace dial::test
