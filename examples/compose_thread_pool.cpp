// A TCP forwarder on a thread pool: what an existing Asio server looks like once dial connects for it.
//
//   $ compose_thread_pool 8000 localhost 5555
//   forwarding 127.0.0.1:8000 to localhost:5555 on 4 threads
//   ^C2 clients served, 0 without an upstream
//
// Then, elsewhere: echo_client localhost 8000. Shows: every session is a coroutine on a strand of its own, and all share one
// dialer. It takes the executor from the coroutine, so the socket it returns lives on the same strand, and nothing needs a
// lock.
// Needs: echo_server.cpp. Next: redis_ping.cpp, http_get.cpp.
#include "command_line.hpp"

#include <dial/dialer.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <iostream>

namespace asio = boost::asio;
using asio::ip::tcp;
using namespace asio::experimental::awaitable_operators;
using namespace std::chrono_literals;

struct counters {
    std::atomic<int> served{0}, without_upstream{0};
};

asio::awaitable<void> pump(tcp::socket& from, tcp::socket& to) {
    std::array<char, 16384> buffer;
    for (;;) {
        const auto [ec, size] = co_await from.async_read_some(asio::buffer(buffer), asio::as_tuple(asio::deferred));
        if (ec) co_return;
        co_await asio::async_write(to, asio::buffer(buffer, size), asio::deferred);
    }
}

asio::awaitable<void> session(tcp::socket client, dial::dialer dialer, dial::target upstream, counters& counts) {
    auto [ec, server] = co_await dialer.connect(upstream, asio::as_tuple(asio::deferred));
    if (ec) {
        ++counts.without_upstream;
        std::cerr << "compose_thread_pool: " << upstream.to_string() << ": " << ec.message() << std::endl;
        co_return;
    }
    ++counts.served;
    co_await (pump(client, server) || pump(server, client));  // one side has closed: both are closed
}

asio::awaitable<void> serve(tcp::acceptor& listener, asio::thread_pool& pool, dial::target upstream, counters& counts) {
    const dial::dialer dialer(pool, {.timeout = 5s});
    asio::steady_timer pause(pool);
    for (;;) {
        auto [ec, client] = co_await listener.async_accept(asio::make_strand(pool), asio::as_tuple(asio::deferred));
        if (ec == asio::error::operation_aborted) co_return;
        if (ec) {  // too many open files, mostly: some will close
            std::cerr << "compose_thread_pool: accept: " << ec.message() << std::endl;
            pause.expires_after(100ms);
            co_await pause.async_wait(asio::deferred);
            continue;
        }
        const auto strand = client.get_executor();
        asio::co_spawn(strand, session(std::move(client), dialer, upstream, counts), asio::detached);
    }
}

int main(int argc, char** argv) try {
    if (argc != 4) {
        std::cerr << "usage: compose_thread_pool LOCAL_PORT UPSTREAM_HOST UPSTREAM_PORT\n";
        return 2;
    }
    const tcp::endpoint local = read_endpoint("127.0.0.1", argv[1]);
    const dial::target upstream(argv[2], argv[3]);
    counters counts;
    asio::thread_pool pool(4);
    tcp::acceptor listener(asio::make_strand(pool), local);
    asio::co_spawn(listener.get_executor(), serve(listener, pool, upstream, counts), asio::detached);

    asio::signal_set interrupt(pool, SIGINT, SIGTERM);
    interrupt.async_wait([&](auto, int) { pool.stop(); });
    std::cout << "forwarding " << local << " to " << upstream.to_string() << " on 4 threads" << std::endl;
    pool.join();
    std::cout << counts.served << " clients served, " << counts.without_upstream << " without an upstream" << std::endl;
} catch (...) {
    return explain_failure("compose_thread_pool");
}
