// A pool of TLS connections: what the peer's TLS says by itself is taken in, the rest is not expected.
#include <dial/http_tunnel.hpp>
#include <dial/pool.hpp>
#include <dial/tls.hpp>
#include <support/loopback.hpp>
#include <support/pools.hpp>
#include <support/tls_server.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace dial::test {
namespace {

using namespace std::chrono_literals;

class a_pool_of_tls_connections : public testing::Test {
protected:
    a_pool_of_tls_connections() {
        const std::string pem = authority.pem();
        context.add_certificate_authority(asio::buffer(pem));
    }

    pool<tls_stream>& make(const tls_server& server) {
        to.emplace(server.target("server.test"));
        const dialer d{io, {}, static_resolver{{{"server.test", {server.endpoint().address()}}}}};
        return connections.emplace(io, dial::tls(d, context), pool_options());
    }
    pool_counts counts() const { return connections->stats().total; }

    template <class Coroutine>
    void run(Coroutine&& coroutine) {
        bool ended = false;
        asio::co_spawn(io, coroutine(), [&](const std::exception_ptr& thrown) {
            ended = true;
            if (thrown) std::rethrow_exception(thrown);
        });
        run_until(io, [&] { return ended; });
    }

    // True if it was a connection that had been used before.
    asio::awaitable<bool> talk() {
        auto held = co_await connections->acquire(*to);
        co_await asio::async_write(*held, asio::buffer("ping", 4), asio::deferred);
        std::string answer(4, '\0');
        co_await asio::async_read(*held, asio::buffer(answer), asio::deferred);
        EXPECT_EQ(answer, "ping");
        co_return held.reused();
    }
    asio::awaitable<void> wait(duration length) {
        asio::steady_timer timer{io, length};
        co_await timer.async_wait(asio::deferred);
    }

    asio::io_context io;
    const certificate authority = make_authority("dial test CA");
    asio::ssl::context context{asio::ssl::context::tls_client};
    std::optional<target> to;
    std::optional<pool<tls_stream>> connections;
};

TEST_F(a_pool_of_tls_connections, takes_in_the_tickets_that_come_after_the_handshake) {
    tls_server server{issue(authority, {})};
    make(server);
    run([&]() -> asio::awaitable<void> {
        static_cast<void>(co_await connections->acquire(*to));  // idle at once: the tickets are still to come
        while (server.shaken == 0) co_await wait(1ms);
        co_await wait(20ms);
        EXPECT_EQ(counts().idle, 1u);
        for (int i = 0; i != 3; ++i) {
            EXPECT_TRUE(co_await talk());
            co_await wait(1ms);
        }
        EXPECT_EQ(counts().opened, 1u);
        EXPECT_EQ(counts().dead(), 0u);
    });
}

TEST_F(a_pool_of_tls_connections, finds_those_dead_that_the_server_closes) {
    auto server = std::make_unique<tls_server>(issue(authority, {}));
    make(*server);
    run([&]() -> asio::awaitable<void> {
        EXPECT_FALSE(co_await talk());
        co_await wait(5ms);
        EXPECT_TRUE(co_await talk());
    });
    EXPECT_EQ(counts().idle, 1u);
    server.reset();
    run_until(io, [&] { return counts().dead() == 1; });
    EXPECT_EQ(counts().idle, 0u);
}

TEST_F(a_pool_of_tls_connections, looks_at_them_when_they_are_handed_out_if_they_are_not_watched) {
    tls_server server{issue(authority, {})};
    make(server);
    const dialer d{io, {}, static_resolver{{{"server.test", {server.endpoint().address()}}}}};
    connections.emplace(io, dial::tls(d, context), pool_options().watch_idle(false));
    run([&]() -> asio::awaitable<void> {
        static_cast<void>(co_await connections->acquire(*to));
        co_await wait(20ms);  // the tickets are there
        EXPECT_TRUE(co_await talk());
        EXPECT_EQ(counts().dead(), 0u);
    });
}

}  // namespace
}  // namespace dial::test
