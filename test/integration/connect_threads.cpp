// One io_context run by four threads, without a strand.
#include <dial/connect.hpp>

#include <gtest/gtest.h>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <support/loopback.hpp>
#include <support/sanitizers.hpp>

#include <array>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;
using unix_stream = asio::local::stream_protocol;

class connect_threads : public testing::Test {
protected:
    static constexpr std::size_t count = 4;

    asio::io_context io{static_cast<int>(count)};
    asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
    std::vector<std::thread> threads;

    void SetUp() override {
        for (std::size_t i = 0; i != count; ++i) threads.emplace_back([this] { io.run(); });
    }
    void TearDown() override {
        work.reset();
        for (auto& thread : threads) thread.join();
    }
};

// Waits until what was counted in is counted out.
class countdown {
public:
    explicit countdown(int left) : left_{left} {}

    void done() {
        const std::lock_guard lock{mutex_};
        if (--left_ <= 0) zero_.notify_all();
    }
    [[nodiscard]] bool wait() {
        std::unique_lock lock{mutex_};
        return zero_.wait_for(lock, 60s, [&] { return left_ <= 0; });
    }

private:
    std::mutex mutex_;
    std::condition_variable zero_;
    int left_;
};

TEST_F(connect_threads, take_no_old_readiness_for_a_connection) {
    const silent_server silent;
    const refusing_port refusing;
    const full_unix_server full;
    constexpr int rounds = 500;
    countdown left{3 * rounds};
    std::atomic<int> wrong{0};

    const auto start = [&](auto protocol, const auto& peer, duration timeout, error_code expected, bool seen) {
        using socket_type = typename decltype(protocol)::socket;
        // Registered with the reactor, which is told at once that the unconnected socket is writable and hung up.
        auto socket = std::make_shared<socket_type>(io, protocol);
        auto connect = [&, socket, peer, timeout, expected] {
            dial::connect(*socket, peer, timeout, [&, socket, expected](error_code ec) {
                if (ec != expected || is_connected(socket->native_handle())) ++wrong;
                left.done();
            });
        };
        if (seen)
            asio::post(io, std::move(connect));  // the reactor has had its turn, mostly
        else
            connect();
    };
    for (int i = 0; i != rounds; ++i) {
        const bool seen = i % 2 == 0;
        start(tcp::v4(), silent.endpoint(), 10ms, error::timeout, seen);
        start(tcp::v4(), refusing.endpoint(), 1h, asio::error::connection_refused, seen);
        start(unix_stream{}, full.endpoint(), 10ms, error::timeout, seen);
    }
    EXPECT_TRUE(left.wait());
    EXPECT_EQ(wrong, 0);
}

TEST_F(connect_threads, connect_many_at_once) {
    const tcp_server server;
    const unix_server unix_peer;
    constexpr int rounds = 600;
    countdown left{3 * rounds};
    std::atomic<int> wrong{0};
    const auto check = [&](error_code ec, const auto& socket) {
        if (ec || !is_connected(const_cast<std::decay_t<decltype(socket)>&>(socket).native_handle())) ++wrong;
        left.done();
    };
    const tcp::endpoint by_reactor{asio::ip::address_v4::any(), server.endpoint().port()};
    for (int i = 0; i != rounds; ++i) {
        auto socket = std::make_shared<tcp::socket>(io);
        dial::connect(
            *socket, by_reactor, i % 2 ? never : duration{1h}, [&, socket](error_code ec) { check(ec, *socket); });
        dial::connect(
            io, i % 2 ? by_reactor : server.endpoint(), [&](error_code ec, tcp::socket own) { check(ec, own); });
        dial::connect(io, unix_peer.endpoint(), connect_options{.timeout = 1h},
            [&](error_code ec, unix_stream::socket own) { check(ec, own); });
    }
    EXPECT_TRUE(left.wait());
    EXPECT_EQ(wrong, 0);
}

// --- Cancellation on one thread against completion on another ---

// One connect and one cancellation; both done, the state of the socket must agree with what was reported.
template <class Protocol>
struct contest : std::enable_shared_from_this<contest<Protocol>> {
    using socket_type = typename Protocol::socket;

    socket_type socket;
    asio::cancellation_signal signal;
    std::atomic<int> calls{0};
    error_code ec;
    std::atomic<int> to_come{2};  // the completion and the cancellation
    countdown& left;
    std::array<std::atomic<int>, 3>& tally;  // connected, aborted, wrong

    contest(asio::io_context& io, countdown& l, std::array<std::atomic<int>, 3>& t) : socket{io}, left{l}, tally{t} {}

    auto handler() {
        return asio::bind_cancellation_slot(
            signal.slot(), [self = this->shared_from_this()]<class... Own>(error_code result, Own&&... own) {
                self->ec = result;
                ++self->calls;
                if constexpr (sizeof...(Own) != 0) self->take(std::forward<Own>(own)...);
                self->one_done();
            });
    }
    void take(socket_type own) {
        if (own.is_open() != !ec) ++tally[2];
        socket = std::move(own);
    }
    void cancel() {
        signal.emit(asio::cancellation_type::terminal);
        one_done();
    }
    void one_done() {
        if (--to_come != 0) return;
        const bool connected = socket.is_open() && is_connected(socket.native_handle());
        const bool agree = connected == !ec && (!ec || ec == aborted || ec == error::timeout) && calls == 1;
        ++tally[!agree ? 2 : ec ? 1 : 0];
        if (connected) close_by_reset(socket.native_handle());
        left.done();
    }
};

constexpr int contests = sanitized ? 500 : 2000;

class connect_threads_cancelled : public connect_threads {
protected:
    std::array<std::atomic<int>, 3> tally{};

    // Rounds of 100 at once, each with and without a timeout, borrowed and owned.
    template <class Protocol, class Server>
    void contend(const typename Protocol::endpoint& peer, const Server& server) {
        constexpr int at_once = 100;
        for (int round = 0; round != contests / at_once; ++round) {
            countdown left{4 * at_once};
            for (int i = 0; i != 4 * at_once; ++i) {
                asio::post(io, [&, i] {
                    auto one = std::make_shared<contest<Protocol>>(io, left, tally);
                    const duration timeout = i % 2 ? never : duration{i % 8 == 0 ? 1ms : 1h};
                    if (i % 4 < 2)
                        dial::connect(one->socket, peer, timeout, one->handler());
                    else
                        dial::connect(io, peer, connect_options{.timeout = timeout}, one->handler());
                    if (i % 3 == 0)
                        asio::post(io, [&, one] { asio::post(io, [one] { one->cancel(); }); });
                    else
                        asio::post(io, [one] { one->cancel(); });
                });
            }
            ASSERT_TRUE(left.wait());
            server.accept_all();
        }
        EXPECT_EQ(tally[2], 0) << "reports that the socket does not agree with";
    }
    void TearDown() override {
        connect_threads::TearDown();
        RecordProperty("connected", tally[0]);
        RecordProperty("aborted", tally[1]);
    }
};

TEST_F(connect_threads_cancelled, on_the_way_to_a_live_tcp_peer_report_one_thing) {
    const tcp_server server;
    contend<tcp>({asio::ip::address_v4::any(), server.endpoint().port()}, server);  // by way of the reactor
    EXPECT_GT(tally[0], 0);
    EXPECT_GT(tally[1], 0);
}

TEST_F(connect_threads_cancelled, that_connect_at_once_report_one_thing) {
    const tcp_server server;
    contend<tcp>(server.endpoint(), server);
    EXPECT_EQ(tally[1], 0);  // decided before it could be cancelled
}

TEST_F(connect_threads_cancelled, on_the_way_to_a_silent_tcp_peer_are_aborted) {
    struct : silent_server {
        std::size_t accept_all() const { return 0; }  // stays full
    } const silent;
    contend<tcp>(silent.endpoint(), silent);
    EXPECT_EQ(tally[0], 0);
}

TEST_F(connect_threads_cancelled, on_the_way_to_a_live_unix_peer_report_one_thing) {
    const unix_server server;
    contend<unix_stream>(server.endpoint(), server);
    EXPECT_GT(tally[0], 0);
}

TEST_F(connect_threads_cancelled, on_the_way_into_a_full_unix_queue_report_one_thing) {
    const full_unix_server full;  // somebody makes room between rounds, and now and then meanwhile
    std::atomic<bool> over{false};
    std::thread host{[&] {
        while (!over) {
            full.accept_all();
            std::this_thread::yield();
        }
    }};
    contend<unix_stream>(full.endpoint(), full);
    over = true;
    host.join();
}

TEST_F(connect_threads_cancelled, into_a_queue_that_stays_full_are_aborted) {
    struct : full_unix_server {
        std::size_t accept_all() const { return 0; }
    } const full;
    contend<unix_stream>(full.endpoint(), full);
    EXPECT_EQ(tally[0], 0);
}

}  // namespace
}  // namespace dial::test
