// Servers that are not who they should be, or do not shake hands as they should.
#include <dial/timeout.hpp>
#include <dial/tls.hpp>
#include <support/loopback.hpp>
#include <support/tls_server.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/steady_timer.hpp>

#include <openssl/pem.h>

#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;
using testing::HasSubstr;

class tls_failures : public testing::Test {
protected:
    tls_failures() {
        const std::string pem = authority.pem();
        context.add_certificate_authority(asio::buffer(pem));
    }

    connector<tls_stream> to(const tls_server& server, duration limit = 20s) {
        const dialer d{io, {}, static_resolver{{{"server.test", {server.endpoint().address()}}}}};
        return dial::timeout(dial::tls(d, context), limit);
    }

    error_code connect(const connector<tls_stream>& from, const std::string& where) {
        error_code result;
        int calls = 0;
        from.connect({where, &story}, [&](error_code ec, const tls_stream& stream) {
            ++calls;
            result = ec;
            EXPECT_EQ(stream.lowest_layer().is_open(), !ec);
        });
        io.restart();
        io.run();
        EXPECT_EQ(calls, 1);
        return result;
    }

    // Not accepted, for this reason; the report says who it was and why, the error that it was OpenSSL.
    void expect_refused(const certificate& own, const std::string& reason, const std::string& host = "server.test") {
        tls_server server{own};
        const error_code ec = connect(to(server), server.target(host));
        EXPECT_EQ(&ec.category(), &asio::error::get_ssl_category()) << ec.message();
        EXPECT_THAT(ec.message(), HasSubstr("certificate verify failed"));
        const report::phase* const failed = story.failed_phase();
        ASSERT_TRUE(failed);
        EXPECT_EQ(failed->name, "tls");
        EXPECT_EQ(failed->error, ec);
        EXPECT_THAT(failed->note, HasSubstr(reason));
        ASSERT_EQ(failed->details.size(), 3u);
        EXPECT_EQ(failed->details[0].name, "subject");
        EXPECT_EQ(failed->details[1].name, "issuer");
        EXPECT_EQ(failed->details[2].name, "reason");
        EXPECT_THAT(failed->details[2].value, HasSubstr(reason));
        EXPECT_THAT(story.to_string(1000), HasSubstr(reason));
        EXPECT_EQ(server.shaken, 0);
    }

    asio::io_context io;
    const certificate authority = make_authority("dial test CA");
    asio::ssl::context context{asio::ssl::context::tls_client};
    report story;
};

TEST_F(tls_failures, an_expired_certificate) {
    expect_refused(issue(authority, {.not_before = -7200, .not_after = -3600}), "certificate has expired");
}

TEST_F(tls_failures, a_certificate_that_is_not_valid_yet) {
    expect_refused(issue(authority, {.not_before = 3600, .not_after = 7200}), "certificate is not yet valid");
}

TEST_F(tls_failures, a_certificate_for_another_name) {
    expect_refused(issue(authority, {.common_name = "server.test", .names = {"other.test"}}), "hostname mismatch");
}

TEST_F(tls_failures, a_certificate_for_another_address) {
    expect_refused(issue(authority, {.addresses = {"127.0.0.2"}}), "IP address mismatch", "127.0.0.1");
}

TEST_F(tls_failures, a_name_that_looks_like_the_address) {
    expect_refused(issue(authority, {.names = {"127.0.0.1"}}), "IP address mismatch", "127.0.0.1");
}

TEST_F(tls_failures, a_self_signed_certificate) {
    expect_refused(self_signed({}), "self-signed certificate");
}

TEST_F(tls_failures, a_certificate_of_an_unknown_issuer) {
    expect_refused(issue(make_authority("nobody's CA"), {}), "unable to get local issuer certificate");
}

TEST_F(tls_failures, a_partial_wildcard) {
    expect_refused(issue(authority, {.names = {"s*.test"}}), "hostname mismatch");
}

TEST_F(tls_failures, a_certificate_that_was_revoked) {
    const certificate own = issue(authority, {}), good = issue(authority, {});
    const std::string list = revocation_list(authority, {own});
    const std::unique_ptr<BIO, decltype(&::BIO_free)> in{
        ::BIO_new_mem_buf(list.data(), static_cast<int>(list.size())), &::BIO_free};
    X509_CRL* const crl = ::PEM_read_bio_X509_CRL(in.get(), nullptr, nullptr, nullptr);
    X509_STORE* const store = ::SSL_CTX_get_cert_store(context.native_handle());
    ::X509_STORE_add_crl(store, crl);
    ::X509_CRL_free(crl);
    ::X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
    expect_refused(own, "certificate revoked");
    tls_server server{good};
    EXPECT_EQ(connect(to(server), server.target("server.test")), error_code{});
}

TEST_F(tls_failures, verify_peer_takes_any_certificate_if_it_is_off) {
    tls_server server{self_signed({.names = {"other.test"}, .not_before = -7200, .not_after = -3600})};
    const auto careless = dial::tls(dialer{io}, context, tls_options().verify_peer(false));
    EXPECT_EQ(connect(careless, server.target("127.0.0.1")), error_code{});
}

TEST_F(tls_failures, a_server_that_speaks_tls_1_0_only) {
    tls_server server{issue(authority, {}), [](asio::ssl::context& c) {
                          ::SSL_CTX_set_min_proto_version(c.native_handle(), TLS1_VERSION);
                          ::SSL_CTX_set_max_proto_version(c.native_handle(), TLS1_VERSION);
                          ::SSL_CTX_set_cipher_list(c.native_handle(), "DEFAULT:@SECLEVEL=0");
                      }};
    // Not even where the context would.
    ::SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_VERSION);
    ::SSL_CTX_set_cipher_list(context.native_handle(), "DEFAULT:@SECLEVEL=0");
    const error_code ec = connect(to(server), server.target("server.test"));
    EXPECT_EQ(&ec.category(), &asio::error::get_ssl_category()) << ec.message();
    EXPECT_EQ(server.shaken, 0);
}

TEST_F(tls_failures, a_server_that_speaks_no_tls) {
    tcp_server plain;
    std::thread thread{[&] {
        const descriptor peer = plain.accept();
        [[maybe_unused]] const auto size = ::write(peer.get(), "SSH-2.0-x\r\n", 11);
        char byte;
        while (::read(peer.get(), &byte, 1) == 1) {}
    }};
    const auto connector = dial::timeout(dial::tls(dialer{io}, context), 20s);
    const error_code ec = connect(connector, "127.0.0.1:" + std::to_string(plain.endpoint().port()));
    thread.join();
    EXPECT_EQ(&ec.category(), &asio::error::get_ssl_category()) << ec.message();
    EXPECT_THAT(story.to_string(1000), HasSubstr("does it speak TLS on this port?"));
}

// Where a handshake can be cut: before the server says anything, inside its first message, between and inside the others.
std::vector<std::size_t> every_step() {
    return {0, 1, 4, 5, 6, 60, 120, 127, 128, 133, 200, 400, 500, 600};
}

TEST_F(tls_failures, a_server_that_hangs_up_at_each_step) {
    for (const auto how : {tls_server::then::close, tls_server::then::reset}) {
        for (const std::size_t bytes : every_step()) {
            tls_server server{issue(authority, {})};
            server.cut_after(bytes, how);
            const error_code ec = connect(to(server), server.target("server.test"));
            EXPECT_TRUE(ec) << bytes;
            EXPECT_NE(ec, error::timeout) << bytes;
            ASSERT_TRUE(story.failed_phase());
            EXPECT_EQ(story.failed_phase()->name, "tls");
        }
    }
}

TEST_F(tls_failures, a_server_that_stalls_at_each_step_is_left_at_the_deadline) {
    for (const std::size_t bytes : every_step()) {
        tls_server server{issue(authority, {})};
        server.cut_after(bytes, tls_server::then::stall);
        EXPECT_EQ(connect(to(server, 30ms), server.target("server.test")), error::timeout) << bytes;
        EXPECT_LT(story.total(), 10s);
        ASSERT_TRUE(story.failed_phase());
        EXPECT_EQ(story.failed_phase()->name, "tls");
        EXPECT_EQ(story.failed_phase()->how, dial::outcome::timed_out);
    }
}

TEST_F(tls_failures, a_drip_does_not_outlive_the_deadline) {
    tls_server server{issue(authority, {})};
    server.cut_after(3, tls_server::then::drip);  // the rest takes seconds
    EXPECT_EQ(connect(to(server, 100ms), server.target("server.test")), error::timeout);
    EXPECT_LT(story.total(), 2s);
}

TEST_F(tls_failures, a_drip_that_is_in_time_is_no_failure) {
    tls_server server{issue(authority, {})};
    server.cut_after(700, tls_server::then::drip);
    EXPECT_EQ(connect(to(server), server.target("server.test")), error_code{});
}

class tls_cancellation : public tls_failures, public testing::WithParamInterface<asio::cancellation_type> {};

TEST_P(tls_cancellation, ends_a_handshake_at_each_step) {
    for (const std::size_t bytes : every_step()) {
        tls_server server{issue(authority, {})};
        server.cut_after(bytes, tls_server::then::stall);
        asio::cancellation_signal signal;
        asio::steady_timer soon{io, 10ms};
        soon.async_wait([&](error_code) { signal.emit(GetParam()); });
        error_code result;
        to(server).connect({server.target("server.test"), &story},
            asio::bind_cancellation_slot(signal.slot(), [&](error_code ec, const tls_stream& stream) {
                result = ec;
                EXPECT_FALSE(stream.lowest_layer().is_open());
            }));
        io.restart();
        io.run();
        EXPECT_EQ(result, asio::error::operation_aborted) << bytes;
        EXPECT_LT(story.total(), 10s);
    }
}

INSTANTIATE_TEST_SUITE_P(all_kinds, tls_cancellation,
    testing::Values(
        asio::cancellation_type::terminal, asio::cancellation_type::partial, asio::cancellation_type::total),
    [](const auto& kind) {
        return kind.param == asio::cancellation_type::terminal ? "terminal"
            : kind.param == asio::cancellation_type::partial   ? "partial"
                                                               : "total";
    });

TEST_F(tls_failures, the_io_context_may_go_away_during_the_handshake) {
    auto server = std::make_unique<tls_server>(issue(authority, {}));
    server->cut_after(100, tls_server::then::stall);
    const auto alive = std::make_shared<int>();
    for (const bool race : {false, true}) {
        auto own = std::make_unique<asio::io_context>();
        const dialer d{*own, {}, static_resolver{{{"server.test", {server->endpoint().address()}}}}};
        dial::tls(d, context, tls_options().race_handshake(race))
            .connect({server->target("server.test"), &story}, [alive](error_code, const tls_stream&) { FAIL(); });
        own->run_for(30ms);
        own.reset();
        EXPECT_EQ(alive.use_count(), 1);
    }
}

}  // namespace
}  // namespace dial::test
