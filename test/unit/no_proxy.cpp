// NO_PROXY as text, and the hosts that it matches.
#include <dial/target.hpp>
#include <proxy/no_proxy.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace dial::proxy {
namespace {

using namespace std::chrono_literals;
using namespace std::string_view_literals;
using strings = std::vector<std::string>;

bool matches(std::string_view list, std::string_view whereto) {
    const target to{whereto};
    return no_proxy{list}.matches(to.host(), to.address(), to.port());
}

struct matching {
    std::string_view list, to;
};

template <std::size_t Size>
void expect_matches(const matching (&table)[Size]) {
    for (const auto& [list, to] : table) EXPECT_TRUE(matches(list, to)) << list << " and " << to;
}

template <std::size_t Size>
void expect_no_match(const matching (&table)[Size]) {
    for (const auto& [list, to] : table) EXPECT_FALSE(matches(list, to)) << list << " and " << to;
}

TEST(no_proxy, that_is_empty_matches_nothing) {
    for (const auto list : {""sv, " "sv, ","sv, " , ,\t\r\n"sv}) {
        EXPECT_FALSE(matches(list, "example.com:443")) << list;
        EXPECT_FALSE(matches(list, "192.0.2.7:443")) << list;
        EXPECT_EQ(no_proxy{list}.ignored(), strings{}) << list;
    }
    EXPECT_FALSE(no_proxy{}.matches("example.com", {}, 443));
}

TEST(no_proxy, an_asterisk_matches_every_host) {
    expect_matches({
        {"*", "example.com:443"},
        {"*", "localhost:443"},
        {"*", "192.0.2.7:443"},
        {"*", "[2001:db8::7]:443"},
        {"other.example, *", "example.com:443"},
        {"*:443", "example.com:443"},
    });
    expect_no_match({{"*:443", "example.com:80"}, {"**", "example.com:443"}});
}

TEST(no_proxy, a_name_matches_itself_and_what_is_under_it) {
    expect_matches({
        {"example.com", "example.com:443"},
        {"example.com", "www.example.com:443"},
        {"example.com", "a.b.example.com:443"},
        {"com", "example.com:443"},
        {"localhost", "localhost:443"},
        {"localhost", "app.localhost:443"},
        {"my_host-1", "my_host-1:443"},
        {"unix", "unix.:443"},
        {"unix", "Unix:443"},
        {"srv", "srv:443"},
    });
    expect_no_match({
        {"www.example.com", "example.com:443"},
        {"example.com", "example.org:443"},
        {"example.com", "com:443"},
        {"example.com", "example.com.evil.example:443"},
        {"localhost", "localhost.example:443"},
    });
}

TEST(no_proxy, a_name_ends_at_a_dot) {
    expect_no_match({
        {"example.com", "notexample.com:443"},
        {".example.com", "notexample.com:443"},
        {"*.example.com", "notexample.com:443"},
        {"example.com", "not-example.com:443"},
    });
}

TEST(no_proxy, a_dot_in_front_makes_no_difference) {
    expect_matches({{".example.com", "example.com:443"}, {".example.com", "www.example.com:443"}});
}

TEST(no_proxy, an_asterisk_and_a_dot_in_front_leave_the_name_itself_out) {
    expect_matches({{"*.example.com", "www.example.com:443"}, {"*.example.com", "a.b.example.com:443"}});
    expect_no_match({{"*.example.com", "example.com:443"}, {"*.example.com", "com:443"}});
}

TEST(no_proxy, the_case_of_letters_does_not_count) {
    expect_matches({{"EXAMPLE.com", "example.COM:443"}, {".Example.Com", "WWW.EXAMPLE.COM:443"},
        {"2001:DB8::A", "[2001:db8::a]:443"}});
}

TEST(no_proxy, a_dot_at_the_end_does_not_count) {
    expect_matches({
        {"example.com.", "example.com:443"},
        {"example.com", "example.com.:443"},
        {"example.com.", "www.example.com.:443"},
        {".example.com.:443", "example.com:443"},
    });
}

TEST(no_proxy, an_address_matches_itself_in_any_form) {
    expect_matches({
        {"192.0.2.7", "192.0.2.7:443"},
        {"2001:db8::7", "[2001:db8::7]:443"},
        {"2001:0db8:0::0:7", "[2001:db8::7]:443"},
        {"[2001:db8::7]", "[2001:db8::7]:443"},
        {"[192.0.2.7]", "192.0.2.7:443"},
        {"::1", "[::1]:443"},
        {"127.0.0.1", "127.0.0.1:443"},
    });
    expect_no_match({
        {"192.0.2.7", "192.0.2.8:443"},
        {"192.0.2.7", "192.0.2.70:443"},
        {"92.0.2.7", "192.0.2.7:443"},
        {"2001:db8::7", "[2001:db8::8]:443"},
        {"::1", "127.0.0.1:443"},
    });
}

TEST(no_proxy, a_mapped_ipv4_address_is_the_ipv4_address) {
    expect_matches({
        {"192.0.2.7", "[::ffff:192.0.2.7]:443"},
        {"::ffff:192.0.2.7", "192.0.2.7:443"},
        {"::ffff:c000:207", "[::ffff:192.0.2.7]:443"},
        {"10.0.0.0/8", "[::ffff:10.1.2.3]:443"},
        {"::ffff:10.0.0.0/104", "10.1.2.3:443"},
        {"::ffff:0.0.0.0/96", "10.1.2.3:443"},
    });
    expect_no_match({
        {"::ffff:10.0.0.0/104", "11.1.2.3:443"},
        {"::/0", "[::ffff:192.0.2.7]:443"},
        {"::ffff:0.0.0.0/95", "10.1.2.3:443"},
        {"::192.0.2.7", "192.0.2.7:443"},
    });
}

TEST(no_proxy, zones_do_not_count) {
    expect_matches({
        {"fe80::1", "[fe80::1%2]:443"},
        {"fe80::1", "[fe80::1%eth0]:443"},
        {"fe80::1%eth0", "[fe80::1]:443"},
        {"[fe80::1%3]", "[fe80::1%2]:443"},
        {"fe80::/10", "[fe80::1%2]:443"},
    });
}

TEST(no_proxy, a_network_matches_the_addresses_in_it) {
    expect_matches({
        {"10.0.0.0/8", "10.0.0.0:443"},
        {"10.0.0.0/8", "10.255.255.255:443"},
        {"10.1.2.3/8", "10.9.9.9:443"},
        {"192.168.0.0/22", "192.168.3.255:443"},
        {"192.0.2.7/32", "192.0.2.7:443"},
        {"0.0.0.0/0", "192.0.2.7:443"},
        {"2001:db8::/32", "[2001:db8:ffff::1]:443"},
        {"2001:db8::/33", "[2001:db8:7fff::1]:443"},
        {"[2001:db8::]/32", "[2001:db8::1]:443"},
        {"[2001:db8::/32]", "[2001:db8::1]:443"},
        {"2001:db8::7/128", "[2001:db8::7]:443"},
        {"::/0", "[2001:db8::7]:443"},
    });
    expect_no_match({
        {"10.0.0.0/8", "11.0.0.0:443"},
        {"10.0.0.0/8", "9.255.255.255:443"},
        {"192.168.0.0/22", "192.168.4.0:443"},
        {"192.0.2.7/32", "192.0.2.6:443"},
        {"0.0.0.0/0", "[2001:db8::7]:443"},
        {"::/0", "192.0.2.7:443"},
        {"2001:db8::/32", "[2001:db9::1]:443"},
        {"2001:db8::/33", "[2001:db8:8000::1]:443"},
        {"2001:db8::7/128", "[2001:db8::6]:443"},
    });
}

TEST(no_proxy, a_name_is_no_address_and_an_address_no_name) {
    expect_no_match({
        {"0.0.0.0/0", "example.com:443"},
        {"::/0", "example.com:443"},
        {"127.0.0.1", "localhost:443"},
        {"localhost", "127.0.0.1:443"},
        {".7", "192.0.2.7:443"},
        {"2.7", "192.0.2.7:443"},
        {"*.2.7", "192.0.2.7:443"},
    });
}

TEST(no_proxy, loopback_is_no_exception) {
    expect_no_match({{"example.com", "localhost:443"}, {"example.com", "127.0.0.1:443"}, {"example.com", "[::1]:443"}});
}

TEST(no_proxy, an_entry_with_a_port_is_about_that_port) {
    expect_matches({
        {"example.com:443", "example.com:443"},
        {"example.com:443", "www.example.com:443"},
        {"*.example.com:443", "www.example.com:443"},
        {"192.0.2.7:443", "192.0.2.7:443"},
        {"[2001:db8::7]:443", "[2001:db8::7]:443"},
        {"10.0.0.0/8:443", "10.1.2.3:443"},
        {"[2001:db8::]/32:443", "[2001:db8::1]:443"},
        {"example.com:", "example.com:443"},
        {"example.com:80 example.com:443", "example.com:443"},
    });
    expect_no_match({
        {"example.com:80", "example.com:443"},
        {"*.example.com:80", "www.example.com:443"},
        {"192.0.2.7:80", "192.0.2.7:443"},
        {"[2001:db8::7]:80", "[2001:db8::7]:443"},
        {"2001:db8::7:80", "[2001:db8::7]:80"},
        {"10.0.0.0/8:80", "10.1.2.3:443"},
        {"example.com:443", "example.com:https"},
    });
}

TEST(no_proxy, a_service_without_a_known_port_is_matched_by_entries_without_one) {
    expect_matches({{"example.com", "example.com:https"}});
}

TEST(no_proxy, entries_are_separated_by_commas_and_blanks) {
    constexpr auto list = ",one.example, two.example\tthree.example ,,\nfour.example,192.0.2.7 ::1,"sv;
    for (const char* to :
        {"one.example:1", "two.example:1", "three.example:1", "four.example:1", "192.0.2.7:1", "[::1]:1"})
        EXPECT_TRUE(matches(list, to)) << to;
    EXPECT_FALSE(matches(list, "five.example:1"));
    EXPECT_EQ(no_proxy{list}.ignored(), strings{});
}

TEST(no_proxy, what_is_malformed_matches_nothing_and_is_told) {
    for (const auto entry :
        {"."sv, ".."sv, "*."sv, "..example.com"sv, "*..example.com"sv, "example..com"sv, "example.com.."sv,
            "*example.com"sv, "www.*.com"sv, ".*.example.com"sv, "192.168."sv, "192.168"sv, "192.168.*"sv,
            "192.168.0.256"sv, "0300.0.2.7"sv, ".192.0.2.7"sv, "*.192.0.2.7"sv, "10.0.0.0/33"sv, "10.0.0.0/"sv,
            "10.0.0.0/-1"sv, "10.0.0.0/+8"sv, "10.0.0.0/8/8"sv, "10.0.0/8"sv, "/8"sv, "/"sv, "10.0.0.0/255.0.0.0"sv,
            "10.0.0.0/99999999999"sv, "2001:db8::/129"sv, "example.com/8"sv, "[::1"sv, "::1]"sv, "[]"sv,
            "[example.com]"sv, "[::1]x"sv, ":::"sv, "2001:db8::g"sv, "fe80::1%"sv, ".::1"sv, ":443"sv, "[::1]:0"sv,
            "example.com:0"sv, "example.com:65536"sv, "example.com:https"sv, "example.com:-1"sv, "http://example.com"sv,
            "http://example.com:443"sv, "<local>"sv, "a;b"sv, "example.com\0"sv, "10.0.0.0\0/8"sv}) {
        const no_proxy list{std::string{entry} + ",192.0.2.7"};
        EXPECT_EQ(list.ignored(), strings{std::string{entry}});
        EXPECT_TRUE(matches(std::string{entry} + ",192.0.2.7", "192.0.2.7:443")) << "the others count";
        for (const char* to :
            {"example.com:443", "www.example.com:443", "192.168.0.1:443", "10.0.0.1:443", "[::1]:443"})
            EXPECT_FALSE(matches(entry, to)) << entry << " and " << to;
    }
}

TEST(no_proxy, that_is_huge_is_read_quickly) {
    std::string text;
    for (int i = 0; i != 100'000; ++i) text += "a.example,10.0.0.0/8 bad..entry,";
    text += std::string(1'000'000, ':') + ',' + std::string(1'000'000, '.') + ",last.example";
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_TRUE(matches(text, "last.example:443"));
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
}

}  // namespace
}  // namespace dial::proxy
