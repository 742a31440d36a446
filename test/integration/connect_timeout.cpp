// Time limits: dial::error::timeout when they pass, and a socket that can be used again.
#include <dial/connect.hpp>

#include <gtest/gtest.h>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/post.hpp>
#include <support/loopback.hpp>

#include <chrono>
#include <limits>
#include <memory>
#include <system_error>
#include <utility>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;
using unix_stream = asio::local::stream_protocol;
using steady = std::chrono::steady_clock;

class connect_timeout : public testing::Test {
protected:
    asio::io_context io;
    tcp_server server;
    silent_server silent;
    unix_server unix_peer;
    full_unix_server full;

    template <class Socket, class Server, class Timeout>
    error_code connect(Socket& socket, const Server& to, Timeout timeout) {
        outcome is;
        dial::connect(socket, to.endpoint(), timeout, record(is));
        run(io);
        EXPECT_EQ(is.calls, 1);
        return is.ec;
    }
};

// --- No time at all ---

TEST_F(connect_timeout, of_zero_or_less_fails_at_once_without_a_system_call) {
    const auto nothing_happens = [&](auto timeout) {
        tcp::socket closed{io};
        tcp::socket open{io, tcp::v4()};
        outcome of_closed, of_open;
        dial::connect(closed, server.endpoint(), timeout, record(of_closed));
        dial::connect(open, server.endpoint(), timeout, record(of_open));
        EXPECT_EQ(of_closed.calls + of_open.calls, 0) << "called inside the initiating call";
        run(io);
        expect(of_closed, error::timeout);
        expect(of_open, error::timeout);
        EXPECT_FALSE(closed.is_open());
        EXPECT_TRUE(open.is_open());
        EXPECT_EQ(local_endpoint(open.native_handle()).port(), 0) << "connect(2) has been called";
        EXPECT_FALSE(open.native_non_blocking()) << "the descriptor has been touched";
    };
    nothing_happens(0s);
    nothing_happens(-1ns);
    nothing_happens(-0.5s);
    nothing_happens(duration::min());
    nothing_happens(std::chrono::hours::min());
    nothing_happens(std::chrono::duration<double>{-std::numeric_limits<double>::infinity()});
    nothing_happens(std::chrono::duration<double>{std::numeric_limits<double>::quiet_NaN()});
    EXPECT_EQ(server.accept_all(), 0u);
}

TEST_F(connect_timeout, of_zero_opens_no_socket_of_dials_own) {
    const tcp::socket starts_the_reactor{io};
    const std::size_t before = open_descriptors();
    int calls = 0;
    dial::connect(io, server.endpoint(), connect_options{.timeout = 0s}, [&](error_code ec, tcp::socket socket) {
        ++calls;
        EXPECT_EQ(ec, error::timeout);
        EXPECT_FALSE(socket.is_open());
    });
    EXPECT_EQ(calls, 0);
    EXPECT_EQ(open_descriptors(), before);
    run(io);
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(server.accept_all(), 0u);
}

// --- Every unit of time ---

TEST_F(connect_timeout, may_be_of_any_duration) {
    const auto connects = [&](auto timeout) {
        tcp::socket at_once{io};
        EXPECT_FALSE(connect(at_once, server, timeout));
        tcp::socket by_reactor{io};
        outcome is;
        dial::connect(
            by_reactor, tcp::endpoint{asio::ip::address_v4::any(), server.endpoint().port()}, timeout, record(is));
        run(io);
        expect(is, success);
        unix_stream::socket local{io};
        EXPECT_FALSE(connect(local, unix_peer, timeout));
    };
    connects(5s);
    connects(2.5s);
    connects(1h);
    connects(0.25h);
    connects(std::chrono::duration<float, std::nano>{1e9f});
    connects(std::chrono::duration<std::int64_t, std::pico>{1'000'000'000'000});
    connects(std::chrono::hours::max());
    connects(std::chrono::milliseconds::max());
    connects(duration::max() - 1ns);
    connects(std::chrono::duration<double>{std::numeric_limits<double>::infinity()});
    connects(never);
}

TEST_F(connect_timeout, too_long_for_the_clock_does_not_pass) {
    const auto stays_pending = [&](auto timeout) {
        tcp::socket socket{io};
        asio::cancellation_signal signal;
        outcome is;
        dial::connect(socket, silent.endpoint(), timeout, record(is, signal));
        run_ready(io);
        EXPECT_EQ(is.calls, 0);
        signal.emit(asio::cancellation_type::terminal);
        run(io);
        expect(is, aborted);
    };
    stays_pending(never);
    stays_pending(duration::max() - 1ns);
    stays_pending(std::chrono::hours::max());
    stays_pending(std::chrono::duration<double>{1e300});
}

// --- When it passes ---

TEST_F(connect_timeout, ends_a_pending_tcp_connect_and_leaves_the_socket_reusable) {
    tcp::socket socket{io};
    const auto start = steady::now();
    const error_code ec = connect(socket, silent, 20ms);
    const auto took = steady::now() - start;
    EXPECT_EQ(ec, error::timeout);
    EXPECT_EQ(ec.category(), dial_category());
    EXPECT_EQ(ec, boost::system::errc::timed_out);
    EXPECT_EQ(std::error_code{ec}, std::errc::timed_out);
    EXPECT_NE(ec, asio::error::operation_aborted);
    EXPECT_NE(std::error_code{ec}, std::errc::operation_canceled);
    EXPECT_GE(took, 20ms);
    EXPECT_LT(took, 30 * 20ms);

    ASSERT_TRUE(socket.is_open());
    EXPECT_FALSE(is_connected(socket.native_handle()));
    EXPECT_EQ(pending_error(socket.native_handle()), 0);
    EXPECT_FALSE(connect(socket, server, 20s));
    EXPECT_TRUE(is_connected(socket.native_handle()));
}

TEST_F(connect_timeout, ends_a_wait_in_a_full_unix_queue_and_leaves_the_socket_reusable) {
    unix_stream::socket socket{io};
    const auto start = steady::now();
    EXPECT_EQ(connect(socket, full, 20ms), error::timeout);
    const auto took = steady::now() - start;
    EXPECT_GE(took, 20ms);
    EXPECT_LT(took, 30 * 20ms);
    EXPECT_FALSE(is_connected(socket.native_handle()));
    EXPECT_EQ(pending_error(socket.native_handle()), 0);
    EXPECT_FALSE(connect(socket, unix_peer, 20s));
}

TEST_F(connect_timeout, closes_a_socket_of_dials_own) {
    const tcp::socket starts_the_reactor{io};
    const std::size_t before = open_descriptors();
    int calls = 0;
    const auto handler = [&](error_code ec, auto socket) {
        ++calls;
        EXPECT_EQ(ec, error::timeout);
        EXPECT_FALSE(socket.is_open());
    };
    dial::connect(io, silent.endpoint(), connect_options{.timeout = 5ms}, handler);
    dial::connect(io, full.endpoint(), connect_options{.timeout = 5ms}, handler);
    EXPECT_EQ(open_descriptors(), before + 2);
    run(io);
    EXPECT_EQ(calls, 2);
    EXPECT_EQ(open_descriptors(), before);
}

TEST_F(connect_timeout, is_not_waited_for_when_the_connect_has_ended) {
    // No timer stays behind: run() returns when the handlers have run, not in an hour.
    const auto start = steady::now();
    tcp::socket a{io}, b{io};
    outcome by_reactor, cancelled;
    asio::cancellation_signal signal;
    dial::connect(a, tcp::endpoint{asio::ip::address_v4::any(), server.endpoint().port()}, 1h, record(by_reactor));
    dial::connect(b, silent.endpoint(), 1h, record(cancelled, signal));
    asio::post(io, [&] { signal.emit(asio::cancellation_type::partial); });
    run(io);
    expect(by_reactor, success);
    expect(cancelled, aborted);
    EXPECT_LT(steady::now() - start, 10s);
}

TEST_F(connect_timeout, leaves_room_for_a_full_unix_queue_to_be_accepted) {
    for (const duration timeout : {never, duration{20s}}) {
        const full_unix_server busy;
        unix_stream::socket socket{io};
        outcome is;
        dial::connect(socket, busy.endpoint(), timeout, record(is));
        io.restart();
        io.run_for(5ms);  // a few tries
        EXPECT_EQ(is.calls, 0);
        EXPECT_TRUE(busy.accept());
        run(io);
        expect(is, success);
        EXPECT_TRUE(is_connected(socket.native_handle()));
    }
}

// --- Beside a cancellation, and in a loop that is late ---

TEST_F(connect_timeout, and_cancellation_are_told_apart) {
    for (const bool cancel_first : {true, false}) {
        const auto race = [&](auto socket, const auto& peer) {
            asio::cancellation_signal signal;
            outcome is;
            dial::connect(socket, peer.endpoint(), cancel_first ? 1h : 2ms, record(is, signal));
            run_ready(io);
            if (cancel_first) {
                signal.emit(asio::cancellation_type::total);
                run(io);
            } else {
                run(io);
                signal.emit(asio::cancellation_type::total);
                run(io);
            }
            expect(is, cancel_first ? aborted : make_error_code(error::timeout));
        };
        race(tcp::socket{io}, silent);
        race(unix_stream::socket{io}, full);
    }
}

// Blocks the loop, as a handler that computes for too long does.
void compute_until(steady::time_point when) {
    while (steady::now() < when) {}
}

TEST_F(connect_timeout, of_a_late_loop_does_not_hide_that_the_peer_has_answered) {
    // Connected in the kernel at once, and looked at when the limit has long passed: timer and socket are both due.
    for (int i = 0; i != 20; ++i) {
        tcp::socket socket{io};
        outcome is;
        dial::connect(socket, tcp::endpoint{asio::ip::address_v4::any(), server.endpoint().port()}, 1ms, record(is));
        compute_until(steady::now() + 3ms);
        run(io);
        expect(is, success);
        EXPECT_TRUE(is_connected(socket.native_handle()));
    }
    const refusing_port refusing;
    tcp::socket socket{io};
    outcome is;
    dial::connect(socket, tcp::endpoint{asio::ip::address_v4::any(), refusing.endpoint().port()}, 1ms, record(is));
    compute_until(steady::now() + 3ms);
    run(io);
    expect(is, asio::error::connection_refused);
}

TEST_F(connect_timeout, of_a_late_loop_lets_a_full_unix_queue_be_tried_once_more) {
    const full_unix_server busy;
    unix_stream::socket socket{io};
    outcome is;
    dial::connect(socket, busy.endpoint(), 5ms, record(is));
    EXPECT_TRUE(busy.accept());
    compute_until(steady::now() + 10ms);
    run(io);
    expect(is, success);
    EXPECT_TRUE(is_connected(socket.native_handle()));
}

}  // namespace
}  // namespace dial::test
