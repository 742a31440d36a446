// What dial::tls promises, against a server in the same process.
#include <dial/limit.hpp>
#include <dial/retry.hpp>
#include <dial/timeout.hpp>
#include <dial/tls.hpp>
#include <support/environment_variable.hpp>
#include <support/loopback.hpp>
#include <support/temporary_directory.hpp>
#include <support/tls_server.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/write.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>
#include <string>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;
using testing::HasSubstr;

std::string fact(const report& story, std::string_view name) {
    for (const report::phase& p : story.phases())
        for (const phase_detail& each : p.details)
            if (each.name == name) return each.value;
    return {};
}

void trust(asio::ssl::context& context, const certificate& authority) {
    const std::string pem = authority.pem();
    context.add_certificate_authority(asio::buffer(pem));
}

class tls : public testing::Test {
protected:
    tls() { trust(context, authority); }

    // Connects, and says something if that has worked.
    template <class Connector>
    error_code connect(const Connector& connector, const std::string& to) {
        error_code result = asio::error::would_block;
        asio::co_spawn(
            io,
            [&]() -> asio::awaitable<void> {
                auto [ec, stream] = co_await connector.connect({to, &story}, asio::as_tuple(asio::deferred));
                result = ec;
                if (!ec) co_await talk(stream);
                was_open = stream.lowest_layer().is_open();
            },
            [](std::exception_ptr failed) {
                if (failed) std::rethrow_exception(failed);
            });
        io.restart();
        io.run();
        return result;
    }

    template <class Stream>
    static asio::awaitable<void> talk(Stream& stream) {
        co_await asio::async_write(stream, asio::buffer("ping", 4), asio::deferred);
        std::string answer(4, '\0');
        co_await asio::async_read(stream, asio::buffer(answer), asio::deferred);
        EXPECT_EQ(answer, "ping");
    }

    dialer through(const tls_server& server) {
        return dialer{io, {},
            static_resolver{
                {{"server.test", {server.endpoint().address()}}, {"other.test", {server.endpoint().address()}}}}};
    }

    asio::io_context io;
    const certificate authority = make_authority("dial test CA");
    asio::ssl::context context{asio::ssl::context::tls_client};
    report story;
    bool was_open = false;
};

TEST_F(tls, connects_to_the_server_that_its_certificate_names) {
    tls_server server{issue(authority, {})};
    EXPECT_EQ(connect(dial::tls(through(server), context), server.target("server.test")), error_code{});
    EXPECT_TRUE(was_open);
    EXPECT_EQ(server.last_server_name(), "server.test");
    EXPECT_EQ(fact(story, "protocol"), "TLSv1.3");
    EXPECT_EQ(fact(story, "subject"), "CN=server.test");
    EXPECT_EQ(fact(story, "issuer"), "CN=dial test CA");
    EXPECT_EQ(fact(story, "resumed"), "no");
    ASSERT_FALSE(story.phases().empty());
    EXPECT_EQ(story.phases().back().name, "tls");
    EXPECT_EQ(story.phases().back().how, dial::outcome::done);
}

TEST_F(tls, a_dot_at_the_end_of_the_name_is_not_part_of_it) {
    tls_server server{issue(authority, {})};
    const dialer d{io, {}, static_resolver{{{"server.test.", {server.endpoint().address()}}}}};
    EXPECT_EQ(connect(dial::tls(d, context), server.target("server.test.")), error_code{});
    EXPECT_EQ(server.last_server_name(), "server.test");
}

TEST_F(tls, an_address_has_to_be_in_the_certificate_and_is_not_sent) {
    tls_server server{issue(authority, {.names = {}, .addresses = {"127.0.0.1"}})};
    EXPECT_EQ(connect(dial::tls(through(server), context), server.target("127.0.0.1")), error_code{});
    EXPECT_EQ(server.last_server_name(), "");
}

TEST_F(tls, an_ipv6_address_is_verified_as_one) {
    tls_server server{issue(authority, {.names = {}, .addresses = {"::1"}}), {}, "::1"};
    EXPECT_EQ(connect(dial::tls(dialer{io}, context), server.target("[::1]")), error_code{});
    tls_server wrong{issue(authority, {.names = {"::1"}, .addresses = {"::2"}}), {}, "::1"};
    EXPECT_TRUE(connect(dial::tls(dialer{io}, context), wrong.target("[::1]")));
    EXPECT_EQ(fact(story, "reason"), "IP address mismatch");
}

TEST_F(tls, server_name_is_who_the_server_has_to_be) {
    tls_server server{issue(authority, {})};
    const auto named = dial::tls(through(server), context, tls_options().server_name("server.test"));
    EXPECT_EQ(connect(named, server.target("127.0.0.1")), error_code{});
    EXPECT_EQ(server.last_server_name(), "server.test");
    EXPECT_TRUE(connect(
        dial::tls(through(server), context, tls_options().server_name("else.test")), server.target("server.test")));
}

TEST_F(tls, offers_protocols_and_tells_which_was_chosen) {
    tls_server server{issue(authority, {}), [](asio::ssl::context& c) {
                          ::SSL_CTX_set_alpn_select_cb(
                              c.native_handle(),
                              [](SSL*, const unsigned char** out, unsigned char* size, const unsigned char* in,
                                  unsigned in_size, void*) {
                                  static constexpr unsigned char own[] = "\x08http/1.1";
                                  return ::SSL_select_next_proto(const_cast<unsigned char**>(out), size, own, 9, in,
                                             in_size) == OPENSSL_NPN_NEGOTIATED
                                      ? SSL_TLSEXT_ERR_OK
                                      : SSL_TLSEXT_ERR_NOACK;
                              },
                              nullptr);
                      }};
    const auto connector = dial::tls(through(server), context, tls_options().alpn("h2", "http/1.1"));
    EXPECT_EQ(connect(connector, server.target("server.test")), error_code{});
    EXPECT_EQ(fact(story, "alpn"), "http/1.1");
}

TEST_F(tls, a_protocol_that_cannot_be_offered_is_an_invalid_option) {
    tls_server server{issue(authority, {})};
    for (const std::string& name : {std::string{}, std::string(256, 'x')}) {
        EXPECT_EQ(connect(dial::tls(through(server), context, tls_options().alpn(name)), server.target("server.test")),
            error::invalid_option);
        EXPECT_THAT(story.failed_phase()->note, HasSubstr("1 to 255 bytes"));
    }
    EXPECT_EQ(server.accepted, 0);
}

TEST_F(tls, resumes_sessions_with_the_next_connect_to_the_target) {
    tls_server server{issue(authority, {})};
    const auto connector = dial::tls(through(server), context);
    for (int i = 0; i != 3; ++i) {
        EXPECT_EQ(connect(connector, server.target("server.test")), error_code{});
        EXPECT_EQ(fact(story, "resumed"), i == 0 ? "no" : "yes");
        EXPECT_EQ(fact(story, "subject"), "CN=server.test");
    }
    EXPECT_EQ(server.resumed, 2);
    // Another target has sessions of its own, and another layer a cache of its own.
    EXPECT_TRUE(connect(connector, server.target("other.test")));
    EXPECT_EQ(connect(dial::tls(through(server), context), server.target("server.test")), error_code{});
    EXPECT_EQ(fact(story, "resumed"), "no");
}

TEST_F(tls, resumes_sessions_of_tls_1_2) {
    tls_server server{issue(authority, {}),
        [](asio::ssl::context& c) { ::SSL_CTX_set_max_proto_version(c.native_handle(), TLS1_2_VERSION); }};
    const auto connector = dial::tls(through(server), context);
    for (int i = 0; i != 3; ++i) {
        EXPECT_EQ(connect(connector, server.target("server.test")), error_code{});
        EXPECT_EQ(fact(story, "resumed"), i == 0 ? "no" : "yes");
        EXPECT_EQ(fact(story, "protocol"), "TLSv1.2");
    }
}

TEST_F(tls, a_handshake_that_failed_with_a_session_is_not_tried_with_it_again) {
    tls_server server{issue(authority, {}),
        [](asio::ssl::context& c) { ::SSL_CTX_set_max_proto_version(c.native_handle(), TLS1_2_VERSION); }};
    const auto connector = dial::tls(through(server), context);
    EXPECT_EQ(connect(connector, server.target("server.test")), error_code{});
    server.cut_after(3, tls_server::then::close);
    EXPECT_TRUE(connect(connector, server.target("server.test")));
    server.cut_after(static_cast<std::size_t>(-1), tls_server::then::stall);
    EXPECT_EQ(connect(connector, server.target("server.test")), error_code{});
    EXPECT_EQ(fact(story, "resumed"), "no");
}

TEST_F(tls, without_session_hosts_nothing_is_resumed) {
    tls_server server{issue(authority, {})};
    const auto connector = dial::tls(through(server), context, tls_options().session_hosts(0));
    for (int i = 0; i != 2; ++i) EXPECT_EQ(connect(connector, server.target("server.test")), error_code{});
    EXPECT_EQ(server.resumed, 0);
}

TEST_F(tls, a_callback_for_sessions_that_the_context_has_stays) {
    static int called = 0;
    ::SSL_CTX_set_session_cache_mode(context.native_handle(), SSL_SESS_CACHE_CLIENT);
    ::SSL_CTX_sess_set_new_cb(context.native_handle(), [](SSL*, SSL_SESSION*) { return ++called, 0; });
    tls_server server{issue(authority, {})};
    const auto connector = dial::tls(through(server), context);
    for (int i = 0; i != 2; ++i) EXPECT_EQ(connect(connector, server.target("server.test")), error_code{});
    EXPECT_GT(called, 0);
    EXPECT_EQ(server.resumed, 0);
}

TEST_F(tls, client_certificates_come_from_the_context) {
    tls_server server{issue(authority, {}), [&](asio::ssl::context& c) {
                          trust(c, authority);
                          c.set_verify_mode(asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert);
                          ::SSL_CTX_set_max_proto_version(
                              c.native_handle(), TLS1_2_VERSION);  // which tells before the handshake is over
                      }};
    EXPECT_TRUE(connect(dial::tls(through(server), context), server.target("server.test")));
    const certificate client = issue(authority, {.common_name = "client"});
    ::SSL_CTX_use_certificate(context.native_handle(), client.x509());
    ::SSL_CTX_use_PrivateKey(context.native_handle(), client.key());
    EXPECT_EQ(connect(dial::tls(through(server), context), server.target("server.test")), error_code{});
}

TEST_F(tls, the_callers_context_may_go_away) {
    tls_server server{issue(authority, {})};
    auto own = std::make_unique<asio::ssl::context>(asio::ssl::context::tls_client);
    trust(*own, authority);
    const auto connector = dial::tls(through(server), *own);
    own.reset();
    EXPECT_EQ(connect(connector, server.target("server.test")), error_code{});
}

TEST_F(tls, a_context_that_is_moved_in_is_kept_with_its_callbacks) {
    tls_server server{issue(authority, {})};
    int asked = 0;
    asio::ssl::context own{asio::ssl::context::tls_client};
    trust(own, authority);
    own.set_verify_mode(asio::ssl::verify_peer);
    own.set_verify_callback([&](bool ok, asio::ssl::verify_context&) { return ++asked, ok; });
    const auto connector = dial::tls(through(server), std::move(own));
    EXPECT_EQ(connect(connector, server.target("server.test")), error_code{});
    EXPECT_GT(asked, 0);
}

TEST_F(tls, a_verify_callback_of_the_context_decides) {
    tls_server server{issue(authority, {})};
    context.set_verify_mode(asio::ssl::verify_peer);
    context.set_verify_callback([](bool, asio::ssl::verify_context&) { return false; });
    EXPECT_TRUE(connect(dial::tls(through(server), context), server.target("server.test")));
    EXPECT_EQ(fact(story, "reason"), "not accepted by the program");
}

TEST_F(tls, without_a_context_the_systems_certificates_are_trusted) {
    tls_server server{issue(authority, {})};
    const temporary_directory files;
    const environment_variable system{"SSL_CERT_FILE", files.write("ca.pem", authority.pem())};
    EXPECT_EQ(connect(dial::tls(through(server)), server.target("server.test")), error_code{});
    asio::ssl::context empty{asio::ssl::context::tls_client};
    EXPECT_EQ(connect(dial::tls(through(server), empty), server.target("server.test")), error_code{});
    asio::ssl::context distrustful{asio::ssl::context::tls_client};
    EXPECT_TRUE(connect(
        dial::tls(through(server), distrustful, tls_options().system_trust(false)), server.target("server.test")));
}

TEST_F(tls, a_context_with_certificates_of_its_own_trusts_nobody_else) {
    const certificate another = make_authority("another CA");
    tls_server server{issue(another, {})};
    const temporary_directory files;
    const environment_variable system{"SSL_CERT_FILE", files.write("ca.pem", another.pem())};
    EXPECT_TRUE(connect(dial::tls(through(server), context), server.target("server.test")));
}

TEST_F(tls, works_over_unix_sockets_with_a_server_name) {
    const auto connector = dial::tls(local_dialer{io}, context);
    error_code result;
    connector.connect({"unix:/nothing/there", &story}, [&](error_code ec, auto&&) { result = ec; });
    io.run();
    EXPECT_EQ(result, error::invalid_target);
    EXPECT_THAT(story.failed_phase()->note, HasSubstr("server_name"));
}

TEST_F(tls, unconnected_is_a_stream_that_is_closed) {
    const auto stream = dial::tls(dialer{io}, context).unconnected();
    EXPECT_FALSE(stream.lowest_layer().is_open());
}

TEST_F(tls, a_write_to_a_server_that_is_gone_is_an_error_and_no_signal) {
    tls_server server{issue(authority, {})};
    ASSERT_NE(std::signal(SIGPIPE, SIG_DFL), SIG_ERR);
    asio::co_spawn(
        io,
        [&]() -> asio::awaitable<void> {
            const auto connector = dial::tls(through(server), context);
            auto stream = co_await connector.connect(server.target("server.test"));
            server.cut_after(0, tls_server::then::reset);
            error_code ec;
            for (int i = 0; i != 1000 && !ec; ++i) {
                auto [failed, size] =
                    co_await asio::async_write(stream, asio::buffer("ping", 4), asio::as_tuple(asio::deferred));
                ec = failed;
            }
            EXPECT_TRUE(ec);
        },
        [](std::exception_ptr failed) {
            if (failed) std::rethrow_exception(failed);
        });
    io.run();
}

// --- The race, won after the handshake ---

class tls_race : public tls {
protected:
    // Both at one port: the first address accepts, and says nothing.
    std::string start(const std::string& name) {
        const auto port = server.endpoint().port();
        silent.emplace(io, tcp::endpoint{asio::ip::make_address("127.0.0.2"), port});
        names = static_resolver{{{name, {asio::ip::make_address("127.0.0.2"), asio::ip::make_address("127.0.0.1")}}}};
        return name + ":" + std::to_string(port);
    }
    dialer racing() { return dialer{io, {.attempt_delay = 20ms}, names}; }

    tls_server server{issue(authority, {})};
    std::optional<tcp::acceptor> silent;
    resolver names;
};

TEST_F(tls_race, is_won_by_the_first_that_has_shaken_hands) {
    const std::string to = start("server.test");
    EXPECT_EQ(connect(dial::tls(racing(), context, tls_options().race_handshake(true)), to), error_code{});
    ASSERT_TRUE(story.winner());
    EXPECT_EQ(story.winner()->peer, server.endpoint());
    ASSERT_EQ(story.attempts().size(), 2u);
    EXPECT_EQ(story.attempts()[0].how, dial::outcome::another_won);
    EXPECT_EQ(fact(story, "protocol"), "TLSv1.3");
}

TEST_F(tls_race, goes_through_limits_and_retries) {
    const std::string to = start("server.test");
    const auto connector = dial::tls(
        dial::timeout(dial::retry(dial::limit(racing(), 2)), 10s), context, tls_options().race_handshake(true));
    EXPECT_EQ(connect(connector, to), error_code{});
    EXPECT_EQ(story.winner()->peer, server.endpoint());
}

TEST_F(tls_race, a_handshake_that_fails_lets_the_next_address_start_at_once) {
    const certificate stranger = self_signed({});
    tls_server other{stranger, {}, "127.0.0.3"};
    const resolver both =
        static_resolver{{{"server.test", {asio::ip::make_address("127.0.0.3"), asio::ip::make_address("127.0.0.4")}}}};
    const auto connector =
        dial::tls(dialer{io, {.attempt_delay = 60s}, both}, context, tls_options().race_handshake(true));
    EXPECT_TRUE(connect(connector, other.target("server.test")));
    ASSERT_EQ(story.attempts().size(), 2u);
    EXPECT_EQ(story.attempts()[0].how, dial::outcome::failed);
    EXPECT_THAT(story.attempts()[0].note, HasSubstr("self-signed certificate"));
    EXPECT_EQ(story.attempts()[1].error, asio::error::connection_refused);
    EXPECT_LT(story.total(), 30s);
}

TEST_F(tls_race, ends_at_the_deadline) {
    const std::string to = start("server.test");
    names =
        static_resolver{{{"server.test", {asio::ip::make_address("127.0.0.2"), asio::ip::make_address("127.0.0.2")}}}};
    const auto connector = dial::timeout(dial::tls(racing(), context, tls_options().race_handshake(true)), 100ms);
    EXPECT_EQ(connect(connector, to), error::timeout);
    EXPECT_FALSE(was_open);
    EXPECT_LT(story.total(), 30s);
}

TEST_F(tls_race, can_be_cancelled) {
    const std::string to = start("server.test");
    names = static_resolver{{{"server.test", {asio::ip::make_address("127.0.0.2")}}}};
    const auto connector = dial::tls(racing(), context, tls_options().race_handshake(true));
    asio::cancellation_signal signal;
    error_code result;
    connector.connect(to, asio::bind_cancellation_slot(signal.slot(), [&](error_code ec, auto&&) { result = ec; }));
    const tcp::socket peer = silent->accept();  // it is connected, or about to be
    for (int i = 0; i != 20; ++i) io.poll();
    signal.emit(asio::cancellation_type::terminal);
    io.run();
    EXPECT_EQ(result, asio::error::operation_aborted);
}

}  // namespace
}  // namespace dial::test
