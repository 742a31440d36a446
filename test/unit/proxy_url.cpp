// The URL of a proxy as text.
#include <proxy/url.hpp>

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>

namespace dial::proxy {
namespace {

using namespace std::string_view_literals;
using enum proxy_kind;

proxy_url read(std::string_view text) {
    std::string flaw = "left over";
    const std::optional<proxy_url> url = parse_proxy_url(text, flaw);
    EXPECT_TRUE(url) << text << ": " << flaw;
    EXPECT_EQ(flaw, "") << text;
    return url.value_or(proxy_url{});
}

// What is wrong with it.
std::string flaw_of(std::string_view text) {
    std::string flaw;
    EXPECT_FALSE(parse_proxy_url(text, flaw)) << text << " was taken";
    EXPECT_NE(flaw, "") << text;
    return flaw;
}

TEST(proxy_url, has_the_port_of_its_scheme_and_is_http_without_one) {
    constexpr struct {
        std::string_view text;
        proxy_kind kind;
        std::string_view at;
    } table[] = {
        {"proxy.example", http, "proxy.example:80"},
        {"proxy.example:3128", http, "proxy.example:3128"},
        {"http://proxy.example", http, "proxy.example:80"},
        {"https://proxy.example", https, "proxy.example:443"},
        {"socks4://proxy.example", socks4, "proxy.example:1080"},
        {"socks4a://proxy.example", socks4a, "proxy.example:1080"},
        {"socks5://proxy.example", socks5, "proxy.example:1080"},
        {"socks5h://proxy.example", socks5h, "proxy.example:1080"},
        {"socks5h://proxy.example:9050", socks5h, "proxy.example:9050"},
        {"http://proxy.example:", http, "proxy.example:80"},
        {"http://proxy.example:00065535", http, "proxy.example:65535"},
        {"http", http, "http:80"},
        {"localhost:8080", http, "localhost:8080"},
        {"http://proxy.example.:8080", http, "proxy.example.:8080"},
        {"socks5://srv:1080", socks5, "srv:1080"},
    };
    for (const auto& [text, kind, at] : table)
        EXPECT_EQ(read(text), (proxy_url{.kind = kind, .at = target{at}})) << text;
}

TEST(proxy_url, may_end_in_a_slash) {
    EXPECT_EQ(read("http://proxy.example/"), read("http://proxy.example"));
    EXPECT_EQ(read("proxy.example:3128/"), read("proxy.example:3128"));
    EXPECT_EQ(read("[::1]/"), read("[::1]"));
}

TEST(proxy_url, the_case_of_its_scheme_does_not_count) {
    EXPECT_EQ(read("HTTP://proxy.example").kind, http);
    EXPECT_EQ(read("Socks5H://proxy.example").kind, socks5h);
    EXPECT_EQ(read("SOCKS4A://proxy.example").kind, socks4a);
}

TEST(proxy_url, may_be_at_an_address) {
    constexpr struct {
        std::string_view text, at;
    } table[] = {
        {"192.0.2.1", "192.0.2.1:80"},
        {"http://192.0.2.1:3128", "192.0.2.1:3128"},
        {"[2001:DB8::1]", "[2001:db8::1]:80"},
        {"socks5://[2001:db8::1]", "[2001:db8::1]:1080"},
        {"socks5://[2001:db8::1]:", "[2001:db8::1]:1080"},
        {"http://u:p@[2001:db8::1]:3128", "[2001:db8::1]:3128"},
        {"http://[fe80::1%eth0]:3128", "[fe80::1%eth0]:3128"},
        {"http://[fe80::1%25eth0]:3128", "[fe80::1%eth0]:3128"},
        {"http://[fe80::1%2]", "[fe80::1%2]:80"},
        {"http://[fe80::1%252]", "[fe80::1%2]:80"},
        {"http://[fe80::1%25]", "[fe80::1%25]:80"},
        {"http://[fe80::1%2525]", "[fe80::1%25]:80"},
    };
    for (const auto& [text, at] : table) EXPECT_EQ(read(text).at, target{at}) << text;
}

TEST(proxy_url, may_have_credentials) {
    constexpr struct {
        std::string_view text, user, password;
    } table[] = {
        {"http://user:secret@proxy.example:80", "user", "secret"},
        {"user:secret@proxy.example", "user", "secret"},
        {"http://user@proxy.example", "user", ""},
        {"http://user:@proxy.example", "user", ""},
        {"http://:secret@proxy.example", "", "secret"},
        {"http://:@proxy.example", "", ""},
        {"http://user:a:b@proxy.example", "user", "a:b"},
        {"http://user@corp.example:secret@proxy.example", "user@corp.example", "secret"},
        {"http://user:p@ss@proxy.example", "user", "p@ss"},
        {"http://us%3Aer:p%40%2f%3F%23%25@proxy.example", "us:er", "p@/?#%"},
        {"http://user:%20%7e%C3%a9@proxy.example", "user", " ~\xc3\xa9"},
        {"http://user:+\xc3\xa9@proxy.example", "user", "+\xc3\xa9"},
        {"http://user:[x]@proxy.example", "user", "[x]"},
    };
    for (const auto& [text, user, password] : table) {
        const proxy_url url = read(text);
        EXPECT_EQ(url.user, user) << text;
        EXPECT_EQ(url.password, password) << text;
        EXPECT_TRUE(url.has_credentials) << text;
        EXPECT_EQ(url.at.host(), "proxy.example") << text;
    }
}

TEST(proxy_url, with_nothing_before_the_at_sign_has_no_credentials) {
    EXPECT_EQ(read("http://@proxy.example"), read("http://proxy.example"));
}

TEST(proxy_url, that_is_none_has_a_flaw) {
    constexpr struct {
        std::string_view text, flaw;
    } table[] = {
        {"", "it is empty"},
        {" http://proxy.example", "a space or a control character"},
        {"http://proxy.example\r\n", "a space or a control character"},
        {"http://user:pass word@proxy.example", "a space in a password is written as %20"},
        {"http://proxy.example\0"sv, "a space or a control character"},
        {"socks://proxy.example", "http, https, socks4, socks4a, socks5 and socks5h are known"},
        {"ftp://proxy.example", "its scheme is unknown"},
        {"httpx://proxy.example", "its scheme is unknown"},
        {"://proxy.example", "its scheme is unknown"},
        {"http://", "there is no host"},
        {"http://:3128", "there is no host"},
        {"http:///", "there is no host"},
        {"http://user:secret@", "there is no host"},
        {"http://user:secret@:3128", "there is no host"},
        {"http:proxy.example", "its port is no number"},
        {"http://proxy.example:0", "its port is no number from 1 to 65535"},
        {"http://proxy.example:65536", "its port is no number from 1 to 65535"},
        {"http://proxy.example:99999999999999999999", "its port is no number from 1 to 65535"},
        {"http://proxy.example:http", "its port is no number from 1 to 65535"},
        {"http://proxy.example:+80", "its port is no number from 1 to 65535"},
        {"http://proxy.example:-80", "its port is no number from 1 to 65535"},
        {"http://proxy.example:0x50", "its port is no number from 1 to 65535"},
        {"http://::1", "an IPv6 address is written in brackets"},
        {"http://::1:3128", "an IPv6 address is written in brackets"},
        {"http://proxy.example:80:80", "more than one ':'"},
        {"http://[::1", "'[' without its ']'"},
        {"http://[::1]3128", "only ':' and a port may follow ']'"},
        {"http://[]", "no IPv6 address in the brackets"},
        {"http://[192.0.2.1]", "no IPv6 address in the brackets"},
        {"http://[::g]", "no IPv6 address in the brackets"},
        {"http://[fe80::1%]", "no IPv6 address in the brackets"},
        {"http://proxy..example", "neither a name nor an address"},
        {"http://192.0.2", "neither a name nor an address"},
        {"http://pro%78y.example", "neither a name nor an address"},
        {"http://*.example", "neither a name nor an address"},
        {"http://proxy.example/path", "something behind host and port"},
        {"http://proxy.example//", "something behind host and port"},
        {"http://proxy.example?query", "something behind host and port"},
        {"http://proxy.example/#fragment", "something behind host and port"},
        {"//proxy.example", "something behind host and port"},
        {"unix:/run/proxy", "something behind host and port"},
        {"http://user:%@proxy.example", "two hexadecimal digits have to follow '%'"},
        {"http://user:%4@proxy.example", "two hexadecimal digits have to follow '%'"},
        {"http://user:%4g@proxy.example", "two hexadecimal digits have to follow '%'"},
        {"http://%-1:secret@proxy.example", "two hexadecimal digits have to follow '%'"},
        {"http://user:100%@proxy.example", "'%' itself is %25"},
        {"http://user%00:secret@proxy.example", "there is a NUL"},
        {"http://user:%00@proxy.example", "there is a NUL"},
        {"http://user:a/b@proxy.example", "write %2F, %3F or %23"},
        {"http://user:a?b@proxy.example", "write %2F, %3F or %23"},
        {"http://user:a#b@proxy.example", "write %2F, %3F or %23"},
    };
    for (const auto& [text, flaw] : table)
        EXPECT_NE(flaw_of(text).find(flaw), std::string::npos) << testing::PrintToString(text) << ": " << flaw_of(text);
}

TEST(proxy_url, no_flaw_has_credentials_in_it) {
    for (const auto text : {"http://me0:hunter2@"sv, "http://me0:hunter2@[::1"sv, "http://me0:hunter2@host:hunter2"sv,
             "http://me0:hunter2/@host"sv, "http://me0:/hunter2@host"sv, "http://me0:hunter2%@host"sv,
             "http://me0:%hunter2@host"sv, "http://me0:hunter2%00@host"sv, "http://me0:hunter2 @host"sv,
             "http://me0:hunter2"sv, "me0:hunter2"sv, "hunter2://me0@host"sv, "me0:hunter2://host"sv,
             "http://me0:hunter2@host/hunter2"sv, "http://me0:1:hunter2"sv, "http://[me0]hunter2"sv,
             "http://[hunter2]"sv, "http://hunter2..me0"sv}) {
        const std::string flaw = flaw_of(text);
        EXPECT_EQ(flaw.find("hunter2"), std::string::npos) << flaw;
        EXPECT_EQ(flaw.find("me0"), std::string::npos) << flaw;
    }
}

TEST(proxy_url, its_kind_is_named_as_its_scheme) {
    for (const auto kind : {http, https, socks4, socks4a, socks5, socks5h})
        EXPECT_EQ(read(std::string{name_of(kind)} + "://proxy.example").kind, kind);
}

}  // namespace
}  // namespace dial::proxy
