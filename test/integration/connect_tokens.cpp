// Every way to wait for a connect, and every call form that the README and docs/ show, awaited.
#include <dial/connect.hpp>

#include <gtest/gtest.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/experimental/coro.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <support/loopback.hpp>

#include <future>
#include <thread>
#include <utility>

#if defined(DIAL_TEST_HAS_BOOST_CONTEXT)
#include <boost/asio/spawn.hpp>
#endif

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;

class connect_tokens : public testing::Test {
protected:
    asio::io_context io;
    tcp_server server;
    refusing_port refusing;
    tcp::endpoint peer = server.endpoint();

    void expect_connected(tcp::socket& socket) {
        EXPECT_TRUE(socket.is_open() && is_connected(socket.native_handle()));
        EXPECT_TRUE(server.accept());
    }
    // Runs a coroutine to its end; an exception out of it fails the test.
    template <class Coroutine>
    void await(Coroutine coroutine) {
        bool done = false;
        asio::co_spawn(io, coroutine, [&](std::exception_ptr e) {
            done = true;
            try {
                if (e) std::rethrow_exception(e);
            } catch (const std::exception& error) {
                ADD_FAILURE() << error.what();
            }
        });
        run(io);
        EXPECT_TRUE(done);
    }
};

// --- The call forms, in a coroutine ---

TEST_F(connect_tokens, may_be_left_out_in_a_coroutine_with_a_socket_of_the_callers) {
    await([&]() -> asio::awaitable<void> {
        tcp::socket socket{io};
        co_await dial::connect(socket, peer);
        expect_connected(socket);
        socket.close();
        co_await dial::connect(socket, peer, 5s);
        expect_connected(socket);
    });
}

TEST_F(connect_tokens, may_be_left_out_in_a_coroutine_with_a_socket_of_dials) {
    await([&]() -> asio::awaitable<void> {
        tcp::socket plain = co_await dial::connect(peer);
        expect_connected(plain);
        tcp::socket limited = co_await dial::connect(peer, {.timeout = 5s});
        expect_connected(limited);
        tcp::socket set = co_await dial::connect(peer, {.timeout = 5s, .socket = {.no_delay = false}});
        expect_connected(set);
        tcp::no_delay no_delay;
        set.get_option(no_delay);
        EXPECT_FALSE(no_delay.value());
        tcp::socket everything = co_await dial::connect(peer,
            {.socket = {.keep_alive = keep_alive{.idle = 20s},
                 .local_v4 = asio::ip::make_address_v4("127.0.0.2"),
                 .local_ports = port_range{32'768, 60'999},
                 .interface = {}}});
        expect_connected(everything);
        const connect_options named{.timeout = 5s};
        tcp::socket by_name = co_await dial::connect(peer, named);
        expect_connected(by_name);
        EXPECT_TRUE(by_name.get_executor() == asio::any_io_executor{io.get_executor()});
    });
}

TEST_F(connect_tokens, may_be_left_out_in_a_coroutine_with_an_executor) {
    await([&]() -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        tcp::socket plain = co_await dial::connect(executor, peer);
        expect_connected(plain);
        tcp::socket limited = co_await dial::connect(executor, peer, {.timeout = 5s});
        expect_connected(limited);
        tcp::socket awaitable = co_await dial::connect(executor, peer, {.timeout = 5s}, asio::use_awaitable);
        expect_connected(awaitable);
        tcp::socket context = co_await dial::connect(io, peer, asio::use_awaitable);
        expect_connected(context);
        tcp::socket context_alone = co_await dial::connect(io, peer);
        expect_connected(context_alone);
    });
}

// --- The tokens ---

TEST_F(connect_tokens, may_throw_or_return_the_error) {
    await([&]() -> asio::awaitable<void> {
        tcp::socket socket{io};  // the same for all: a refusal leaves it as it was
        const auto nobody = refusing.endpoint();
        try {
            co_await dial::connect(socket, nobody, asio::use_awaitable);
            ADD_FAILURE() << "nothing was thrown";
        } catch (const boost::system::system_error& e) {
            EXPECT_EQ(e.code(), asio::error::connection_refused);
        }
        const auto [ec] = co_await dial::connect(socket, nobody, asio::as_tuple(asio::use_awaitable));
        EXPECT_EQ(ec, asio::error::connection_refused);
        const auto [deferred] = co_await dial::connect(socket, nobody, asio::as_tuple(asio::deferred));
        EXPECT_EQ(deferred, asio::error::connection_refused);
        error_code redirected;
        co_await dial::connect(socket, nobody, asio::redirect_error(asio::use_awaitable, redirected));
        EXPECT_EQ(redirected, asio::error::connection_refused);

        auto [failed, none] = co_await dial::connect(nobody, {.timeout = 5s}, asio::as_tuple(asio::use_awaitable));
        EXPECT_EQ(failed, asio::error::connection_refused);
        EXPECT_FALSE(none.is_open());
        auto [fine, own] = co_await dial::connect(peer, asio::as_tuple(asio::use_awaitable));
        EXPECT_FALSE(fine);
        expect_connected(own);
        tcp::socket kept = co_await dial::connect(peer, asio::redirect_error(asio::use_awaitable, redirected));
        EXPECT_FALSE(redirected);
        expect_connected(kept);
    });
}

TEST_F(connect_tokens, may_be_a_callback) {
    tcp::socket socket{io};
    outcome plain, limited;
    dial::connect(socket, peer, record(plain));
    run(io);
    expect(plain, success);
    expect_connected(socket);
    socket.close();
    dial::connect(socket, peer, 5s, record(limited));
    run(io);
    expect(limited, success);
    expect_connected(socket);

    int calls = 0;
    const auto take = [&](error_code ec, tcp::socket own) {
        ++calls;
        EXPECT_FALSE(ec);
        expect_connected(own);
    };
    dial::connect(io, peer, take);
    dial::connect(io.get_executor(), peer, take);
    dial::connect(io.get_executor(), peer, {.timeout = 5s}, take);
    dial::connect(io, peer, {.timeout = 5s}, take);
    dial::connect(peer, asio::bind_executor(io, take));
    dial::connect(peer, {.timeout = 5s}, asio::bind_executor(io, take));
    run(io);
    EXPECT_EQ(calls, 6);
}

TEST_F(connect_tokens, may_be_a_future) {
    auto work = asio::make_work_guard(io);
    std::thread thread{[&] { io.run(); }};
    tcp::socket socket{io};
    auto borrowed = dial::connect(socket, peer, asio::use_future);
    ASSERT_EQ(borrowed.wait_for(30s), std::future_status::ready);
    EXPECT_NO_THROW(borrowed.get());
    expect_connected(socket);

    std::future<tcp::socket> own = dial::connect(io.get_executor(), peer, {.timeout = 5s}, asio::use_future);
    ASSERT_EQ(own.wait_for(30s), std::future_status::ready);
    tcp::socket taken = own.get();
    expect_connected(taken);

    auto failed = dial::connect(io, refusing.endpoint(), asio::use_future);
    ASSERT_EQ(failed.wait_for(30s), std::future_status::ready);
    EXPECT_THROW(failed.get(), boost::system::system_error);
    work.reset();
    thread.join();
}

TEST_F(connect_tokens, may_defer_the_connect_until_later) {
    tcp::socket socket{io};
    auto later = dial::connect(socket, peer, asio::deferred);
    auto own_later = dial::connect(io.get_executor(), tcp::endpoint{peer}, {.timeout = 5s}, asio::deferred);
    run(io);
    EXPECT_FALSE(socket.is_open());
    EXPECT_EQ(server.accept_all(), 0u);

    outcome is;
    int calls = 0;
    std::move(later)(record(is));
    std::move(own_later)([&](error_code ec, tcp::socket own) {
        ++calls;
        EXPECT_FALSE(ec);
        EXPECT_TRUE(own.is_open());
    });
    run(io);
    expect(is, success);
    EXPECT_EQ(calls, 1);
}

TEST_F(connect_tokens, may_chain_deferred_operations) {
    tcp::socket socket{io};
    bool done = false;
    dial::connect(socket, peer, asio::deferred([&](error_code ec) {
        EXPECT_FALSE(ec);
        return asio::deferred.values(42);
    }))([&](int value) { done = value == 42; });
    run(io);
    EXPECT_TRUE(done);
    expect_connected(socket);
}

TEST_F(connect_tokens, may_be_detached) {
    tcp::socket socket{io};
    dial::connect(socket, peer, asio::detached);
    dial::connect(io, refusing.endpoint(), asio::detached);
    run(io);
    expect_connected(socket);
}

asio::experimental::coro<void> connect_both(asio::io_context& io, tcp::endpoint peer, tcp::socket& a, tcp::socket& b) {
    co_await dial::connect(a, peer);
    co_await dial::connect(b, peer, 5s);
    tcp::socket own = co_await dial::connect(io.get_executor(), peer, {.timeout = 5s});
    b = std::move(own);
}

TEST_F(connect_tokens, may_be_left_out_in_an_experimental_coro) {
    tcp::socket a{io}, b{io};
    auto coro = connect_both(io, peer, a, b);
    int calls = 0;
    coro.async_resume([&](std::exception_ptr e) {
        ++calls;
        EXPECT_FALSE(e);
    });
    run(io);
    EXPECT_EQ(calls, 1);
    expect_connected(a);
    expect_connected(b);
}

#if defined(DIAL_TEST_HAS_BOOST_CONTEXT)
TEST_F(connect_tokens, may_be_the_yield_of_a_stackful_coroutine) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "the sanitizers do not know Boost.Context's stacks: a throw on one is reported as an overflow";
#endif
    bool done = false;
    asio::spawn(
        io,
        [&](asio::yield_context yield) {
            tcp::socket socket{io};
            dial::connect(socket, peer, yield);
            expect_connected(socket);
            tcp::socket own = dial::connect(peer, yield);
            expect_connected(own);
            tcp::socket limited = dial::connect(peer, {.timeout = 5s}, yield);
            expect_connected(limited);
            error_code ec;
            dial::connect(io, refusing.endpoint(), yield[ec]);
            EXPECT_EQ(ec, asio::error::connection_refused);
            EXPECT_THROW(dial::connect(io, refusing.endpoint(), yield), boost::system::system_error);
            done = true;
        },
        [](std::exception_ptr e) { EXPECT_FALSE(e); });
    run(io);
    EXPECT_TRUE(done);
}
#endif

}  // namespace
}  // namespace dial::test
