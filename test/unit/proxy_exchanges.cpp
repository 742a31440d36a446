// What the exchanges with proxies promise beyond the scenarios.
#include <proxy/destination.hpp>
#include <proxy/socks4.hpp>
#include <proxy/socks5.hpp>
#include <proxy/tunnel.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <variant>

namespace dial::proxy {
namespace {

using detail::exchange;
using testing::HasSubstr;
using testing::Not;

const destination host{"host.test", {}, 443};

std::string sent_by(exchange& e) {
    std::string all;
    for (;;) {
        const exchange::step next = e.next();
        const auto* const send = std::get_if<exchange::send>(&next);
        if (!send) return all;
        all += send->bytes;
        e.on_sent();
    }
}

error_code error_of(const exchange& e) {
    const exchange::step next = e.next();
    const auto* const fail = std::get_if<exchange::fail>(&next);
    return fail ? fail->error : error_code{};
}

// A reader that cannot peek: how many reads the whole takes.
int reads_for(exchange& e, std::string_view text) {
    int reads = 0;
    for (;;) {
        const exchange::step next = e.next();
        const auto* const receive = std::get_if<exchange::receive>(&next);
        if (!receive || text.empty()) return reads;
        const auto part = text.substr(0, receive->at_least_ours);
        EXPECT_EQ(e.on_received(part), part.size());
        text.remove_prefix(part.size());
        ++reads;
    }
}

std::string with_header_of(std::size_t head_size) {
    const std::string begin = "HTTP/1.1 200 OK\r\nX: ", end = "\r\n\r\n";
    return begin + std::string(head_size - begin.size() - end.size(), 'x') + end;
}

// --- http_tunnel ---

TEST(proxy_tunnel, takes_heads_of_16_kib_and_none_that_are_larger) {
    tunnel_exchange fits{host, {}}, too_large{host, {}};
    sent_by(fits);
    sent_by(too_large);
    EXPECT_EQ(fits.on_received(with_header_of(16384)), 16384u);
    EXPECT_TRUE(std::holds_alternative<exchange::tunnel_is_open>(fits.next()));
    too_large.on_received(with_header_of(16385));
    EXPECT_EQ(error_of(too_large), error::proxy_protocol);
    EXPECT_THAT(too_large.note(), HasSubstr("16384"));
}

TEST(proxy_tunnel, counts_interim_answers_into_the_limit) {
    tunnel_exchange e{host, tunnel_options().max_head(100)};
    sent_by(e);
    for (int i = 0; i != 4 && !error_of(e); ++i) e.on_received("HTTP/1.1 103 Early Hints\r\n\r\n");
    EXPECT_EQ(error_of(e), error::proxy_protocol);
}

TEST(proxy_tunnel, needs_few_reads_without_peeking) {
    tunnel_exchange e{host, {}};
    sent_by(e);
    EXPECT_LE(reads_for(e, "HTTP/1.1 200 Connection established\r\n\r\n"), 12);
    EXPECT_TRUE(std::holds_alternative<exchange::tunnel_is_open>(e.next()));
}

TEST(proxy_tunnel, sends_no_header_that_would_frame_the_request_or_break_it) {
    using header = std::pair<std::string, std::string>;
    for (const auto& [name, value] :
        {header{"Host", "x"}, header{"content-length", "1"}, header{"Transfer-Encoding", "chunked"}, header{"", "x"},
            header{"a b", "x"}, header{"a:", "x"}, header{"a", "x\r\ny: z"}, header{"a", std::string("\0", 1)}}) {
        const tunnel_exchange e{host, tunnel_options().header(name, value)};
        EXPECT_EQ(error_of(e), error::invalid_option) << name;
        EXPECT_NE(e.note(), "");
    }
}

TEST(proxy_tunnel, takes_another_kind_of_authorization_where_there_are_no_credentials) {
    tunnel_exchange bearer{host, tunnel_options().header("Proxy-Authorization", "Bearer t0ken")};
    EXPECT_THAT(sent_by(bearer), HasSubstr("Proxy-Authorization: Bearer t0ken\r\n"));
    const tunnel_exchange both{host, tunnel_options({"u", "p"}).header("proxy-authorization", "Bearer t0ken")};
    EXPECT_EQ(error_of(both), error::invalid_option);
}

TEST(proxy_tunnel, writes_addresses_as_urls_do) {
    tunnel_exchange v6{{"2001:db8::1", boost::asio::ip::make_address("2001:db8::1"), 443}, {}};
    EXPECT_THAT(sent_by(v6), testing::StartsWith("CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n"));
}

TEST(proxy_tunnel, encodes_credentials_of_every_length) {
    for (const auto& [user, text] :
        {std::pair{"a", "YTpw"}, std::pair{"ab", "YWI6cA=="}, std::pair{"abc", "YWJjOnA="}}) {
        tunnel_exchange e{host, tunnel_options({user, "p"})};
        EXPECT_THAT(sent_by(e), HasSubstr(std::string{"Basic "} + text + "\r\n"));
    }
}

TEST(proxy_tunnel, shows_a_reason_that_cannot_move_the_cursor) {
    tunnel_exchange e{host, {}};
    sent_by(e);
    e.on_received("HTTP/1.1 503 \xC3\xA4 no " + std::string(200, 'x') + "\r\n\r\n");
    EXPECT_EQ(error_of(e), (error_code{503, http_category()}));
    EXPECT_LE(e.note().size(), 80u);
    EXPECT_THAT(e.note(), testing::StartsWith("?? no"));
}

// --- SOCKS ---

TEST(proxy_socks5, needs_as_many_reads_as_there_are_messages) {
    socks5_exchange e{host, {}};
    sent_by(e);
    EXPECT_EQ(reads_for(e, std::string{"\5\0", 2}), 1);
    sent_by(e);
    EXPECT_EQ(reads_for(e, std::string{"\5\0\0\1\x7f\0\0\1\0\x50", 10}), 2);  // head, address
    EXPECT_TRUE(std::holds_alternative<exchange::tunnel_is_open>(e.next()));
}

TEST(proxy_socks5, says_what_else_may_be_answering) {
    for (const auto& [text, words] : {std::pair{"HTTP/1.1 400 Bad Request", "is it an http proxy?"},
             std::pair{"SSH-2.0-x", "as SSH"}, std::pair{"<html>", "is it a web server?"},
             std::pair{"\x15\3\1", "as TLS"}, std::pair{"\4\x5b", "as SOCKS4"}}) {
        socks5_exchange e{host, {}};
        sent_by(e);
        e.on_received(text);
        EXPECT_EQ(error_of(e), error::proxy_protocol);
        EXPECT_THAT(e.note(), HasSubstr(words));
    }
}

TEST(proxy_socks5, credentials_are_in_no_note_and_no_detail) {
    const std::string secret = "s3cret-", long_secret = secret + std::string(256, 'x');
    for (const credentials& who :
        {credentials{"user", long_secret}, credentials{long_secret, "p"}, credentials{"user", secret}}) {
        socks5_exchange e{host, who};
        sent_by(e);
        e.on_received(std::string{"\5\2", 2});
        sent_by(e);
        e.on_received(std::string{"\1\1", 2});
        EXPECT_TRUE(error_of(e));
        EXPECT_THAT(e.note(), Not(HasSubstr(secret)));
        for (const phase_detail& each : e.details()) EXPECT_THAT(each.value, Not(HasSubstr(secret)));
    }
}

TEST(proxy_socks4, has_no_word_for_some_addresses) {
    for (const char* const text : {"::1", "0.0.0.0", "0.0.0.7"}) {
        const auto address = boost::asio::ip::make_address(text);
        const socks4_exchange e{{text, address, 80}, "", socks4_names::taken};
        EXPECT_EQ(error_of(e), error::invalid_target) << text;
        EXPECT_NE(e.note(), "");
    }
}

TEST(proxy_exchanges, an_end_that_was_there_stays) {
    tunnel_exchange open{host, {}};
    sent_by(open);
    open.on_received("HTTP/1.1 200 OK\r\n\r\n");
    open.on_end();
    EXPECT_TRUE(std::holds_alternative<exchange::tunnel_is_open>(open.next()));
    socks5_exchange refused{host, {}};
    sent_by(refused);
    refused.on_received(std::string{"\5\0", 2});
    sent_by(refused);
    refused.on_received(std::string{"\5\5", 2});
    refused.on_end();
    EXPECT_EQ(error_of(refused), (error_code{5, socks5_category()}));
}

TEST(proxy_exchanges, a_refusal_that_is_cut_is_a_refusal) {
    socks4_exchange four{host, "", socks4_names::taken};
    sent_by(four);
    four.on_received(std::string{"\0\x5b", 2});
    four.on_end();
    EXPECT_EQ(error_of(four), (error_code{91, socks4_category()}));
    for (const auto& [said, expected] : {std::pair{"HTTP/1.1 403 Forbidden\r\nX: y", error_code{403, http_category()}},
             std::pair{"HTTP/1.1 407 No\r\n", error_code{error::proxy_authentication_required}},
             std::pair{"HTTP/1.1 200 OK\r\nX: y", error_code{error::proxy_closed}},
             std::pair{"HTTP/1.1 403 Forb", error_code{error::proxy_closed}}}) {
        tunnel_exchange e{host, {}};
        sent_by(e);
        e.on_received(said);
        e.on_end();
        EXPECT_EQ(error_of(e), expected) << said;
    }
}

TEST(proxy_exchanges, a_proxy_that_says_the_credentials_again_is_not_quoted) {
    tunnel_exchange http{host, tunnel_options({"user", "s3cret"})};
    sent_by(http);
    http.on_received("HTTP/1.1 403 s3cret dXNlcjpzM2NyZXQ=\r\n\r\n");
    EXPECT_TRUE(error_of(http));
    EXPECT_EQ(http.note(), "");
    socks5_exchange socks{host, {"user", "s3cret"}};
    sent_by(socks);
    socks.on_received(std::string{"\5\0", 2});
    sent_by(socks);
    socks.on_received(std::string{"\5\0\0\3\6s3cret\0\x50", 13});
    EXPECT_TRUE(std::holds_alternative<exchange::tunnel_is_open>(socks.next()));
    EXPECT_TRUE(socks.details().empty());
}

TEST(proxy_exchanges, a_bound_name_cannot_move_the_cursor) {
    socks5_exchange e{host, {}};
    sent_by(e);
    e.on_received(std::string{"\5\0", 2});
    sent_by(e);
    e.on_received(std::string{"\5\0\0\3\4\x1b[2J\0\x50", 11});
    ASSERT_EQ(e.details().size(), 1u);
    EXPECT_EQ(e.details()[0].value, "?[2J:80");
}

TEST(proxy_tunnel, takes_what_an_answer_says_of_the_connection_for_nothing) {
    for (const char* const header : {"Connection: ,;=", "Proxy-Connection: @", "Upgrade: \"", "Content-Length: x"}) {
        tunnel_exchange e{host, {}};
        sent_by(e);
        e.on_received(std::string{"HTTP/1.1 200 OK\r\n"} + header + "\r\n\r\n");
        EXPECT_TRUE(std::holds_alternative<exchange::tunnel_is_open>(e.next())) << header << e.note();
    }
}

TEST(proxy_tunnel, takes_a_status_without_a_space_behind_it) {
    tunnel_exchange e{host, {}};
    sent_by(e);
    e.on_received("HTTP/1.1 200\r\n\r\n");
    EXPECT_TRUE(std::holds_alternative<exchange::tunnel_is_open>(e.next()));
}

TEST(proxy_tunnel, says_if_a_socks_proxy_answers) {
    tunnel_exchange e{host, {}};
    sent_by(e);
    e.on_received(std::string{"\5\xff", 2});
    EXPECT_EQ(error_of(e), error::proxy_protocol);
    EXPECT_THAT(e.note(), HasSubstr("SOCKS5"));
}

// --- What a proxy can be asked for ---

TEST(proxy_destination, is_a_host_and_a_port) {
    std::string why;
    const auto named = destination_of("host.test:443", why);
    ASSERT_TRUE(named);
    EXPECT_EQ(named->host, "host.test");
    EXPECT_EQ(named->port, 443);
    EXPECT_FALSE(named->address);
    const auto literal = destination_of("[2001:db8::1]:80", why);
    ASSERT_TRUE(literal && literal->address);
    EXPECT_EQ(literal->address->to_string(), "2001:db8::1");
}

TEST(proxy_destination, has_the_port_of_a_service) {
    std::string why;
    EXPECT_EQ(destination_of("host.test:https", why)->port, 443);
    EXPECT_EQ(destination_of("host.test:http", why)->port, 80);
    EXPECT_FALSE(destination_of("host.test:no-such-service", why));
    EXPECT_THAT(why, HasSubstr("no-such-service"));
}

TEST(proxy_destination, is_not_everything) {
    for (const target& to : {target{}, target{"unix:/x"}, srv("_x._tcp.host.test"), target{"[fe80::1%1]:80"},
             target{"[fe80::1%eth0]:80"}}) {
        std::string why;
        EXPECT_FALSE(destination_of(to, why)) << to.to_string();
        EXPECT_NE(why, "");
    }
}

}  // namespace
}  // namespace dial::proxy
