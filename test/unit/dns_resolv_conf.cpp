// resolv.conf as text, and the addresses of servers.
#include <dial/dns_resolver.hpp>
#include <dns/resolv_conf.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace dial::dns {
namespace {

using namespace std::chrono_literals;
using namespace std::string_view_literals;
using strings = std::vector<std::string>;

configuration read(std::string_view text, const surroundings& around = {}) {
    return read_resolv_conf(text, around);
}

// --- resolv.conf ---

TEST(dns_resolv_conf, that_is_empty_means_the_server_of_this_machine) {
    for (const auto text : {""sv, "\n\n"sv, "# nothing\n"sv, "\0\0"sv})
        EXPECT_EQ(read(text), (configuration{.servers = {"127.0.0.1:53"}, .search = {}}))
            << testing::PrintToString(text);
}

TEST(dns_resolv_conf, says_all_there_is_to_say) {
    constexpr auto text =
        "; generated\n"
        "nameserver 192.0.2.53\n"
        "nameserver\t2001:db8::53\n"
        "search one.example two.example\n"
        "options edns0 ndots:2 timeout:3 attempts:4 rotate trust-ad\n"
        "sortlist 10.0.0.0\n"sv;
    EXPECT_EQ(read(text),
        (configuration{.servers = {"192.0.2.53:53", "[2001:db8::53]:53"},
            .search = {"one.example", "two.example"},
            .ndots = 2,
            .timeout = 3s,
            .tries = 4,
            .rotate = true}));
}

TEST(dns_resolv_conf, the_first_three_servers_count) {
    EXPECT_EQ(read("nameserver 10.0.0.1\nnameserver x\nnameserver 10.0.0.2\nnameserver 10.0.0.3\nnameserver 10.0.0.4\n")
                  .servers,
        (strings{"10.0.0.1:53", "10.0.0.2:53", "10.0.0.3:53"}));
}

TEST(dns_resolv_conf, a_server_may_have_a_zone_and_a_port) {
    EXPECT_EQ(read("nameserver fe80::1%eth0\nnameserver 127.0.0.1:5300\nnameserver [::1]:5300").servers,
        (strings{"[fe80::1%eth0]:53", "127.0.0.1:5300", "[::1]:5300"}));
}

TEST(dns_resolv_conf, a_line_that_is_not_as_it_should_be_is_passed_over) {
    for (const auto line : {"nameserver"sv, "nameserver "sv, "nameserver dns.example"sv, "nameserver 10.0.0"sv,
             "nameserver 10.0.0.256"sv, "nameserver fe80::1%"sv, " nameserver 10.0.0.1"sv, "\tnameserver 10.0.0.1"sv,
             "nameservers 10.0.0.1"sv, "nameserver=10.0.0.1"sv, "NAMESERVER 10.0.0.1"sv, "# nameserver 10.0.0.1"sv,
             ";nameserver 10.0.0.1"sv, "search"sv, "search \t"sv, "domain"sv, "search # one.example"sv, "options"sv,
             "server 10.0.0.1"sv, "nameserver 10.0.0.1:http"sv, "\0nameserver 10.0.0.1"sv})
        EXPECT_EQ(read(line), read("")) << testing::PrintToString(line);
}

TEST(dns_resolv_conf, what_follows_a_server_or_the_domain_does_not_count) {
    EXPECT_EQ(read("nameserver 10.0.0.1 10.0.0.2 # both").servers, strings{"10.0.0.1:53"});
    EXPECT_EQ(read("nameserver 10.0.0.1\r\n").servers, strings{"10.0.0.1:53"});
    EXPECT_EQ(read("domain one.example two.example").search, strings{"one.example"});
}

TEST(dns_resolv_conf, of_search_and_domain_the_last_line_counts) {
    EXPECT_EQ(read("search a b\nsearch c d\n").search, (strings{"c", "d"}));
    EXPECT_EQ(read("search a b\ndomain c\n").search, strings{"c"});
    EXPECT_EQ(read("domain a\nsearch b c\n").search, (strings{"b", "c"}));
    EXPECT_EQ(read("search a b\nsearch\n").search, (strings{"a", "b"})) << "an empty one says nothing";
}

TEST(dns_resolv_conf, there_may_be_any_number_of_domains) {
    EXPECT_EQ(
        read("search  a\tb c d e f g . \t# the end\r\n").search, (strings{"a", "b", "c", "d", "e", "f", "g", "."}));
}

TEST(dns_resolv_conf, options_are_bounded) {
    constexpr struct {
        std::string_view text;
        int ndots, timeout, tries;
    } table[] = {
        {"ndots:0 timeout:1 attempts:1", 0, 1, 1},
        {"ndots:15 timeout:30 attempts:5", 15, 30, 5},
        {"ndots:16 timeout:31 attempts:6", 15, 30, 5},
        {"ndots:99999999999 timeout:99999999999 attempts:99999999999", 15, 30, 5},
        {"ndots:-1 timeout:-1 attempts:-1", 0, 1, 1},
        {"ndots:-99999999999 timeout:-99999999999 attempts:-99999999999", 0, 1, 1},
        {"ndots:0 timeout:0 attempts:0", 0, 1, 1},
        {"ndots:2x timeout:2.5 attempts:2,", 2, 2, 2},
        {"ndots:1 ndots:2 timeout:1 timeout:2 attempts:1 attempts:2", 2, 2, 2},
        {"ndots:2 ndots: timeout:2 timeout:x attempts:2 attempts:\t", 2, 2, 2},
        {"ndots:2 # timeout:2\toptions attempts:2", 2, 2, 2},
    };
    for (const auto& [text, ndots, timeout, tries] : table) {
        const configuration c = read("options " + std::string{text});
        EXPECT_EQ(c.ndots, ndots) << text;
        EXPECT_EQ(c.timeout, std::chrono::seconds{timeout}) << text;
        EXPECT_EQ(c.tries, tries) << text;
        EXPECT_FALSE(c.rotate) << text;
    }
}

TEST(dns_resolv_conf, several_lines_of_options_are_one) {
    const configuration c = read("options ndots:3 rotate\noptions timeout:4\n");
    EXPECT_EQ(c.ndots, 3);
    EXPECT_EQ(c.timeout, 4s);
    EXPECT_EQ(c.tries, std::nullopt);
    EXPECT_TRUE(c.rotate);
}

TEST(dns_resolv_conf, without_domains_that_of_the_host_name_is_searched) {
    EXPECT_EQ(read("", {.host_name = "web1.berlin.example"}).search, strings{"berlin.example"});
    EXPECT_EQ(read("search", {.host_name = "web1.example"}).search, strings{"example"});
    EXPECT_EQ(read("search other", {.host_name = "web1.example"}).search, strings{"other"});
    for (const char* name : {"web1", "web1.", ""}) EXPECT_EQ(read("", {.host_name = name}).search, strings{}) << name;
}

TEST(dns_resolv_conf, localdomain_overrides_the_domains) {
    constexpr auto text = "search a b\n"sv;
    EXPECT_EQ(read(text, {.localdomain = "one two\tthree"}).search, (strings{"one", "two", "three"}));
    EXPECT_EQ(read(text, {.localdomain = "one\ntwo"}).search, strings{"one"});
    EXPECT_EQ(read(text, {.host_name = "web1.example", .localdomain = ""}).search, strings{}) << "no search at all";
}

TEST(dns_resolv_conf, res_options_overrides_options_one_by_one) {
    const configuration c = read("options ndots:3 timeout:4\n", {.res_options = "ndots:5 rotate"});
    EXPECT_EQ(c.ndots, 5);
    EXPECT_EQ(c.timeout, 4s);
    EXPECT_TRUE(c.rotate);
}

TEST(dns_resolv_conf, that_is_huge_is_read_quickly) {
    std::string text;
    for (int i = 0; i != 100'000; ++i) text += "nameserver 10.0.0.1\nsearch one.example\noptions ndots:2\nbad\n";
    text += "search " + std::string(1'000'000, 'x') + "\nsearch last";
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(read(text).search, strings{"last"});
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
}

// --- Servers ---

TEST(dns_server_address, has_one_form_with_its_port) {
    constexpr struct {
        std::string_view text, form;
    } table[] = {
        {"192.0.2.53", "192.0.2.53:53"},
        {"192.0.2.53:5300", "192.0.2.53:5300"},
        {"2001:db8::53", "[2001:db8::53]:53"},
        {"2001:DB8:0::53", "[2001:db8::53]:53"},
        {"[2001:db8::53]", "[2001:db8::53]:53"},
        {"[2001:db8::53]:5300", "[2001:db8::53]:5300"},
        {"2001:db8::53:5300", "[2001:db8::53:5300]:53"},
        {"::1", "[::1]:53"},
        {"fe80::1%eth0", "[fe80::1%eth0]:53"},
        {"[fe80::1%eth0]:5353", "[fe80::1%eth0]:5353"},
        {"[fe80::1%eth0]", "[fe80::1%eth0]:53"},
        {"fe80::1%2", "[fe80::1%2]:53"},
    };
    for (const auto& [text, form] : table) {
        EXPECT_EQ(server_address(text), form);
        EXPECT_EQ(server_address(form), form);
        EXPECT_EQ(dns_options{}.server(text).servers(), strings{std::string{form}});
    }
}

TEST(dns_server_address, that_is_none_is_refused_with_what_is_wrong) {
    constexpr struct {
        std::string_view text, flaw;
    } table[] = {
        {"", "no host at position 0"},
        {"dns.example", "no IP address at position 0; write it as 192.0.2.53"},
        {"dns.example:53", "no IP address at position 0"},
        {"unix:53", "no IP address at position 0"},
        {"unix", "begins the path of a unix socket"},
        {"192.0.2", "reads as a number, but is no IPv4 address at position 0"},
        {"192.0.2.256:53", "reads as a number, but is no IPv4 address at position 0"},
        {"192.0.2.53:", "no port at position 11"},
        {"192.0.2.53:0", "port 0 at position 11"},
        {"192.0.2.53:65536", "port over 65535 at position 11"},
        {"192.0.2.53:domain", "a service where a port has to be at position 11"},
        {"[::1]:domain", "a service where a port has to be at position 6"},
        {"192.0.2.53 ", "a space at position 10"},
        {" 192.0.2.53", "a space at position 0"},
        {"192.0.2.53\0"sv, "a NUL at position 10"},
        {"[2001:db8::53", "'[' without its ']' at position 0"},
        {"[2001:db8::53]5300", "'5' after the bracket at position 14"},
        {"[192.0.2.53]:53", "no IPv6 address at position 1"},
        {"2001:db8::g", "no IPv6 address at position 0"},
        {"fe80::1%", "no zone after '%' at position 8"},
        {"udp://192.0.2.53", "\"://\" as in a URL at position 3"},
    };
    for (const auto& [text, flaw] : table) {
        dns_options options;
        try {
            options.server(text);
            ADD_FAILURE() << text << " was taken";
        } catch (const std::invalid_argument& e) {
            EXPECT_NE(std::string_view{e.what()}.find(flaw), std::string_view::npos) << e.what();
        }
        EXPECT_EQ(options.servers(), strings{});
    }
}

}  // namespace
}  // namespace dial::dns
