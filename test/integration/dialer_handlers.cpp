// What a dial keeps of its handler: executor, slot, and the forms in which it can be awaited.
#include <dial/dialer.hpp>
#include <support/loopback.hpp>
#include <support/resolvers.hpp>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;

class dialer_handlers : public testing::Test {
protected:
    std::string to_server() const { return "127.0.0.1:" + std::to_string(server.endpoint().port()); }
    std::string by_name() const { return "db:" + std::to_string(server.endpoint().port()); }

    asio::io_context io;
    tcp_server server;
    silent_server silent{"127.0.0.2", server.endpoint().port()};
    // Behind it: a lookup, an attempt that is silent, one that connects.
    dialer by_the_long_way{
        io, {.attempt_delay = 1ms}, static_resolver({{"db", addresses({"127.0.0.2", "127.0.0.1"})}})};
};

TEST_F(dialer_handlers, may_be_move_only) {
    int calls = 0;
    const auto handler = [&] {
        return [&, guard = std::make_unique<int>()](error_code ec, tcp::socket) { calls += !ec; };
    };
    dial::connect(io, to_server(), handler());
    dial::connect(io.get_executor(), to_server(), {.timeout = 5s}, handler());
    by_the_long_way.connect(by_name(), handler());
    run(io);
    EXPECT_EQ(calls, 3);
}

TEST_F(dialer_handlers, run_on_their_strand_where_the_socket_lives_too) {
    auto strand = asio::make_strand(io);
    int calls = 0;
    const auto handler = [&] {
        return asio::bind_executor(strand, [&](error_code ec, tcp::socket s) {
            calls += !ec;
            EXPECT_TRUE(strand.running_in_this_thread());
            EXPECT_EQ(s.get_executor(), asio::any_io_executor{strand});
        });
    };
    dial::connect(to_server(), handler());
    by_the_long_way.connect(by_name(), handler());
    run(io);
    EXPECT_EQ(calls, 2);
}

TEST_F(dialer_handlers, run_on_their_own_io_context_and_so_does_the_dial) {
    asio::io_context other;
    int calls = 0;
    by_the_long_way.connect(by_name(), asio::bind_executor(other, [&](error_code ec, tcp::socket s) {
        calls += !ec;
        EXPECT_EQ(s.get_executor(), asio::any_io_executor{other.get_executor()});
    }));
    run(io);
    EXPECT_EQ(calls, 0);
    run(other);
    EXPECT_EQ(calls, 1);
}

TEST_F(dialer_handlers, of_an_executor_that_runs_no_sockets_run_there_and_the_socket_lives_on_the_dialers) {
    // A future's: it runs where it is called. A static pool's, type-erased: nothing but a place to run.
    std::future<tcp::socket> future = by_the_long_way.connect(by_name(), asio::use_future);
    asio::io_context other;
    asio::any_completion_executor elsewhere = other.get_executor();
    bool called = false;
    by_the_long_way.connect(by_name(), asio::bind_executor(elsewhere, [&](error_code ec, tcp::socket s) {
        called = true;
        EXPECT_EQ(ec, success);
        EXPECT_TRUE(other.get_executor().running_in_this_thread());
        EXPECT_EQ(s.get_executor(), asio::any_io_executor{io.get_executor()});
    }));
    std::thread sockets{[&] { run(io); }};
    run(other);  // it is at work until the handler was called
    sockets.join();
    EXPECT_TRUE(called);
    EXPECT_TRUE(future.get().is_open());
}

TEST_F(dialer_handlers, may_be_type_erased) {
    int calls = 0;
    auto strand = asio::make_strand(io);
    by_the_long_way.connect(by_name(),
        asio::any_completion_handler<void(error_code, tcp::socket)>(
            asio::bind_executor(strand, [&](error_code ec, tcp::socket) {
                ++calls;
                EXPECT_EQ(ec, success);
                EXPECT_TRUE(strand.running_in_this_thread());
            })));
    run(io);
    EXPECT_EQ(calls, 1);
}

TEST_F(dialer_handlers, that_throw_throw_from_run_and_nothing_is_lost) {
    for (const std::string& to : {to_server(), by_name()}) {
        by_the_long_way.connect(to, [](error_code, tcp::socket) { throw std::runtime_error{"the handler's"}; });
        EXPECT_THROW(run(io), std::runtime_error);
        io.restart();
        run(io);
    }
}

// --- Every form in which README and docs await it ---

TEST_F(dialer_handlers, every_form_can_be_awaited) {
    int connected = 0;
    asio::co_spawn(
        io,
        [&]() -> asio::awaitable<void> {
            report story;
            const dialer& d = by_the_long_way;
            tcp::socket a =
                co_await dial::connect("127.0.0.1:" + std::to_string(server.endpoint().port()), {.timeout = 5s});
            connected += a.is_open();
            tcp::socket b = co_await dial::connect(to_server().c_str());
            connected += b.is_open();
            tcp::socket c =
                co_await dial::connect({to_server(), &story}, {.timeout = 5s, .socket = {.no_delay = false}});
            connected += c.is_open() && story.ok();
            tcp::socket e = co_await dial::connect(io.get_executor(), to_server(), {.timeout = 5s});
            connected += e.is_open();
            tcp::socket f = co_await dial::connect(io, {to_server(), &story, std::chrono::steady_clock::now() + 5s});
            connected += f.is_open();
            auto [ec, g] = co_await dial::connect(to_server(), {.timeout = 5s}, asio::as_tuple(asio::deferred));
            connected += !ec && g.is_open();
            tcp::socket h = co_await dial::connect(to_server(), asio::use_awaitable);
            connected += h.is_open();
            tcp::socket i = co_await d.connect(by_name());
            connected += i.is_open();
            tcp::socket j = co_await d.connect({by_name(), &story}, asio::use_awaitable);
            connected += j.is_open();
            tcp::socket k = co_await dialer{io}.connect(to_server());
            connected += k.is_open();
            tcp::socket l = co_await dialer{co_await asio::this_coro::executor, {.timeout = 5s}}.connect(
                {target{"127.0.0.1", server.endpoint().port()}});
            connected += l.is_open();
        },
        [](std::exception_ptr failure) {
            if (failure) std::rethrow_exception(failure);
        });
    run(io);
    EXPECT_EQ(connected, 11);
}

TEST_F(dialer_handlers, a_bad_target_throws_where_it_is_written) {
    EXPECT_THROW(dial::connect(io, "no port", [](error_code, tcp::socket) {}), std::invalid_argument);
}

// --- Threads ---

TEST(dialer_threads, one_dialer_serves_several_io_contexts_and_threads) {
    const tcp_server server;
    const silent_server silent{"127.0.0.2", server.endpoint().port()};
    const std::string to = "db:" + std::to_string(server.endpoint().port());
    asio::thread_pool pool{4};
    asio::io_context one, two;
    std::atomic<int> connected = 0;
    dialer d{pool, {.attempt_delay = 1ms}, static_resolver({{"db", addresses({"127.0.0.2", "127.0.0.1"})}})};
    d.sources(addresses({"127.0.0.5", "127.0.0.6"}));
    const auto session = [&]() -> asio::awaitable<void> {
        for (int i = 0; i != 25; ++i) {
            report story;
            tcp::socket s = co_await d.connect({to, &story});
            close_by_reset(s.native_handle());
            if (s.is_open() && story.ok()) ++connected;
        }
    };
    for (int i = 0; i != 4; ++i) {
        asio::co_spawn(pool, session(), asio::detached);  // no strand: any thread of the pool
        asio::co_spawn(asio::make_strand(pool), session(), asio::detached);
        asio::co_spawn(one, session(), asio::detached);
        asio::co_spawn(two, session(), asio::detached);
    }
    std::vector<std::thread> threads;
    for (asio::io_context* io : {&one, &one, &two}) threads.emplace_back([io] { io->run(); });
    for (std::thread& t : threads) t.join();
    pool.join();
    EXPECT_EQ(connected, 4 * 4 * 25);
}

TEST(dialer_threads, cancelling_while_another_thread_completes_is_safe) {
    const tcp_server server;
    const silent_server silent{"127.0.0.2", server.endpoint().port()};
    const std::string to = "db:" + std::to_string(server.endpoint().port());
    asio::thread_pool pool{3};
    dialer d{pool, {.timeout = 2ms, .attempt_delay = 500us},
        static_resolver({{"db", addresses({"127.0.0.2", "127.0.0.1"})}})};
    std::atomic<int> calls = 0;
    constexpr int dials = 500;
    std::vector<std::unique_ptr<asio::cancellation_signal>> signals;
    for (int i = 0; i != dials; ++i) {
        auto& signal = *signals.emplace_back(std::make_unique<asio::cancellation_signal>());
        d.connect(to, asio::bind_cancellation_slot(signal.slot(), [&](error_code ec, tcp::socket s) {
            ++calls;
            EXPECT_EQ(s.is_open(), !ec);
        }));
        asio::post(pool, [&signal] { signal.emit(asio::cancellation_type::terminal); });
    }
    pool.join();
    EXPECT_EQ(calls, dials);
}

}  // namespace
}  // namespace dial::test
