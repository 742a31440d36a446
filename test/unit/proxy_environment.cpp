// Which proxy the environment wants.
#include <proxy/environment.hpp>

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace dial::proxy {
namespace {

using variables = std::map<std::string, std::string>;

environment made_of(const variables& set) {
    return environment{[&](const char* name) -> const char* {
        const auto found = set.find(name);
        return found != set.end() ? found->second.c_str() : nullptr;
    }};
}

decision decide(const variables& set, const target& to) {
    return made_of(set).decide(to);
}

// Where the proxy is; empty if there is none.
std::string proxy_for(const variables& set, const target& to) {
    const decision made = decide(set, to);
    const auto* url = std::get_if<proxy_url>(&made);
    return url != nullptr ? url->at.to_string() : "";
}

refusal refusal_of(const variables& set, const target& to) {
    const decision made = decide(set, to);
    const auto* refused = std::get_if<refusal>(&made);
    EXPECT_NE(refused, nullptr);
    return refused != nullptr ? *refused : refusal{};
}

bool has(const std::string& text, std::string_view words) {
    return text.find(words) != text.npos;
}

const target example{"example.com:443"};

// --- Which variable ---

TEST(proxy_environment, without_variables_all_is_direct) {
    for (const char* to :
        {"example.com:443", "192.0.2.7:80", "localhost:80", "unix:/run/x", "srv:_xmpp._tcp.example.com"})
        EXPECT_EQ(decide({}, to), decision{direct{}}) << to;
    EXPECT_EQ(decide({{"no_proxy", "example.com"}}, example), decision{direct{}});
}

TEST(proxy_environment, of_the_variables_the_first_of_four_counts) {
    variables set{
        {"https_proxy", "one:1"}, {"HTTPS_PROXY", "two:2"}, {"all_proxy", "three:3"}, {"ALL_PROXY", "four:4"}};
    const std::pair<const char*, const char*> in_order[] = {
        {"https_proxy", "one:1"}, {"HTTPS_PROXY", "two:2"}, {"all_proxy", "three:3"}, {"ALL_PROXY", "four:4"}};
    for (const auto& [name, at] : in_order) {
        EXPECT_EQ(proxy_for(set, example), at);
        set.erase(name);
    }
    EXPECT_EQ(proxy_for(set, example), "");
}

TEST(proxy_environment, a_variable_that_is_empty_counts_as_unset) {
    EXPECT_EQ(proxy_for({{"https_proxy", ""}, {"HTTPS_PROXY", "two:2"}}, example), "two:2");
    EXPECT_EQ(proxy_for({{"https_proxy", ""}, {"HTTPS_PROXY", ""}, {"ALL_PROXY", "four:4"}}, example), "four:4");
    EXPECT_EQ(decide({{"https_proxy", ""}, {"ALL_PROXY", ""}}, example), decision{direct{}});
    EXPECT_EQ(proxy_for({{"ALL_PROXY", "four:4"}, {"no_proxy", ""}, {"NO_PROXY", "*"}}, example), "");
}

TEST(proxy_environment, no_proxy_counts_before_its_upper_case) {
    EXPECT_EQ(proxy_for({{"ALL_PROXY", "p:1"}, {"no_proxy", "other.example"}, {"NO_PROXY", "*"}}, example), "p:1");
    EXPECT_EQ(proxy_for({{"ALL_PROXY", "p:1"}, {"no_proxy", "*"}, {"NO_PROXY", "other.example"}}, example), "");
}

TEST(proxy_environment, the_proxy_of_plain_http_is_not_asked) {
    EXPECT_EQ(decide({{"http_proxy", "one:1"}, {"HTTP_PROXY", "two:2"}}, example), decision{direct{}});
}

TEST(proxy_environment, the_variables_are_read_once) {
    std::vector<std::string> asked;
    const environment around{[&](const char* name) -> const char* {
        asked.emplace_back(name);
        return nullptr;
    }};
    const auto before = asked;
    around.decide(example);
    EXPECT_EQ(asked, before);
    EXPECT_EQ(before,
        (std::vector<std::string>{"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"}));
}

// --- Through it, or not ---

TEST(proxy_environment, the_proxy_comes_with_all_that_its_url_says) {
    EXPECT_EQ(decide({{"HTTPS_PROXY", "socks5h://user:p%40ss@[2001:db8::1]:9050/"}}, example),
        (decision{proxy_url{.kind = proxy_kind::socks5h,
            .at = "[2001:db8::1]:9050",
            .user = "user",
            .password = "p@ss",
            .has_credentials = true}}));
}

TEST(proxy_environment, takes_the_kinds_that_can_carry_names) {
    for (const char* scheme : {"http", "socks4a", "socks5", "socks5h"})
        EXPECT_EQ(proxy_for({{"ALL_PROXY", std::string{scheme} + "://p:1"}}, example), "p:1") << scheme;
}

TEST(proxy_environment, what_no_proxy_lists_is_direct) {
    const variables set{{"ALL_PROXY", "p:1"}, {"NO_PROXY", "example.com, 10.0.0.0/8, other.example:80"}};
    for (const char* to : {"example.com:443", "www.example.com:https", "10.1.2.3:443", "other.example:80"})
        EXPECT_EQ(decide(set, to), decision{direct{}}) << to;
    for (const char* to : {"example.org:443", "11.1.2.3:443", "other.example:443", "other.example:http"})
        EXPECT_EQ(proxy_for(set, to), "p:1") << to;
}

TEST(proxy_environment, loopback_goes_through_the_proxy_unless_it_is_listed) {
    for (const char* to : {"localhost:80", "127.0.0.1:80", "[::1]:80"}) {
        EXPECT_EQ(proxy_for({{"ALL_PROXY", "p:1"}}, to), "p:1") << to;
        EXPECT_EQ(proxy_for({{"ALL_PROXY", "p:1"}, {"NO_PROXY", "localhost,127.0.0.0/8,::1"}}, to), "") << to;
    }
}

TEST(proxy_environment, unix_sockets_are_direct) {
    EXPECT_EQ(decide({{"ALL_PROXY", "p:1"}}, "unix:/run/x"), decision{direct{}});
    EXPECT_EQ(decide({{"ALL_PROXY", "not a URL"}}, "unix:@x"), decision{direct{}});
}

TEST(proxy_environment, no_target_is_left_to_the_dialer) {
    EXPECT_EQ(decide({{"ALL_PROXY", "p:1"}}, target{}), decision{direct{}});
}

TEST(proxy_environment, tells_what_of_no_proxy_is_ignored) {
    EXPECT_EQ(
        made_of({{"NO_PROXY", "192.168.*,example.com"}}).bypass().ignored(), std::vector<std::string>{"192.168.*"});
}

// --- Refusals ---

TEST(proxy_environment, a_variable_that_is_no_url_is_refused_by_its_name) {
    const refusal refused = refusal_of({{"https_proxy", "http://p:hunter2"}}, example);
    EXPECT_EQ(refused.code, error::invalid_option);
    EXPECT_EQ(refused.note, "https_proxy is not the URL of a proxy: its port is no number from 1 to 65535");
}

TEST(proxy_environment, a_variable_that_is_no_url_does_not_give_way_to_the_next) {
    const refusal refused = refusal_of({{"HTTPS_PROXY", "gopher://p:1"}, {"ALL_PROXY", "p:1"}}, example);
    EXPECT_EQ(refused.code, error::invalid_option);
    EXPECT_TRUE(has(refused.note, "HTTPS_PROXY")) << refused.note;
}

TEST(proxy_environment, a_proxy_behind_tls_is_refused_with_what_to_write) {
    const refusal refused = refusal_of({{"HTTPS_PROXY", "https://user:hunter2@p"}}, example);
    EXPECT_EQ(refused.code, error::proxy_unsupported);
    EXPECT_TRUE(has(refused.note, "HTTPS_PROXY")) << refused.note;
    EXPECT_TRUE(has(refused.note, "http_tunnel(tls(...))")) << refused.note;
    EXPECT_FALSE(has(refused.note, "hunter2")) << refused.note;
}

TEST(proxy_environment, a_proxy_that_takes_no_names_is_refused_with_what_to_write) {
    const refusal refused = refusal_of({{"ALL_PROXY", "socks4://user@p"}}, example);
    EXPECT_EQ(refused.code, error::proxy_unsupported);
    EXPECT_TRUE(has(refused.note, "socks4a://")) << refused.note;
}

TEST(proxy_environment, the_hosts_of_a_service_are_refused) {
    const refusal refused = refusal_of({{"ALL_PROXY", "p:1"}}, srv("_xmpp-client._tcp.example.com"));
    EXPECT_EQ(refused.code, error::invalid_target);
    EXPECT_TRUE(has(refused.note, "ALL_PROXY")) << refused.note;
    EXPECT_TRUE(has(refused.note, "SRV")) << refused.note;
}

TEST(proxy_environment, the_hosts_of_a_service_are_direct_where_its_domain_is_listed) {
    const target to = srv("_xmpp-client._tcp.example.com");
    for (const char* list : {"*", "example.com", "*.example.com"})
        EXPECT_EQ(decide({{"ALL_PROXY", "p:1"}, {"NO_PROXY", list}}, to), decision{direct{}}) << list;
    for (const char* list : {"other.example", "example.com:5222"})
        EXPECT_TRUE(std::holds_alternative<refusal>(decide({{"ALL_PROXY", "p:1"}, {"NO_PROXY", list}}, to))) << list;
}

TEST(proxy_environment, what_no_proxy_lists_is_direct_also_past_a_proxy_that_cannot_be_used) {
    for (const char* url : {"https://p", "socks4://p", "not a URL"})
        EXPECT_EQ(decide({{"ALL_PROXY", url}, {"NO_PROXY", "example.com"}}, example), decision{direct{}}) << url;
}

}  // namespace
}  // namespace dial::proxy
