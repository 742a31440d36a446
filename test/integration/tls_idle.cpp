// What a pool may ask about an idle TLS connection, and that the connection is as good afterwards.
#include <dial/detail/tls_idle.hpp>
#include <support/certificates.hpp>
#include <support/loopback.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <fcntl.h>
#include <sys/socket.h>

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <thread>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;

void connect(tcp::socket& client, tcp::socket& server) {
    tcp::acceptor acceptor{client.get_executor(), {asio::ip::make_address("127.0.0.1"), 0}};
    client.connect(acceptor.local_endpoint());
    acceptor.accept(server);
    client.set_option(tcp::no_delay{true});
    server.set_option(tcp::no_delay{true});
}

void connect(asio::local::stream_protocol::socket& client, asio::local::stream_protocol::socket& server) {
    asio::local::connect_pair(client, server);
}

// How often a side was told something.
struct messages {
    int tickets = 0, key_updates = 0, refusals = 0;

    static void count(int is_sent, int, int kind, const void* bytes, std::size_t size, SSL*, void* self) {
        auto& own = *static_cast<messages*>(self);
        const auto* const text = static_cast<const unsigned char*>(bytes);
        if (is_sent || size < 2) return;
        if (kind == SSL3_RT_HANDSHAKE && text[0] == SSL3_MT_NEWSESSION_TICKET) ++own.tickets;
        if (kind == SSL3_RT_HANDSHAKE && text[0] == SSL3_MT_KEY_UPDATE) ++own.key_updates;
        if (kind == SSL3_RT_ALERT && text[1] == SSL_AD_NO_RENEGOTIATION) ++own.refusals;
    }
};

// What the server says, made at will and sent in any pieces.
using words = std::function<void(SSL*)>;

void a_ticket(SSL* ssl) {
    ASSERT_EQ(::SSL_new_session_ticket(ssl), 1);
    ASSERT_EQ(::SSL_do_handshake(ssl), 1);
}
void a_key_update(SSL* ssl) {
    ASSERT_EQ(::SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
    ASSERT_EQ(::SSL_do_handshake(ssl), 1);
}
void a_key_update_to_be_answered(SSL* ssl) {
    ASSERT_EQ(::SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED), 1);
    ASSERT_EQ(::SSL_do_handshake(ssl), 1);
}
void a_hello_request(SSL* ssl) {
    ASSERT_EQ(::SSL_renegotiate(ssl), 1);
    ASSERT_EQ(::SSL_do_handshake(ssl), 1);
}
void hello(SSL* ssl) {
    ASSERT_EQ(::SSL_write(ssl, "hello", 5), 5);
}
void good_bye(SSL* ssl) {
    ASSERT_GE(::SSL_shutdown(ssl), 0);
}

// A client and a server that have shaken hands.
template <class Socket>
class connection {
public:
    using stream = asio::ssl::stream<Socket>;

    connection(asio::io_context& context, asio::ssl::context& of_client, asio::ssl::context& of_server)
        : io{context}, client{context, of_client}, server{context, of_server} {
        connect(client.next_layer(), server.next_layer());
        ::SSL_set_msg_callback(client.native_handle(), messages::count);
        ::SSL_set_msg_callback_arg(client.native_handle(), &to_client);
        ::SSL_set_msg_callback(server.native_handle(), messages::count);
        ::SSL_set_msg_callback_arg(server.native_handle(), &to_server);
        outcome at_client, at_server;
        client.async_handshake(stream::client, record(at_client));
        server.async_handshake(stream::server, record(at_server));
        run();
        expect(at_client, success);
        expect(at_server, success);
    }

    bool is_quiet() { return detail::tls_is_quiet(client.native_handle(), client.next_layer().native_handle()); }

    std::string bytes(std::initializer_list<words> all_of_it) {
        SSL* const ssl = server.native_handle();
        BIO* const own = ::SSL_get_wbio(ssl);
        BIO* const out = ::BIO_new(::BIO_s_mem());
        ::BIO_up_ref(own);
        ::BIO_up_ref(out);
        ::SSL_set0_wbio(ssl, out);
        for (const words& what : all_of_it) what(ssl);
        ::SSL_set0_wbio(ssl, own);
        char* data = nullptr;
        const long size = BIO_get_mem_data(out, &data);
        std::string all(data, static_cast<std::size_t>(size));
        ::BIO_free(out);
        EXPECT_FALSE(all.empty());
        return all;
    }

    // Returns when it is there.
    void send(const std::string& text) {
        const std::size_t all = client.next_layer().available() + text.size();
        asio::write(server.next_layer(), asio::buffer(text));
        while (client.next_layer().available() < all) std::this_thread::yield();
    }
    void say(std::initializer_list<words> what) { send(bytes(what)); }

    template <class Reader>
    std::string read(Reader& from, std::size_t size) {
        std::string text(size, '\0');
        outcome done;
        asio::async_read(from, asio::buffer(text), [&](error_code ec, std::size_t) { record(done)(ec); });
        run();
        expect(done, success);
        return text;
    }

    // The client's end of the conversation goes on as if nothing had been.
    void expect_exchange() {
        for (const std::string text : {"one", "another", "the last"}) {
            for (const bool from_client : {true, false}) {
                outcome written;
                asio::async_write(from_client ? client : server, asio::buffer(text),
                    [&](error_code ec, std::size_t) { record(written)(ec); });
                EXPECT_EQ(read(from_client ? server : client, text.size()), text);
                expect(written, success);
            }
        }
    }

    error_code next_read_fails() {
        char byte = 0;
        outcome done;
        client.async_read_some(asio::buffer(&byte, 1), [&](error_code ec, std::size_t) { record(done)(ec); });
        run();
        return done.ec;
    }

    void run() {
        if (!testing::Test::HasFailure()) test::run(io);  // else it may have nothing to wait for
    }

    asio::io_context& io;
    messages to_client, to_server;
    stream client, server;
};

class tls_idle : public testing::Test {
protected:
    tls_idle() {
        const certificate own = self_signed({});
        ::SSL_CTX_use_certificate(of_server.native_handle(), own.x509());
        ::SSL_CTX_use_PrivateKey(of_server.native_handle(), own.key());
        ::SSL_CTX_set_options(of_client.native_handle(), SSL_OP_NO_RENEGOTIATION);
        use(TLS1_3_VERSION);
    }

    void use(int version) {
        ::SSL_CTX_set_min_proto_version(of_server.native_handle(), version);
        ::SSL_CTX_set_max_proto_version(of_server.native_handle(), version);
    }

    // With nothing on its way: the tickets that follow the handshake have been taken in.
    template <class Socket = tcp::socket>
    std::unique_ptr<connection<Socket>> idle() {
        auto made = std::make_unique<connection<Socket>>(io, of_client, of_server);
        if (::SSL_version(made->client.native_handle()) == TLS1_3_VERSION) {
            made->client.next_layer().wait(tcp::socket::wait_read);
            EXPECT_TRUE(made->is_quiet());
        }
        EXPECT_EQ(made->client.next_layer().available(), 0u);
        made->to_client = {};
        return made;
    }

    asio::io_context io;
    asio::ssl::context of_client{asio::ssl::context::tls_client}, of_server{asio::ssl::context::tls_server};
};

class tls_idle_of : public tls_idle, public testing::WithParamInterface<int> {
protected:
    tls_idle_of() { use(GetParam()); }
};

INSTANTIATE_TEST_SUITE_P(versions, tls_idle_of, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
    [](const auto& version) { return version.param == TLS1_2_VERSION ? "tls_1_2" : "tls_1_3"; });

// --- What is quiet ---

TEST_P(tls_idle_of, nothing_is_quiet) {
    const auto one = idle();
    for (int i = 0; i != 3; ++i) {
        EXPECT_TRUE(one->is_quiet());
        one->expect_exchange();
    }
}

TEST_F(tls_idle, the_tickets_after_the_handshake_are_taken_in) {
    connection<tcp::socket> one{io, of_client, of_server};
    one.client.next_layer().wait(tcp::socket::wait_read);
    EXPECT_EQ(one.to_client.tickets, 0);
    EXPECT_TRUE(one.is_quiet());
    EXPECT_EQ(one.to_client.tickets, 2);
    EXPECT_EQ(one.client.next_layer().available(), 0u);
    one.expect_exchange();
}

TEST_F(tls_idle, tickets_and_key_updates_come_and_go) {
    const auto one = idle();
    for (int i = 1; i != 4; ++i) {
        one->say({a_ticket});
        EXPECT_TRUE(one->is_quiet());
        one->say({a_key_update});
        EXPECT_TRUE(one->is_quiet());
        EXPECT_EQ(one->to_client.tickets, i);
        EXPECT_EQ(one->to_client.key_updates, i);
        one->expect_exchange();
    }
    EXPECT_EQ(one->to_server.key_updates, 0);
}

TEST_F(tls_idle, the_answer_to_a_key_update_leaves_with_the_next_write) {
    const auto one = idle();
    for (int i = 1; i != 4; ++i) {
        one->say({a_key_update_to_be_answered});
        EXPECT_TRUE(one->is_quiet());
        EXPECT_EQ(one->to_client.key_updates, i);
        EXPECT_EQ(one->server.next_layer().available(), 0u);
        EXPECT_EQ(one->to_server.key_updates, i - 1);
        one->expect_exchange();
        EXPECT_EQ(one->to_server.key_updates, i);
    }
}

TEST_F(tls_idle, all_that_is_there_is_taken_in_at_once) {
    for (const bool goes_on : {true, false}) {  // without: OpenSSL comes back after each
        const auto one = idle();
        SSL* const ssl = one->client.native_handle();
        if (!goes_on) SSL_clear_mode(ssl, SSL_MODE_AUTO_RETRY);
        one->say({a_ticket, a_key_update, a_ticket});
        EXPECT_TRUE(one->is_quiet());
        EXPECT_EQ(one->to_client.tickets, 2);
        EXPECT_EQ(one->client.next_layer().available(), 0u);
        EXPECT_EQ((SSL_get_mode(ssl) & SSL_MODE_AUTO_RETRY) != 0, goes_on);
        one->expect_exchange();
    }
}

TEST_F(tls_idle, the_beginning_of_a_ticket_is_quiet_and_so_is_its_end) {
    for (const bool ahead : {false, true}) {
        const auto one = idle();
        ::SSL_set_read_ahead(one->client.native_handle(), ahead);
        for (const int part : {1, 4, 5, 6, 100, -1}) {
            one->to_client = {};
            const std::string ticket = one->bytes({a_ticket});
            const std::size_t cut = part > 0 ? static_cast<std::size_t>(part) : ticket.size() - 1;
            one->send(ticket.substr(0, cut));
            for (int i = 0; i != 2; ++i) EXPECT_TRUE(one->is_quiet()) << cut;
            EXPECT_EQ(one->client.next_layer().available(), 0u);
            EXPECT_EQ(one->to_client.tickets, 0);
            one->send(ticket.substr(cut));
            EXPECT_TRUE(one->is_quiet()) << cut;
            EXPECT_EQ(one->to_client.tickets, 1);
            one->expect_exchange();
        }
    }
}

TEST_P(tls_idle_of, a_record_that_was_looked_at_in_parts_is_read_as_a_whole) {
    const auto one = idle();
    for (const std::size_t cut : {std::size_t{3}, std::size_t{5}, std::size_t{12}}) {
        const std::string text = one->bytes({hello});
        one->send(text.substr(0, cut));
        EXPECT_TRUE(one->is_quiet());
        one->send(text.substr(cut));
        EXPECT_EQ(one->read(one->client, 5), "hello");
        EXPECT_TRUE(one->is_quiet());
        one->expect_exchange();
    }
}

TEST_F(tls_idle, a_hello_request_that_is_refused_is_quiet) {
    use(TLS1_2_VERSION);
    const auto one = idle();
    one->say({a_hello_request});
    EXPECT_TRUE(one->is_quiet());
    EXPECT_EQ(one->client.next_layer().available(), 0u);
    // OpenSSL as a server gives up then; what matters is that it was told.
    outcome written, read;
    char byte = 0;
    asio::async_write(one->client, asio::buffer("x", 1), [&](error_code ec, std::size_t) { record(written)(ec); });
    one->server.async_read_some(asio::buffer(&byte, 1), [&](error_code ec, std::size_t) { record(read)(ec); });
    EXPECT_EQ(one->to_server.refusals, 0);
    one->run();
    expect(written, success);
    EXPECT_EQ(one->to_server.refusals, 1);
}

TEST_F(tls_idle, what_was_read_together_with_data_is_looked_at_first) {
    const auto one = idle();
    for (int i = 0; i != 3; ++i) {
        // A ticket and a part of another are left with Asio, the rest is in the socket.
        one->to_client = {};
        const std::string text = one->bytes({hello, a_ticket}), second = one->bytes({a_ticket});
        one->send(text + second.substr(0, 50));
        EXPECT_EQ(one->read(one->client, 5), "hello");
        EXPECT_EQ(one->client.next_layer().available(), 0u);
        EXPECT_EQ(one->to_client.tickets, 0);
        one->send(second.substr(50));
        EXPECT_TRUE(one->is_quiet());
        EXPECT_EQ(one->to_client.tickets, 2);
        one->expect_exchange();
    }
}

TEST_F(tls_idle, can_be_asked_whenever_the_socket_becomes_readable) {
    const auto one = idle();
    int looks = 0;
    bool quiet = true;
    std::function<void()> wait = [&] {
        one->client.next_layer().async_wait(tcp::socket::wait_read, [&](error_code ec) {
            ASSERT_FALSE(ec);
            ++looks;
            quiet = one->is_quiet();
            if (looks == 3) return;
            EXPECT_TRUE(quiet);
            wait();
            one->say({looks == 1 ? a_key_update_to_be_answered : a_ticket});
        });
    };
    wait();
    one->say({a_ticket});
    one->run();
    EXPECT_EQ(looks, 3);
    EXPECT_EQ(one->to_client.tickets, 2);
    EXPECT_TRUE(quiet);
    one->expect_exchange();
}

// --- What is not ---

TEST_P(tls_idle_of, data_is_not_quiet_and_stays) {
    const auto one = idle();
    one->say({hello});
    for (int i = 0; i != 3; ++i) EXPECT_FALSE(one->is_quiet());
    EXPECT_EQ(one->read(one->client, 5), "hello");
    EXPECT_TRUE(one->is_quiet());
    one->expect_exchange();
}

TEST_F(tls_idle, a_ticket_with_data_is_not_quiet) {
    for (const bool ticket_first : {true, false}) {
        const auto one = idle();
        one->say({ticket_first ? a_ticket : hello, ticket_first ? hello : a_ticket});
        EXPECT_FALSE(one->is_quiet());
        EXPECT_EQ(one->to_client.tickets, ticket_first ? 1 : 0);
        EXPECT_EQ(one->read(one->client, 5), "hello");
        EXPECT_TRUE(one->is_quiet());
        EXPECT_EQ(one->to_client.tickets, 1);
        one->expect_exchange();
    }
}

TEST_P(tls_idle_of, data_that_was_left_is_not_quiet) {
    const auto one = idle();
    one->say({hello, hello});
    EXPECT_EQ(one->read(one->client, 2), "he");  // the rest is decrypted, the second is with Asio
    EXPECT_EQ(one->client.next_layer().available(), 0u);
    EXPECT_FALSE(one->is_quiet());
    EXPECT_EQ(one->read(one->client, 3), "llo");
    EXPECT_FALSE(one->is_quiet());
    EXPECT_EQ(one->read(one->client, 5), "hello");
    EXPECT_TRUE(one->is_quiet());
    one->expect_exchange();
}

TEST_P(tls_idle_of, a_good_bye_is_not_quiet) {
    const auto one = idle();
    one->say({good_bye});
    for (int i = 0; i != 2; ++i) EXPECT_FALSE(one->is_quiet());
    EXPECT_EQ(one->next_read_fails(), asio::error::eof);
}

TEST_P(tls_idle_of, a_good_bye_that_was_read_together_with_data_is_not_quiet) {
    const auto one = idle();
    one->say({hello, good_bye});
    EXPECT_EQ(one->read(one->client, 5), "hello");
    EXPECT_EQ(one->client.next_layer().available(), 0u);
    EXPECT_FALSE(one->is_quiet());
}

TEST_P(tls_idle_of, a_good_bye_of_ours_is_not_quiet) {
    const auto one = idle();
    EXPECT_TRUE(one->is_quiet());
    EXPECT_EQ(::SSL_shutdown(one->client.native_handle()), 0);
    EXPECT_FALSE(one->is_quiet());
}

TEST_P(tls_idle_of, the_end_is_not_quiet) {
    for (const std::size_t part : {std::size_t{0}, std::size_t{8}}) {  // also in the middle of a record
        const auto one = idle();
        one->send(one->bytes({hello}).substr(0, part));
        EXPECT_TRUE(one->is_quiet());
        one->server.next_layer().shutdown(tcp::socket::shutdown_send);
        one->client.next_layer().wait(tcp::socket::wait_read);
        for (int i = 0; i != 2; ++i) EXPECT_FALSE(one->is_quiet());
    }
}

TEST_P(tls_idle_of, a_reset_is_not_quiet) {
    const auto one = idle();
    EXPECT_TRUE(one->is_quiet());
    close_by_reset(one->server.next_layer().native_handle());
    one->server.next_layer().close();
    one->client.next_layer().wait(tcp::socket::wait_read);
    for (int i = 0; i != 2; ++i) EXPECT_FALSE(one->is_quiet());
}

TEST_P(tls_idle_of, what_is_no_tls_is_not_quiet) {
    const auto one = idle();
    one->send("HTTP/1.1 408 Request Timeout\r\n\r\n");
    for (int i = 0; i != 2; ++i) {
        EXPECT_FALSE(one->is_quiet());
        EXPECT_EQ(::ERR_peek_error(), 0ul);
    }
}

TEST_F(tls_idle, a_ticket_that_somebody_has_changed_is_not_quiet) {
    const auto one = idle();
    std::string ticket = one->bytes({a_ticket});
    ticket.back() ^= 1;
    one->send(ticket);
    EXPECT_FALSE(one->is_quiet());
    EXPECT_EQ(::ERR_peek_error(), 0ul);
}

TEST_F(tls_idle, a_new_handshake_is_not_quiet) {
    use(TLS1_2_VERSION);
    ::SSL_CTX_clear_options(of_client.native_handle(), SSL_OP_NO_RENEGOTIATION);
    const auto one = idle();
    EXPECT_TRUE(one->is_quiet());
    one->say({a_hello_request});
    EXPECT_FALSE(one->is_quiet());
}

TEST_F(tls_idle, tickets_without_end_are_not_quiet) {
    // Unix sockets: all of it is there at once.
    for (const std::size_t size : {std::size_t{60'000}, std::size_t{70'000}}) {
        const auto one = idle<asio::local::stream_protocol::socket>();
        std::string tickets;
        while (tickets.size() < size) tickets += one->bytes({a_ticket});
        one->send(tickets);
        EXPECT_EQ(one->is_quiet(), size < 65'536);
    }
}

TEST_F(tls_idle, a_closed_descriptor_is_not_quiet) {
    const auto one = idle();
    EXPECT_FALSE(detail::tls_is_quiet(one->client.native_handle(), -1));
}

// --- What it leaves alone ---

TEST_F(tls_idle, works_over_unix_sockets) {
    const auto one = idle<asio::local::stream_protocol::socket>();
    EXPECT_TRUE(one->is_quiet());
    one->say({a_ticket});
    EXPECT_TRUE(one->is_quiet());
    EXPECT_EQ(one->to_client.tickets, 1);
    one->expect_exchange();
    one->say({hello});
    EXPECT_FALSE(one->is_quiet());
    EXPECT_EQ(one->read(one->client, 5), "hello");
    EXPECT_TRUE(one->is_quiet());
    one->server.next_layer().close();
    EXPECT_FALSE(one->is_quiet());
}

TEST_P(tls_idle_of, does_not_block_where_the_socket_would) {
    const auto one = idle();
    const int fd = one->client.next_layer().native_handle();
    ASSERT_EQ(::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_NONBLOCK), 0);
    const timeval limit{5, 0};  // so that the test ends where it fails
    ASSERT_EQ(::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    const auto began = std::chrono::steady_clock::now();
    EXPECT_TRUE(one->is_quiet());
    const std::string text = one->bytes({hello});
    one->send(text.substr(0, 10));
    EXPECT_TRUE(one->is_quiet());
    one->send(text.substr(10));
    EXPECT_FALSE(one->is_quiet());
    EXPECT_LT(std::chrono::steady_clock::now() - began, 4s);
    EXPECT_EQ(::fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
}

TEST_P(tls_idle_of, an_old_error_in_the_queue_means_nothing) {
    const auto one = idle();
    ERR_raise(ERR_LIB_USER, 1);
    EXPECT_TRUE(one->is_quiet());
    EXPECT_EQ(::ERR_peek_error(), 0ul);
    one->expect_exchange();
}

// With the address sanitizer, also that nothing leaks.
TEST_F(tls_idle, a_thousand_looks_leave_the_connection_as_it_was) {
    static int freed;
    freed = 0;
    {
        const auto one = idle();
        BIO* const own = ::SSL_get_rbio(one->client.native_handle());
        ::BIO_set_callback_ex(own, [](BIO*, int what, const char*, std::size_t, int, long, int result, std::size_t*) {
            if (what == BIO_CB_FREE) ++freed;
            return static_cast<long>(result);
        });
        for (int i = 0; i != 1000; ++i) EXPECT_TRUE(one->is_quiet());
        one->expect_exchange();
        one->say({hello});
        for (int i = 0; i != 1000; ++i) EXPECT_FALSE(one->is_quiet());
        EXPECT_EQ(one->read(one->client, 5), "hello");
        EXPECT_EQ(::SSL_get_rbio(one->client.native_handle()), own);
        EXPECT_EQ(::SSL_get_wbio(one->client.native_handle()), own);
        one->server.next_layer().close();
        one->client.next_layer().wait(tcp::socket::wait_read);
        for (int i = 0; i != 1000; ++i) EXPECT_FALSE(one->is_quiet());
        EXPECT_EQ(freed, 0);
    }
    EXPECT_EQ(freed, 1);
}

}  // namespace
}  // namespace dial::test
