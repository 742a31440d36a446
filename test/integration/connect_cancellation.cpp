// Cancellation: at once, in every phase, nothing left behind.
#include <dial/connect.hpp>

#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <support/loopback.hpp>

#include <array>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using asio::cancellation_signal;
using asio::cancellation_type;
using asio::ip::tcp;
using unix_stream = asio::local::stream_protocol;

constexpr std::array<duration, 2> timeouts{never, 1h};

template <class Socket>
void expect_unconnected(Socket& socket) {
    ASSERT_TRUE(socket.is_open());
    EXPECT_FALSE(is_connected(socket.native_handle()));
    EXPECT_EQ(pending_error(socket.native_handle()), 0);
}

template <class Socket, class Server>
void expect_connects_to(asio::io_context& io, Socket& socket, const Server& server) {
    outcome next;
    dial::connect(socket, server.endpoint(), record(next));
    run(io);
    expect(next, success);
    EXPECT_TRUE(is_connected(socket.native_handle()));
    EXPECT_TRUE(server.accept());
}

// --- Each of the three types ---

class connect_cancellation_type : public testing::TestWithParam<cancellation_type> {
protected:
    asio::io_context io;
    cancellation_signal signal;
};
INSTANTIATE_TEST_SUITE_P(each, connect_cancellation_type,
    testing::Values(cancellation_type::terminal, cancellation_type::partial, cancellation_type::total),
    [](const auto& kind) { return name_of(kind.param); });

TEST_P(connect_cancellation_type, withdraws_a_pending_tcp_connect_and_keeps_options_and_bind) {
    for (const char* address : {"127.0.0.1", "::1"}) {
        const silent_server silent{address};
        const tcp_server server{address};
        for (const duration timeout : timeouts) {
            // A port that was asked for by number: one that the kernel chose in bind(2) goes with the attempt.
            const auto local = refusing_port{address}.endpoint();
            tcp::socket socket{io, local};
            socket.set_option(tcp::socket::keep_alive{true});
            outcome first;
            dial::connect(socket, silent.endpoint(), timeout, record(first, signal));
            run_ready(io);
            ASSERT_EQ(first.calls, 0);
            ASSERT_EQ(tcp_state(socket.native_handle()), TCP_SYN_SENT);

            signal.emit(GetParam());
            EXPECT_EQ(first.calls, 0) << "called inside emit";
            run(io);
            expect(first, aborted);
            expect_unconnected(socket);
            EXPECT_EQ(option(socket.native_handle(), SOL_SOCKET, SO_KEEPALIVE), 1);
            EXPECT_EQ(socket.local_endpoint(), local);
            expect_connects_to(io, socket, server);
            EXPECT_EQ(socket.local_endpoint(), local);
        }
    }
}

TEST_P(connect_cancellation_type, ends_the_pause_of_a_connect_to_a_full_unix_queue) {
    const full_unix_server full;
    const unix_server server;
    for (const duration timeout : timeouts) {
        unix_stream::socket socket{io, unix_stream{}};
        outcome first;
        dial::connect(socket, full.endpoint(), timeout, record(first, signal));
        io.restart();
        io.run_for(5ms);  // a few tries
        ASSERT_EQ(first.calls, 0);

        signal.emit(GetParam());
        run_ready(io);  // at once: not when the pause is over
        expect(first, aborted);
        expect_unconnected(socket);
        expect_connects_to(io, socket, server);
    }
}

TEST_P(connect_cancellation_type, closes_a_socket_of_dials_own_before_the_handler_runs) {
    const silent_server silent;
    const full_unix_server full;
    const auto cancel = [&](const auto& peer, duration timeout) {
        const std::size_t before = open_descriptors();
        int calls = 0;
        dial::connect(io, peer, connect_options{.timeout = timeout},
            asio::bind_cancellation_slot(signal.slot(), [&](error_code ec, auto socket) {
                ++calls;
                EXPECT_EQ(ec, aborted);
                EXPECT_FALSE(socket.is_open());
                EXPECT_EQ(open_descriptors(), before);
            }));
        run_ready(io);
        EXPECT_EQ(open_descriptors(), before + 1);
        signal.emit(GetParam());
        run_ready(io);
        EXPECT_EQ(calls, 1);
    };
    const tcp::socket starts_the_reactor{io};
    for (const duration timeout : timeouts) {
        cancel(silent.endpoint(), timeout);
        cancel(full.endpoint(), timeout);
    }
}

TEST_P(connect_cancellation_type, frees_the_socket_for_another_connect_before_the_first_handler_has_run) {
    const silent_server silent;
    const tcp_server server;
    const full_unix_server full;
    const unix_server unix_peer;
    const auto switch_over = [&](auto socket, const auto& from, const auto& to, duration timeout) {
        outcome first, second;
        dial::connect(socket, from.endpoint(), timeout, record(first, signal));
        run_ready(io);
        signal.emit(GetParam());
        dial::connect(socket, to.endpoint(), timeout, record(second, signal));  // takes over the slot, too
        EXPECT_EQ(first.calls, 0);
        run(io);
        expect(first, aborted);
        expect(second, success);
        EXPECT_TRUE(is_connected(socket.native_handle()));
        EXPECT_TRUE(to.accept());
    };
    for (const duration timeout : timeouts) {
        switch_over(tcp::socket{io}, silent, server, timeout);
        switch_over(unix_stream::socket{io}, full, unix_peer, timeout);
    }
}

TEST_P(connect_cancellation_type, completes_at_once_though_the_socket_is_connecting_again) {
    const silent_server silent, other;
    for (const duration timeout : timeouts) {
        tcp::socket socket{io};
        cancellation_signal cancel_second;
        outcome first, second;
        dial::connect(socket, silent.endpoint(), timeout, record(first, signal));
        run_ready(io);
        signal.emit(GetParam());
        dial::connect(socket, other.endpoint(), timeout, record(second, cancel_second));
        run_ready(io);
        expect(first, aborted);
        EXPECT_EQ(second.calls, 0);
        EXPECT_EQ(tcp_state(socket.native_handle()), TCP_SYN_SENT);
        cancel_second.emit(GetParam());
        run(io);
        expect(second, aborted);
        EXPECT_EQ(first.calls, 1);
    }
}

TEST_P(connect_cancellation_type, reaches_a_coroutine_that_awaits) {
    const silent_server silent;
    error_code thrown;
    const auto wait = [&]() -> asio::awaitable<void> {
        // co_spawn lets only terminal cancellation through; the coroutine asks for the rest.
        co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
        try {
            co_await dial::connect(silent.endpoint());
        } catch (const boost::system::system_error& e) {
            thrown = e.code();
        }
    };
    asio::co_spawn(io, wait(), asio::bind_cancellation_slot(signal.slot(), [](std::exception_ptr) {}));
    run_ready(io);
    signal.emit(GetParam());
    run_ready(io);
    EXPECT_EQ(thrown, aborted);
}

// --- What cancels ---

TEST(connect_cancellation, of_type_none_does_nothing) {
    asio::io_context io;
    const silent_server silent;
    tcp::socket socket{io};
    cancellation_signal signal;
    outcome is;
    dial::connect(socket, silent.endpoint(), record(is, signal));
    run_ready(io);
    signal.emit(cancellation_type::none);
    run_ready(io);
    EXPECT_EQ(is.calls, 0);
    EXPECT_EQ(tcp_state(socket.native_handle()), TCP_SYN_SENT);
    signal.emit(cancellation_type::terminal);
    run(io);
    expect(is, aborted);
}

TEST(connect_cancellation, comes_from_the_or_of_two_awaitables) {
    using namespace asio::experimental::awaitable_operators;
    asio::io_context io;
    const silent_server silent;
    const tcp_server server;
    bool done = false;
    const auto race = [&]() -> asio::awaitable<void> {
        tcp::socket slow{io}, fast{io};
        asio::steady_timer timer{io, 5ms};
        const auto with_timer = co_await (
            dial::connect(slow, silent.endpoint(), asio::use_awaitable) || timer.async_wait(asio::use_awaitable));
        EXPECT_EQ(with_timer.index(), 1u);
        expect_unconnected(slow);

        const auto with_other = co_await (dial::connect(slow, silent.endpoint(), 1h, asio::use_awaitable) ||
            dial::connect(fast, server.endpoint(), asio::use_awaitable));
        EXPECT_EQ(with_other.index(), 1u);
        EXPECT_TRUE(is_connected(fast.native_handle()));
        expect_unconnected(slow);

        co_await dial::connect(slow, server.endpoint());
        EXPECT_TRUE(is_connected(slow.native_handle()));

        auto sockets = co_await (dial::connect(silent.endpoint(), asio::use_awaitable) ||
            dial::connect(server.endpoint(), asio::use_awaitable));
        EXPECT_EQ(sockets.index(), 1u);
        EXPECT_TRUE(is_connected(std::get<1>(sockets).native_handle()));
        done = true;
    };
    asio::co_spawn(io, race(), [](std::exception_ptr e) { EXPECT_FALSE(e); });
    run(io);
    EXPECT_TRUE(done);
}

TEST(connect_cancellation, comes_from_a_parallel_group_of_deferred_operations) {
    asio::io_context io;
    const silent_server silent;
    const tcp_server server;
    tcp::socket slow{io}, fast{io};
    int calls = 0;
    asio::experimental::make_parallel_group(dial::connect(slow, silent.endpoint()),
        dial::connect(fast, server.endpoint(), 1h), dial::connect(io.get_executor(), silent.endpoint()))
        .async_wait(asio::experimental::wait_for_one(),
            [&](std::array<std::size_t, 3> order, error_code a, error_code b, error_code c, tcp::socket own) {
                ++calls;
                EXPECT_EQ(order[0], 1u);
                EXPECT_EQ(a, aborted);
                EXPECT_EQ(b, success);
                EXPECT_EQ(c, aborted);
                EXPECT_FALSE(own.is_open());
            });
    run(io);
    EXPECT_EQ(calls, 1);
    expect_unconnected(slow);
    EXPECT_TRUE(is_connected(fast.native_handle()));
}

TEST(connect_cancellation, of_one_connect_leaves_the_other_alone) {
    asio::io_context io;
    const full_unix_server full;
    unix_stream::socket a{io}, b{io};
    cancellation_signal cancel_a, cancel_b;
    outcome of_a, of_b;
    dial::connect(a, full.endpoint(), record(of_a, cancel_a));
    dial::connect(b, full.endpoint(), 1h, record(of_b, cancel_b));
    run_ready(io);
    cancel_a.emit(cancellation_type::terminal);
    run_ready(io);
    expect(of_a, aborted);
    EXPECT_EQ(of_b.calls, 0);
    EXPECT_TRUE(full.accept());
    run(io);
    expect(of_b, success);
    EXPECT_TRUE(is_connected(b.native_handle()));
}

TEST(connect_cancellation, does_not_abort_other_operations_on_the_socket) {
    asio::io_context io;
    const silent_server silent;
    for (const duration timeout : timeouts) {
        tcp::socket socket{io};
        cancellation_signal signal;
        outcome connect, readable, error;
        dial::connect(socket, silent.endpoint(), timeout, record(connect, signal));
        socket.async_wait(tcp::socket::wait_read, record(readable));
        socket.async_wait(tcp::socket::wait_error, record(error));
        run_ready(io);
        EXPECT_EQ(connect.calls + readable.calls + error.calls, 0);
        signal.emit(cancellation_type::total);
        run_ready(io);
        expect(connect, aborted);
        EXPECT_NE(readable.ec, aborted);  // an unconnected socket is readable: the wait may be over, but not aborted
        EXPECT_NE(error.ec, aborted);
        socket.close();
        run(io);
        EXPECT_EQ(readable.calls, 1);
        EXPECT_EQ(error.calls, 1);
    }
}

// --- After completion, and right beside it ---

TEST(connect_cancellation, after_completion_is_harmless) {
    asio::io_context io;
    const tcp_server server;
    const silent_server silent;
    cancellation_signal live, slow, own;
    for (const duration timeout : timeouts) {
        {
            tcp::socket socket{io}, late{io};
            outcome connected, timed_out;
            dial::connect(socket, server.endpoint(), timeout, record(connected, live));
            dial::connect(late, silent.endpoint(), 1ms, record(timed_out, slow));
            run(io);
            expect(connected, success);
            expect(timed_out, error::timeout);
            live.emit(cancellation_type::terminal);
            EXPECT_TRUE(is_connected(socket.native_handle()));
        }
        live.emit(cancellation_type::terminal);  // the sockets are gone
        slow.emit(cancellation_type::terminal);

        const tcp::endpoint anywhere{asio::ip::address_v4::any(), server.endpoint().port()};  // by way of the reactor
        std::optional<tcp::socket> kept;
        dial::connect(io, anywhere, connect_options{.timeout = timeout},
            asio::bind_cancellation_slot(own.slot(), [&](error_code, tcp::socket s) { kept = std::move(s); }));
        run(io);
        own.emit(cancellation_type::terminal);
        run(io);
        ASSERT_TRUE(kept);
        EXPECT_TRUE(is_connected(kept->native_handle()));
    }
}

TEST(connect_cancellation, and_success_are_never_both_true) {
    asio::io_context io;
    const tcp_server server;
    std::array<int, 2> seen{};
    const tcp::endpoint anywhere{asio::ip::address_v4::any(), server.endpoint().port()};  // by way of the reactor
    for (const tcp::endpoint& peer : {server.endpoint(), anywhere}) {
        for (const duration timeout : timeouts) {
            for (int turns = 0; turns != 5; ++turns) {
                tcp::socket socket{io};
                cancellation_signal signal;
                outcome is;
                dial::connect(socket, peer, timeout, record(is, signal));
                ASSERT_TRUE(is_connected(socket.native_handle())) << "over in the kernel before the first turn";
                io.restart();
                for (int i = 0; i != turns; ++i) io.poll_one();
                signal.emit(cancellation_type::terminal);
                run(io);
                EXPECT_EQ(is.calls, 1);
                EXPECT_EQ(is_connected(socket.native_handle()), !is.ec);
                EXPECT_TRUE(!is.ec || is.ec == aborted);
                if (is.ec) expect_unconnected(socket);
                ++seen[is.ec ? 1 : 0];
            }
        }
    }
    EXPECT_GT(seen[0], 0);
    EXPECT_GT(seen[1], 0);
}

TEST(connect_cancellation, by_the_sockets_own_cancel_withdraws_the_attempt) {
    asio::io_context io;
    const silent_server silent;
    const tcp_server server;
    for (const duration timeout : timeouts) {
        tcp::socket socket{io};
        outcome is;
        dial::connect(socket, silent.endpoint(), timeout, record(is));
        run_ready(io);
        socket.cancel();
        run(io);
        expect(is, aborted);
        expect_unconnected(socket);
        expect_connects_to(io, socket, server);
    }
}

TEST(connect_cancellation, by_closing_the_socket_leaves_it_closed) {
    asio::io_context io;
    const silent_server silent;
    const full_unix_server full;
    const auto close = [&](auto socket, const auto& peer, duration timeout) {
        outcome is;
        dial::connect(socket, peer.endpoint(), timeout, record(is));
        run_ready(io);
        socket.close();
        run(io, 10s);
        expect(is, aborted);
        EXPECT_FALSE(socket.is_open());
    };
    for (const duration timeout : timeouts) {
        close(tcp::socket{io}, silent, timeout);
        close(unix_stream::socket{io}, full, timeout);
    }
}

TEST(connect_cancellation, by_closing_never_touches_the_next_attempt_of_a_reopened_socket) {
    asio::io_context io;
    const silent_server silent;
    const tcp_server server;
    const full_unix_server full;
    const unix_server unix_peer;
    const auto reopen = [&](auto socket, const auto& from, const auto& to, duration timeout, auto check) {
        outcome first, second;
        cancellation_signal signal;
        dial::connect(socket, from.endpoint(), timeout, record(first));
        run_ready(io);
        const int number = socket.native_handle();
        socket.close();
        dial::connect(socket, to.endpoint(), timeout, record(second, signal));
        EXPECT_EQ(socket.native_handle(), number) << "this test needs the number to be used again";
        io.restart();
        while (first.calls == 0 && io.run_one_for(10s) != 0) {}
        run_ready(io);
        expect(first, aborted);
        check(socket, second);
        signal.emit(cancellation_type::terminal);
        run(io);
        EXPECT_EQ(second.calls, 1);
    };
    const auto connected = [](auto& socket, const outcome& second) {
        expect(second, success);
        EXPECT_TRUE(is_connected(socket.native_handle()));
    };
    const auto pending = [](auto& socket, const outcome& second) {
        EXPECT_EQ(second.calls, 0);
        const int state = tcp_state(socket.native_handle());
        EXPECT_TRUE(state == TCP_SYN_SENT || state == -1);  // -1: no TCP
    };
    for (const duration timeout : timeouts) {
        reopen(tcp::socket{io}, silent, server, timeout, connected);
        reopen(tcp::socket{io}, silent, silent, timeout, pending);
        reopen(unix_stream::socket{io}, full, unix_peer, timeout, connected);
        reopen(unix_stream::socket{io}, full, full, timeout, pending);
    }
}

TEST(connect_cancellation, by_destroying_the_io_context_releases_a_thousand_pending_connects) {
    const silent_server silent;
    const full_unix_server full;
    int destroyed = 0;
    const auto guard = [&destroyed] {
        return std::unique_ptr<int, void (*)(int*)>{&destroyed, [](int* count) { ++*count; }};
    };
    std::vector<cancellation_signal> signals(1000);

    const auto start = [&](asio::io_context& io, const auto& peer, std::size_t i) {
        const duration timeout = i % 4 < 2 ? never : 1h;
        const auto slot = i % 8 < 4 ? signals[i].slot() : asio::cancellation_slot{};
        using socket_type = typename std::decay_t<decltype(peer)>::protocol_type::socket;
        if (i % 2 == 0) {
            auto socket = std::make_unique<socket_type>(io);
            auto& borrowed = *socket;
            dial::connect(borrowed, peer, timeout,
                asio::bind_cancellation_slot(
                    slot, [own = std::move(socket), g = guard()](error_code) { ADD_FAILURE() << "called"; }));
        } else {
            dial::connect(io, peer, connect_options{.timeout = timeout},
                asio::bind_cancellation_slot(
                    slot, [g = guard()](error_code, socket_type) { ADD_FAILURE() << "called"; }));
        }
    };
    const std::size_t before = open_descriptors();
    {
        asio::io_context io;
        for (std::size_t i = 0; i != signals.size(); ++i) {
            if (i % 16 < 8)
                start(io, silent.endpoint(), i);
            else
                start(io, full.endpoint(), i);
        }
        run_ready(io);
        EXPECT_EQ(destroyed, 0);
        EXPECT_GE(open_descriptors(), before + signals.size());
    }
    EXPECT_EQ(destroyed, 1000);
    EXPECT_EQ(open_descriptors(), before);
    for (auto& signal : signals) signal.emit(cancellation_type::terminal);
    EXPECT_EQ(destroyed, 1000);
}

}  // namespace
}  // namespace dial::test
