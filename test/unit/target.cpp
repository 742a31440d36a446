#include <dial/target.hpp>

#include <gtest/gtest.h>

#include <boost/asio/ip/address_v4.hpp>
#include <boost/asio/ip/address_v6.hpp>

#include <cstddef>
#include <cstdint>
#include <ostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace dial {

inline void PrintTo(const target& t, std::ostream* os) {
    *os << '"' << t.to_string() << '"';
}

}  // namespace dial

namespace {

namespace ip = boost::asio::ip;
using dial::target;
using namespace std::string_literals;
using namespace std::string_view_literals;

// What the exception says; empty if there is none.
template <class... Args>
std::string complaint(const Args&... args) {
    try {
        const target taken{args...};
        return "";
    } catch (const std::invalid_argument& e) {
        return e.what();
    }
}

struct refusal {
    std::string text;
    std::string reason;  // as in the message
    std::size_t place;
};

void expect_refused(const std::vector<refusal>& table) {
    for (const refusal& r : table) {
        const std::string said = complaint(r.text);
        const std::string expected = ": " + r.reason + " at position " + std::to_string(r.place);
        EXPECT_NE(said.find(expected), said.npos) << "text: " << r.text << "\nsaid: " << said << "\nnot: " << expected;

        dial::error_code ec;
        EXPECT_EQ(target::parse(r.text, ec), target{});
        EXPECT_EQ(ec, dial::error::invalid_target) << r.text;
    }
}

std::string repeated(std::string_view part, std::size_t times) {
    std::string all;
    for (; times != 0; --times) all += part;
    return all;
}

// --- What is taken ---

TEST(target, a_host_and_a_port_are_kept_as_written) {
    for (const char* host : {"example.com", "Example.COM", "example.com.", "a", "x--y-", "_http._tcp.example",
             "3com.com", "m\xc3\xbcnchen.example", "\xe4\xbe\x8b.\xe4\xbe\x8b", "a1.b2", "0x7f.com", "0xfg",
             "1.2.3.4.example", "x1"}) {
        const target t{std::string{host} + ":443"};
        EXPECT_EQ(t.host(), host);
        EXPECT_EQ(t.port(), 443) << host;
        EXPECT_EQ(t.service(), "");
        EXPECT_EQ(t.zone(), "");
        EXPECT_EQ(t.path(), "");
        EXPECT_FALSE(t.address()) << host;
        EXPECT_FALSE(t.is_unix());
        EXPECT_FALSE(t.empty());
    }
}

TEST(target, a_port_goes_from_1_to_65535_and_may_have_zeros_in_front) {
    EXPECT_EQ(target{"x:1"}.port(), 1);
    EXPECT_EQ(target{"x:65535"}.port(), 65535);
    EXPECT_EQ(target{"x:0443"}.port(), 443);
    EXPECT_EQ(target{"x:" + std::string(10'000, '0') + "443"}.port(), 443);
    EXPECT_EQ(target{"x:0443"}, target{"x:443"});
}

TEST(target, a_service_name_is_kept_and_not_looked_up) {
    for (const char* service : {"https", "HTTPS", "no-such-service", "x", "3com-tsmux", "whois++", "kerberos_master",
             "a.b", "fifteen-letters"}) {
        const target t{"example.com:"s + service};
        EXPECT_EQ(t.service(), service);
        EXPECT_EQ(t.port(), 0) << service;
        EXPECT_EQ(t.host(), "example.com");
    }
}

TEST(target, an_ipv4_literal_is_an_address) {
    for (const char* host : {"192.0.2.7", "0.0.0.0", "255.255.255.255", "127.0.0.1"}) {
        const target t{std::string{host} + ":80"};
        EXPECT_EQ(t.address(), ip::address{ip::make_address_v4(host)});
        EXPECT_EQ(t.host(), host);
    }
}

TEST(target, an_ipv6_literal_in_brackets_is_an_address_whose_text_is_that_of_asio) {
    const struct {
        const char *written, *canonical;
    } table[] = {{"::1", "::1"}, {"::", "::"}, {"2001:DB8:0::7", "2001:db8::7"}, {"0:0:0:0:0:0:0:1", "::1"},
        {"::ffff:192.0.2.7", "::ffff:192.0.2.7"}, {"::FFFF:c000:207", "::ffff:192.0.2.7"}, {"fe80::1", "fe80::1"}};
    for (const auto& [written, canonical] : table) {
        const target t{"["s + written + "]:80"};
        EXPECT_EQ(t.address(), ip::address{ip::make_address_v6(canonical)}) << written;
        EXPECT_EQ(t.host(), canonical);
        EXPECT_EQ(t.port(), 80);
        EXPECT_EQ(t.zone(), "");
    }
    EXPECT_EQ(target{"[2001:DB8:0::7]:80"}, target{"[2001:db8::7]:80"});
    EXPECT_EQ(target{"[::1]:https"}.service(), "https");
}

TEST(target, a_numeric_zone_is_the_scope_of_the_address) {
    const target t{"[fe80::1%2]:22"};
    ASSERT_TRUE(t.address());
    EXPECT_EQ(t.address()->to_v6().scope_id(), 2u);
    EXPECT_EQ(t.host(), "fe80::1");
    EXPECT_EQ(t.zone(), "");
    EXPECT_EQ(target{"[fe80::1%4294967295]:22"}.address()->to_v6().scope_id(), 4294967295u);
    EXPECT_EQ(target{"[fe80::1%02]:22"}, t);
    EXPECT_NE(target{"[fe80::1%3]:22"}, t);
    EXPECT_NE(target{"[fe80::1]:22"}, t);
}

TEST(target, a_zone_by_name_is_kept_and_not_looked_up) {
    for (const char* zone : {"lo", "eth0", "no-such-if", "fifteen-letters", "eth0.100", "1a"}) {  // lo has an index, 1
        const target t{"[fe80::1%"s + zone + "]:22"};
        ASSERT_TRUE(t.address()) << zone;
        EXPECT_EQ(t.address()->to_v6().scope_id(), 0u) << zone;
        EXPECT_EQ(t.host(), "fe80::1");
        EXPECT_EQ(t.zone(), zone);
    }
    EXPECT_EQ(target{"[2001:db8::1%eth0]:22"}.zone(), "eth0");
    EXPECT_EQ(target{"[ff02::1%eth0]:22"}.zone(), "eth0");
}

TEST(target, a_unix_path_is_kept_as_written) {
    for (const std::string& path : {"/run/redis.sock"s, "relative/path"s, "a b"s, "x:y"s, "///run/x"s, "./@name"s,
             "[::1]:80"s, "\xff\n"s, std::string(107, 'x')}) {
        const target t{"unix:" + path};
        EXPECT_TRUE(t.is_unix());
        EXPECT_EQ(t.path(), path);
        EXPECT_EQ(t.host(), "");
        EXPECT_EQ(t.port(), 0);
        EXPECT_FALSE(t.address());
        EXPECT_FALSE(t.empty());
    }
}

TEST(target, an_abstract_name_has_a_nul_in_front) {
    for (const std::string& name : {"name"s, "@"s, "/x"s, "\x01\xff y"s, std::string(106, 'x')}) {
        const target t{"unix:@" + name};
        EXPECT_TRUE(t.is_unix());
        EXPECT_EQ(t.path(), '\0' + name);
    }
}

TEST(target, what_begins_with_unix_and_a_colon_is_a_path) {
    EXPECT_EQ(target{"unix:80"}.path(), "80");
    EXPECT_EQ(target{"Unix:80"}.host(), "Unix");
    EXPECT_EQ(target{"unix.:80"}.host(), "unix.");
    EXPECT_EQ(target{"unix.example:80"}.host(), "unix.example");
}

TEST(target, the_host_and_the_port_may_come_by_themselves) {
    EXPECT_EQ((target{"example.com", "443"}), target{"example.com:443"});
    EXPECT_EQ((target{"example.com", "https"}), target{"example.com:https"});
    EXPECT_EQ((target{"example.com", 443}), target{"example.com:443"});
    EXPECT_EQ((target{"192.0.2.7", 80}), target{"192.0.2.7:80"});
    EXPECT_EQ((target{"::1", 80}), target{"[::1]:80"});
    EXPECT_EQ((target{"[::1]", "80"}), target{"[::1]:80"});
    EXPECT_EQ((target{"fe80::1%eth0", 22}), target{"[fe80::1%eth0]:22"});
    EXPECT_EQ((target{"[fe80::1%2]", 22}), target{"[fe80::1%2]:22"});
}

TEST(target, the_strings_that_make_one_need_no_cast) {
    EXPECT_TRUE((std::is_convertible_v<const char*, target>));
    EXPECT_TRUE((std::is_convertible_v<std::string, target>));
    EXPECT_TRUE((std::is_convertible_v<std::string_view, target>));
    EXPECT_TRUE((std::is_nothrow_move_constructible_v<target>));
}

TEST(target, no_target_is_empty_and_writes_nothing) {
    EXPECT_TRUE(target{}.empty());
    EXPECT_FALSE(target{}.is_unix());
    EXPECT_FALSE(target{}.is_localhost());
    EXPECT_EQ(target{}.to_string(), "");
    EXPECT_EQ(target{}, target{});
    EXPECT_NE(target{}, target{"x:1"});
}

TEST(target, each_part_counts_when_two_are_compared) {
    const std::vector<target> all{{}, "x:1", "x:2", "X:1", "x.:1", "x:a", "x:b", "[::1]:1", "[::1%1]:1", "[::1%a]:1",
        "[::1%b]:1", "[::2]:1", "127.0.0.1:1", "[::ffff:127.0.0.1]:1", "unix:x", "unix:@x", "unix:/x"};
    for (std::size_t i = 0; i != all.size(); ++i)
        for (std::size_t k = 0; k != all.size(); ++k) EXPECT_EQ(all[i] == all[k], i == k) << i << ' ' << k;
}

// --- localhost ---

TEST(target, localhost_and_the_names_under_it_are_localhost) {
    for (const char* host :
        {"localhost", "LOCALHOST", "LocalHost.", "localhost.", "x.localhost", "x.LOCALHOST.", "a.b.localhost"})
        EXPECT_TRUE((target{host, 80}.is_localhost())) << host;
    for (const char* host : {"localhost.example.com", "mylocalhost", "x-localhost", "localhos", "ocalhost",
             "localhost.x", "127.0.0.1", "::1", "localhost4", "x"})
        EXPECT_FALSE((target{host, 80}.is_localhost())) << host;
    EXPECT_FALSE(target{"unix:localhost"}.is_localhost());
    EXPECT_FALSE(target{"unix:@localhost"}.is_localhost());
}

// --- to_string ---

TEST(target, to_string_writes_what_parse_reads) {
    const struct {
        std::string text, canonical;
    } table[] = {
        {"Example.com.:0443", "Example.com.:443"},
        {"example.com:https", "example.com:https"},
        {"m\xc3\xbcnchen:80", "m\xc3\xbcnchen:80"},
        {"192.0.2.7:80", "192.0.2.7:80"},
        {"[2001:DB8:0::1]:443", "[2001:db8::1]:443"},
        {"[::ffff:192.0.2.7]:443", "[::ffff:192.0.2.7]:443"},
        {"[fe80::1%lo]:22", "[fe80::1%lo]:22"},
        {"[fe80::1%1]:22", "[fe80::1%1]:22"},  // not "%lo", which is how Asio writes it
        {"[ff02::1%1]:22", "[ff02::1%1]:22"},
        {"[fe80::1%007]:22", "[fe80::1%7]:22"},
        {"[2001:db8::1%4294967295]:ssh", "[2001:db8::1%4294967295]:ssh"},
        {"unix:/run/redis.sock", "unix:/run/redis.sock"},
        {"unix:relative", "unix:relative"},
        {"unix:80", "unix:80"},
        {"unix:./@x", "unix:./@x"},
        {"unix:@name", "unix:@name"},
        {"unix:@@", "unix:@@"},
        {"unix:@\x01\xff \n", "unix:@\x01\xff \n"},
        {"Unix:80", "Unix:80"},
    };
    for (const auto& [text, canonical] : table) {
        const target t{text};
        EXPECT_EQ(t.to_string(), canonical);
        EXPECT_EQ(target::parse(t.to_string()), t) << text;
    }
    for (const target& t :
        {target{"::1", 80}, target{"fe80::1%eth0", "ssh"}, target{"fe80::1%3", 22}, target{"x", "y"}})
        EXPECT_EQ(target{t.to_string()}, t);
}

// --- What is refused ---

TEST(target, the_message_names_the_flaw_and_its_place_and_what_to_write) {
    EXPECT_EQ(complaint("a:b:c"),
        "bad target \"a:b:c\": more than one ':' at position 3; "
        "an IPv6 address is written in brackets, as [::1]:443");
    EXPECT_EQ(complaint("http://x:80"),
        "bad target \"http://x:80\": \"://\" as in a URL at position 4; "
        "write only its host and port, as example.com:443");
    EXPECT_EQ(complaint(""), "bad target \"\": no host at position 0; write it as example.com:443");
    EXPECT_EQ(
        complaint("x", "70000"), "bad port \"70000\": a port over 65535 at position 0; a port goes from 1 to 65535");
}

TEST(target, the_message_is_one_line_without_control_characters) {
    EXPECT_EQ(
        complaint("a\n\0\x7f:1"sv), "bad target \"a\\x0a\\x00\\x7f:1\": a control character (0x0a) at position 1");
    EXPECT_LT(complaint(std::string(1'000'000, 'x')).size(), 500u);
}

TEST(target, a_text_without_host_or_port_is_refused) {
    expect_refused({
        {"", "no host", 0},
        {":", "no host", 0},
        {":80", "no host", 0},
        {"[]:80", "no host", 1},
        {"example.com", "no port", 11},
        {"example.com:", "no port", 12},
        {"192.0.2.7", "no port", 9},
        {"443", "a name that reads as a number, but is no IPv4 address", 0},
        {"[::1]", "no port", 5},
        {"[::1]:", "no port", 6},
        {"unix", "no port", 4},
    });
}

TEST(target, a_port_out_of_range_is_refused) {
    expect_refused({
        {"x:0", "port 0", 2},
        {"x:00000", "port 0", 2},
        {"x:65536", "a port over 65535", 2},
        {"x:99999", "a port over 65535", 2},
        {"x:18446744073709551617", "a port over 65535", 2},  // 2^64 + 1
        {"x:" + std::string(100'000, '9'), "a port over 65535", 2},
        {"[::1]:65536", "a port over 65535", 6},
    });
}

TEST(target, what_is_neither_a_port_nor_a_service_is_refused) {
    expect_refused({
        {"x:+443", "'+' before the port or service", 2},
        {"x:-1", "'-' before the port or service", 2},
        {"x:_a", "'_' before the port or service", 2},
        {"x:4-4", "neither a port nor a service", 2},
        {"x:80.", "neither a port nor a service", 2},
        {"x:80/path", "'/' cannot be in a port or a service", 4},
        {"x:80?q", "'?' cannot be in a port or a service", 4},
        {"x:80]", "']' cannot be in a port or a service", 4},
        {"x:caf\xc3\xa9", "byte 0xc3 cannot be in a port or a service", 5},
        {"x:thirty-three-letters-and-then-some", "a service of over 32 characters", 2},
        {"[::1]:80:90", "':' cannot be in a port or a service", 8},
        {"UNIX:/run/x", "a path", 0},
    });
}

TEST(target, an_ipv6_address_without_brackets_is_refused) {
    expect_refused({
        {"::1", "more than one ':'", 1},
        {"::", "more than one ':'", 1},
        {"::1:443", "more than one ':'", 1},
        {"2001:db8::1:80", "more than one ':'", 8},
        {"fe80::1%eth0", "more than one ':'", 5},
        {"x[::1]:80", "more than one ':'", 3},
    });
    EXPECT_NE(complaint("::1").find("in brackets, as [::1]:443"), std::string::npos);
}

TEST(target, brackets_stand_around_an_ipv6_address_and_nothing_else) {
    expect_refused({
        {"[", "'[' without its ']'", 0},
        {"[::1", "'[' without its ']'", 0},
        {"[::1:80", "'[' without its ']'", 0},
        {"]:80", "']' cannot be in a host name", 0},
        {"a]b:80", "']' cannot be in a host name", 1},
        {"a[b]:80", "'[' cannot be in a host name", 1},
        {"192.0.2.7]:80", "']' cannot be in a host name", 9},
        {"[[::1]]:80", "no IPv6 address", 1},
        {"[example.com]:80", "no IPv6 address", 1},
        {"[192.0.2.7]:80", "no IPv6 address", 1},
        {"[192.0.2.7%1]:80", "no IPv6 address", 1},
        {"[:]:80", "no IPv6 address", 1},
        {"[:::]:80", "no IPv6 address", 1},
        {"[1::2::3]:80", "no IPv6 address", 1},
        {"[::12345]:80", "no IPv6 address", 1},
        {"[1:2:3:4:5:6:7:8:9]:80", "no IPv6 address", 1},
        {"[::ffff:1.2.3.256]:80", "no IPv6 address", 1},
        {"[%eth0]:80", "no IPv6 address", 1},
        {"[" + std::string(100'000, ':') + "]:80", "no IPv6 address", 1},
        {"[::1]80", "'8' after the bracket", 5},
        {"[::1]]:80", "']' after the bracket", 5},
        {"[::1].:80", "'.' after the bracket", 5},
    });
}

TEST(target, a_zone_that_cannot_be_one_is_refused) {
    expect_refused({
        {"[fe80::1%]:22", "no zone after '%'", 9},
        {"[fe80::1%sixteen-letters-]:22", "a zone of over 15 characters", 9},
        {"[fe80::1%0000000000000001]:22", "a zone of over 15 characters", 9},
        {"[fe80::1%et/h]:22", "'/' cannot be in a zone", 11},
        {"[fe80::1%%2]:22", "'%' cannot be in a zone", 9},
        {"[fe80::1%a:b]:22", "':' cannot be in a zone", 10},
        {"[fe80::1%a[b]:22", "'[' cannot be in a zone", 10},
        {"[fe80::1%a b]:22", "a space", 10},
        {"[fe80::1%a\tb]:22", "a control character (0x09)", 10},
        {"[fe80::1%0]:22", "a zone number out of range", 9},
        {"[fe80::1%4294967296]:22", "a zone number out of range", 9},
        {"[fe80::1%999999999999999]:22", "a zone number out of range", 9},
    });
}

TEST(target, a_blank_or_control_character_is_refused_wherever_it_is) {
    expect_refused({
        {" x:80", "a space", 0},
        {"x :80", "a space", 1},
        {"x: 80", "a space", 2},
        {"x:80 ", "a space", 4},
        {"x:80\n", "a control character (0x0a)", 4},
        {"\tx:80", "a control character (0x09)", 0},
        {"x\x7f:80", "a control character (0x7f)", 1},
        {"x\0:80"s, "a NUL", 1},
        {"x:80\0"s, "a NUL", 4},
        {"192.0.2.7\0:80"s, "a NUL", 9},
        {"[::1\0]:80"s, "a NUL", 4},
        {"[fe80::1%a\0]:80"s, "a NUL", 10},
        {"\0"s, "a NUL", 0},
    });
}

TEST(target, a_character_that_no_host_name_has_is_refused) {
    expect_refused({
        {"a/b:80", "'/' cannot be in a host name", 1},
        {"user@host:80", "'@' cannot be in a host name", 4},
        {"a?:80", "'?' cannot be in a host name", 1},
        {"#:80", "'#' cannot be in a host name", 0},
        {"a\\b:80", "'\\' cannot be in a host name", 1},
        {"a,b:80", "',' cannot be in a host name", 1},
        {"a*b:80", "'*' cannot be in a host name", 1},
        {"a%20b:80", "'%' cannot be in a host name", 1},
        {"192.0.2.7%1:80", "'%' cannot be in a host name", 9},
        {"https://example.com", "\"://\" as in a URL", 5},
        {"http://user@[::1]:80/path", "\"://\" as in a URL", 4},
    });
}

TEST(target, a_host_name_that_is_no_domain_name_is_refused) {
    const std::string label63(63, 'x');
    const std::string name253 = repeated("abcdefg.", 31) + "abcde";
    ASSERT_EQ(name253.size(), 253u);
    EXPECT_EQ(target{label63 + "." + label63 + ":80"}.port(), 80);
    EXPECT_EQ(target{name253 + ":80"}.port(), 80);
    EXPECT_EQ(target{name253 + ".:80"}.port(), 80);
    expect_refused({
        {label63 + "x:80", "a label of over 63 bytes", 0},
        {"a." + label63 + "x.b:80", "a label of over 63 bytes", 2},
        {"x" + name253 + ":80", "a host name of over 253 bytes", 0},
        {"x" + name253 + ".:80", "a host name of over 253 bytes", 0},
        {".:80", "an empty label", 0},
        {"..:80", "an empty label", 0},
        {".a:80", "an empty label", 0},
        {"a..b:80", "an empty label", 2},
        {"a..:80", "an empty label", 2},
    });
}

TEST(target, a_name_that_getaddrinfo_reads_as_a_number_is_refused) {
    std::vector<refusal> table;
    for (const char* host : {"127.1", "1.2.3", "1.2.3.256", "0177.0.0.1", "127.0.0.01", "00.0.0.0", "2130706433", "0",
             "0x7f.1", "0x7f000001", "0X7F.0x1", "0x", "1.2.3.4.5", "1.2.3.4.", "127.1.", "example.1", "example.0x1f",
             "99999999999999999999"})
        table.push_back({std::string{host} + ":80", "a name that reads as a number, but is no IPv4 address", 0});
    expect_refused(table);
}

TEST(target, a_unix_path_that_does_not_fit_is_refused) {
    expect_refused({
        {"unix:", "no path", 5},
        {"unix:@", "no path", 6},
        {"unix:" + std::string(108, 'x'), "a path of over 107 bytes", 5},
        {"unix:@" + std::string(107, 'x'), "a path of over 107 bytes", 6},
        {"unix:/a\0b"s, "a NUL in the path of a unix socket", 7},
        {"unix:\0a"s, "a NUL in the path of a unix socket", 5},
        {"unix:@a\0"s, "a NUL in the path of a unix socket", 7},
    });
}

TEST(target, a_bad_host_or_port_by_itself_is_refused) {
    const struct {
        std::string host, port, message;
    } table[] = {
        {"", "80", "bad host \"\": no host at position 0"},
        {"x", "", "bad port \"\": no port at position 0"},
        {"x", "0", "bad port \"0\": port 0 at position 0"},
        {"x", ":80", "bad port \":80\": ':' cannot be in a port or a service at position 0"},
        {"x", "80 ", "bad port \"80 \": a space at position 2"},
        {"x", "80\0"s, "bad port \"80\\x00\": a NUL at position 2"},
        {"x:80", "80", "bad host \"x:80\": no IPv6 address at position 0"},
        {"http://x", "80", "bad host \"http://x\": \"://\" as in a URL at position 4"},
        {"unix:/x", "80", "bad host \"unix:/x\": no IPv6 address at position 0"},
        {"unix", "80", "bad host \"unix\": \"unix\", which begins the path of a unix socket at position 0"},
        {"[::1]:80", "80", "bad host \"[::1]:80\": ':' after the bracket at position 5"},
        {"[::1", "80", "bad host \"[::1\": '[' without its ']' at position 0"},
        {"::1]", "80", "bad host \"::1]\": no IPv6 address at position 0"},
        {"[]", "80", "bad host \"[]\": no host at position 1"},
        {"fe80::1%a]b", "80", "bad host \"fe80::1%a]b\": ']' cannot be in a zone at position 9"},
        {"::1\0"s, "80", "bad host \"::1\\x00\": a NUL at position 3"},
        {"127.1", "80", "bad host \"127.1\": a name that reads as a number, but is no IPv4 address at position 0"},
    };
    for (const auto& [host, port, message] : table)
        EXPECT_EQ(complaint(host, port).find(message), 0u) << complaint(host, port);
    EXPECT_NE(complaint("x", std::uint16_t{0}).find("port 0"), std::string::npos);
    EXPECT_NE(complaint("x", 70000).find("a port over 65535"), std::string::npos);  // and not port 4464
    EXPECT_NE(complaint("x", -1).find("'-' before the port"), std::string::npos);
    EXPECT_NE(complaint(std::string_view{}, std::string_view{}).find("no host"), std::string::npos);
    EXPECT_NE(complaint("x"sv, std::string_view{}).find("no port"), std::string::npos);
}

TEST(target, parse_with_an_error_code_sets_or_clears_it_and_does_not_throw) {
    dial::error_code ec = dial::error::timeout;
    EXPECT_EQ(target::parse("x:80", ec), target{"x:80"});
    EXPECT_FALSE(ec);
    EXPECT_TRUE(target::parse("[fe80::1%0]:22", ec).empty());  // found bad after its host was read
    EXPECT_EQ(ec, dial::error::invalid_target);
    EXPECT_TRUE(target::parse({}, ec).empty());
    EXPECT_EQ(ec, dial::error::invalid_target);
    EXPECT_THROW(target::parse("x"), std::invalid_argument);
}

}  // namespace
