#include <cli/arguments.hpp>
#include <cli/text.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <variant>
#include <vector>

namespace {

using namespace std::chrono_literals;
using dial::cli::arguments;
using dial::cli::colours;
using dial::cli::information;
using dial::cli::one_line;
using dial::cli::read_arguments;
using dial::cli::read_duration;
using dial::cli::seconds_text;
using dial::cli::usage_error;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using words = std::vector<std::string>;

arguments read(const words& w) {
    return std::get<arguments>(read_arguments(w));
}

std::string flaw(const words& w) {
    try {
        read_arguments(w);
    } catch (const usage_error& error) {
        return error.what();
    }
    return "no flaw";
}

// --- Lengths of time ---

TEST(cli_duration, is_in_seconds_without_a_unit) {
    EXPECT_EQ(read_duration("5"), 5s);
    EXPECT_EQ(read_duration("0"), 0s);
    EXPECT_EQ(read_duration("1.5"), 1500ms);
}

TEST(cli_duration, has_units) {
    EXPECT_EQ(read_duration("300ms"), 300ms);
    EXPECT_EQ(read_duration("1.5s"), 1500ms);
    EXPECT_EQ(read_duration("2m"), 2min);
    EXPECT_EQ(read_duration("1h"), 1h);
    EXPECT_EQ(read_duration("0ms"), 0ms);
}

TEST(cli_duration, is_exact_where_binary_fractions_are_not) {
    EXPECT_EQ(read_duration("0.3"), 300ms);
    EXPECT_EQ(read_duration("0.1s"), 100ms);
    EXPECT_EQ(read_duration("4.35s"), 4350ms);
    EXPECT_EQ(read_duration("0.0015ms"), 1500ns);
}

TEST(cli_duration, that_is_too_long_never_comes) {
    EXPECT_EQ(read_duration("99999999999999999999h"), dial::never);
    EXPECT_EQ(read_duration(std::string(400, '9')), dial::never);
    EXPECT_EQ(read_duration("0." + std::string(400, '0') + "1"), 0s);
}

TEST(cli_duration, is_nothing_else) {
    for (const char* const text : {"", "s", "ms", "soon", "-5", "+5", " 5", "5 ", "5 s", "5x", "5S", "5sec", "1e3",
             "0x10", "inf", "nan", "1.2.3", ".", ".5", "5.", "5.s", "1,5", "1.5s5"})
        EXPECT_EQ(read_duration(text), std::nullopt) << text;
}

// --- Texts ---

TEST(cli_one_line, escapes_what_would_end_the_line_or_move_the_cursor) {
    EXPECT_EQ(one_line("a\nb\x1B[2J\x7F\r"), "a\\x0ab\\x1b[2J\\x7f\\x0d");
    EXPECT_EQ(one_line("\xC2\x9B"), "\\xc2\\x9b");  // CSI in one character
}

TEST(cli_one_line, keeps_utf8_and_escapes_what_is_none) {
    EXPECT_EQ(one_line("grün € 😀"), "grün € 😀");
    EXPECT_EQ(one_line("\xFF\xC3"), "\\xff\\xc3");
    EXPECT_EQ(one_line("\xE2\x82"), "\\xe2\\x82");
}

TEST(cli_seconds, have_one_decimal) {
    EXPECT_EQ(seconds_text(0ms), "0.0 s");
    EXPECT_EQ(seconds_text(1290ms), "1.2 s");
    EXPECT_EQ(seconds_text(-5s), "0.0 s");
}

// --- The command line ---

TEST(cli_arguments, have_dials_own_defaults) {
    const arguments a = read({"example.com:443"});
    EXPECT_EQ(a.to, dial::target{"example.com:443"});
    EXPECT_EQ(a.with.timeout, dial::options{}.timeout);
    EXPECT_EQ(a.with.attempt_delay, dial::options{}.attempt_delay);
    EXPECT_EQ(a.with.family, dial::address_family::any);
    EXPECT_TRUE(a.with.socket.interface.empty());
    EXPECT_TRUE(a.sources.empty());
    EXPECT_FALSE(a.json);
    EXPECT_FALSE(a.quiet);
    EXPECT_EQ(a.colour, colours::automatic);
}

TEST(cli_arguments, take_host_and_port_together_or_apart) {
    EXPECT_EQ(read({"localhost", "6379"}).to, dial::target{"localhost:6379"});
    EXPECT_EQ(read({"localhost", "http"}).to, dial::target{"localhost:http"});
    EXPECT_EQ(read({"::1", "80"}).to, dial::target{"[::1]:80"});
    EXPECT_EQ(read({"[::1]", "80"}).to, dial::target{"[::1]:80"});
    EXPECT_EQ(read({"[::1]:80"}).to, dial::target{"[::1]:80"});
    EXPECT_EQ(read({"unix:/run/x.sock"}).to, dial::target{"unix:/run/x.sock"});
    EXPECT_EQ(read({"unix:@abstract"}).to, dial::target{"unix:@abstract"});
}

TEST(cli_arguments, take_options_before_between_and_after) {
    const words in_all_places[] = {
        {"--timeout", "5", "-6", "h", "80"}, {"h", "--timeout", "5", "80", "-6"}, {"h", "80", "-6", "--timeout=5"}};
    for (const words& w : in_all_places) {
        const arguments a = read(w);
        EXPECT_EQ(a.to, dial::target{"h:80"});
        EXPECT_EQ(a.with.timeout, 5s);
        EXPECT_EQ(a.with.family, dial::address_family::v6);
    }
}

TEST(cli_arguments, set_what_they_say) {
    const arguments a = read(
        {"--json", "--timeout", "1.5s", "--attempt-delay", "10ms", "-4", "--interface", "lo", "--color=never", "h:1"});
    EXPECT_TRUE(a.json);
    EXPECT_EQ(a.with.timeout, 1500ms);
    EXPECT_EQ(a.with.attempt_delay, 10ms);
    EXPECT_EQ(a.with.family, dial::address_family::v4);
    EXPECT_EQ(a.with.socket.interface, dial::interface_name{"lo"});
    EXPECT_EQ(a.colour, colours::never);
    EXPECT_TRUE(read({"--quiet", "h:1"}).quiet);
    EXPECT_EQ(read({"--timeout", "0", "h:1"}).with.timeout, 0s);
}

TEST(cli_arguments, build_the_connector) {
    const arguments plain = read({"h:1"});
    EXPECT_EQ(plain.proxy, "");
    EXPECT_EQ(plain.retries, 0);
    EXPECT_FALSE(plain.tls || plain.insecure);
    const arguments a = read({"--tls", "--proxy", "socks5h://p:1080", "--retry", "3", "h:1"});
    EXPECT_EQ(a.proxy, "socks5h://p:1080");
    EXPECT_EQ(a.retries, 3);
    EXPECT_TRUE(a.tls);
    EXPECT_FALSE(a.insecure);
    EXPECT_EQ(read({"--retry", "3", "unix:/x"}).retries, 3);
}

TEST(cli_arguments, alpn_and_insecure_imply_tls) {
    const arguments a = read({"--alpn", "h2,http/1.1", "h:1"});
    EXPECT_TRUE(a.tls);
    EXPECT_THAT(a.alpn, testing::ElementsAre("h2", "http/1.1"));
    EXPECT_TRUE(read({"--insecure", "h:1"}).tls);
}

TEST(cli_arguments, the_last_of_an_option_counts) {
    EXPECT_EQ(read({"--timeout", "1", "--timeout", "2", "h:1"}).with.timeout, 2s);
}

TEST(cli_arguments, a_source_does_not_swallow_the_target) {
    const arguments a = read({"--source", "127.0.0.1", "--source", "::1", "h", "80"});
    ASSERT_EQ(a.sources.size(), 2u);
    EXPECT_EQ(a.sources[0], boost::asio::ip::make_address("127.0.0.1"));
    EXPECT_EQ(a.sources[1], boost::asio::ip::make_address("::1"));
    EXPECT_EQ(a.to, dial::target{"h:80"});
    EXPECT_EQ(a.with.family, dial::address_family::any);
}

TEST(cli_arguments, sources_of_one_family_leave_the_other_out) {
    EXPECT_EQ(read({"--source", "127.0.0.1", "h:1"}).with.family, dial::address_family::v4);
    EXPECT_EQ(read({"--source", "::1", "h:1"}).with.family, dial::address_family::v6);
    EXPECT_EQ(read({"--source", "::1", "--source", "::1", "-6", "h:1"}).with.family, dial::address_family::v6);
}

TEST(cli_arguments, the_resolver_is_the_systems_unless_dns_is_asked_for) {
    EXPECT_EQ(read({"h:1"}).names, dial::cli::names_from::system);
    EXPECT_EQ(read({"--resolver", "system", "h:1"}).names, dial::cli::names_from::system);
    EXPECT_FALSE(read({"h:1"}).with.https_records);
    EXPECT_TRUE(read({"--https", "h:1"}).with.https_records);
    EXPECT_THAT(flaw({"--resolver", "nis", "h:1"}), HasSubstr("'nis' is none of system, dns"));
    EXPECT_THAT(flaw({"--resolver", "system", "--dns", "127.0.0.1", "h:1"}), HasSubstr("--dns is for --resolver dns"));
    EXPECT_THAT(flaw({"--https", "unix:/x"}), HasSubstr("not for a unix socket"));
#ifdef DIAL_HAS_DNS_RESOLVER
    EXPECT_EQ(read({"--resolver", "dns", "h:1"}).names, dial::cli::names_from::dns);
    const arguments with_servers = read({"--dns", "127.0.0.1", "--dns", "[::1]:5300", "h:1"});
    EXPECT_EQ(with_servers.names, dial::cli::names_from::dns);
    EXPECT_EQ(with_servers.dns_servers, (words{"127.0.0.1", "[::1]:5300"}));
    EXPECT_THAT(flaw({"--dns", "ns.example", "h:1"}), HasSubstr("bad DNS server"));
#else
    EXPECT_THAT(flaw({"--resolver", "dns", "h:1"}), HasSubstr("built without c-ares"));
#endif
}

TEST(cli_arguments, a_service_has_no_port) {
    EXPECT_TRUE(read({"srv:_x._tcp.test"}).to.is_srv());
    EXPECT_THAT(flaw({"srv:_x._tcp.test", "80"}), HasSubstr("the port of a service is in its record"));
}

TEST(cli_arguments, help_and_version_are_information) {
    const auto help = std::get<information>(read_arguments({"--help"})).text;
    for (const char* const option :
        {"--timeout T", "--attempt-delay", "-4", "-6", "--source ADDR", "--interface", "--json", "--quiet", "--color"})
        EXPECT_THAT(help, HasSubstr(option));
    EXPECT_THAT(help, HasSubstr("dial [OPTIONS] HOST [PORT]"));
    EXPECT_THAT(std::get<information>(read_arguments({"--version"})).text, StartsWith("dial "));
    EXPECT_TRUE(std::holds_alternative<information>(read_arguments({"h:1", "--help"})));
}

TEST(cli_arguments, bad_ones_say_what_is_wrong) {
    const struct {
        words line;
        const char* said;
    } table[] = {
        {{}, "no target"},
        {{""}, "bad target \"\": no host"},
        {{"localhost"}, "bad target \"localhost\": no port"},
        {{"localhost", "0"}, "bad port \"0\": port 0"},
        {{"localhost:65536"}, "a port over 65535"},
        {{"https://example.com/"}, "\"://\" as in a URL"},
        {{"::1"}, "more than one ':'"},
        {{"unix:"}, "no path"},
        {{"unix:/x", "80"}, "a unix socket has no port, but '80' is given"},
        {{"a", "1", "c"}, "c"},
        {{"--bogus", "h:1"}, "--bogus"},
        {{"-x", "h:1"}, "-x"},
        {{"h:1", "--timeout"}, "--timeout"},
        {{"h:1", "--timeout", "soon"}, "--timeout: 'soon' is no length of time; write it as 5, 1.5s, 300ms or 2m"},
        {{"h:1", "--timeout", "-5"}, "--timeout: '-5' is no length of time"},
        {{"h:1", "--timeout="}, "--timeout"},
        {{"h:1", "--timeout", ""}, "--timeout: '' is no length of time"},
        {{"h:1", "--interface", ""}, "--interface: no name"},
        {{"h:1", "--color", ""}, "--color: '' is none of"},
        {{"h", ""}, "bad port \"\""},
        {{"h:1", "--attempt-delay", "1d"}, "--attempt-delay: '1d' is no length of time"},
        {{"-4", "-6", "h:1"}, "-4 and -6 exclude each other"},
        {{"-46", "h:1"}, "-4 and -6 exclude each other"},
        {{"--json", "--quiet", "h:1"}, "--json and --quiet exclude each other"},
        {{"h:1", "--source", "eth0"}, "--source: 'eth0' is no IP address"},
        {{"h:1", "--source", ""}, "--source"},
        {{"h:1", "--source", "127.0.0.1:80"}, "--source: '127.0.0.1:80' is no IP address"},
        {{"h:1", "-4", "--source", "::1"}, "--source with an IPv6 address is of no use with -4"},
        {{"h:1", "-6", "--source", "127.0.0.1"}, "--source with an IPv4 address is of no use with -6"},
        {{"unix:/x", "--source", "127.0.0.1"}, "--source is for hosts, not for a unix socket"},
        {{"unix:/x", "-4"}, "-4 is for hosts"},
        {{"unix:/x", "--interface", "lo"}, "--interface is for hosts"},
        {{"h:1", "--interface", "sixteen_letters_"}, "an interface name has at most 15 characters"},
        {{"h:1", "--color", "blue"}, "--color: 'blue' is none of auto, always, never"},
        {{"h:1", "--retry", "-1"}, "--retry: '-1' is no number from 0 to 1000"},
        {{"h:1", "--retry", "1001"}, "--retry: '1001' is no number from 0 to 1000"},
        {{"h:1", "--retry", "2x"}, "--retry: '2x' is no number from 0 to 1000"},
        {{"h:1", "--proxy", ""}, "--proxy: no proxy"},
        {{"unix:/x", "--proxy", "h"}, "--proxy is for hosts, not for a unix socket"},
        {{"unix:/x", "--tls"}, "--tls is for hosts, not for a unix socket"},
        {{"h:1", "--alpn", ""}, "--alpn: write the protocols as h2,http/1.1"},
        {{"h:1", "--alpn", "h2,"}, "--alpn: write the protocols as h2,http/1.1"},
    };
    for (const auto& row : table) EXPECT_THAT(flaw(row.line), HasSubstr(row.said));
}

TEST(cli_arguments, what_is_wrong_fits_on_one_line) {
    const words lines[] = {{"a\nb:1"}, {"--x\ny"}, {"h:1", "extra\n", "extra\n"}, {"h:1", "--timeout", "1\n"},
        {"h:1", "--source", "\x1B[2J"}, {"h:1", "--color", "\n"}, {"unix:/x\n", "80\n"}};
    for (const words& w : lines) {
        EXPECT_THAT(flaw(w), Not(HasSubstr("\n")));
        EXPECT_THAT(flaw(w), Not(HasSubstr("\x1B")));
        EXPECT_NE(flaw(w), "no flaw");
    }
}

}  // namespace
