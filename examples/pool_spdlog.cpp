// Logs what happens in a pool with spdlog, against a server of its own that closes each connection soon after it has answered.
//
//   $ pool_spdlog
//   trace pool opening target="127.0.0.1:38301" connection=1 in_use=0 idle=0 connecting=1 waiting=2
//   debug pool opened target="127.0.0.1:38301" connection=1 took_ms=0.215 in_use=0 idle=1 connecting=0 waiting=2
//   debug pool acquired target="127.0.0.1:38301" connection=1 reused=false waited_ms=0.346 in_use=1 idle=0 ...
//   ...
//   info pool closed target="127.0.0.1:38301" connection=1 why=dead in_use=0 idle=0 connecting=0 waiting=0
//   warning pool open_failed target="127.0.0.1:35187" connection=2 error="Connection refused" took_ms=0.109 ...
//
// Shows: pool_options::observe; pool_spdlog.hpp is made to be copied. Needs: spdlog (libspdlog-dev) when it is built. Next:
// pool_prometheus.cpp, for numbers instead of lines.
#include "pool_spdlog.hpp"
#include "command_line.hpp"

#include <dial/dialer.hpp>
#include <dial/pool.hpp>

#include <spdlog/sinks/stdout_sinks.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <chrono>
#include <exception>
#include <iostream>
#include <memory>
#include <string>
#include <utility>

namespace asio = boost::asio;
using asio::ip::tcp;
using namespace std::chrono_literals;

// Two answers, and a little later it closes.
asio::awaitable<void> answer(tcp::socket client) {
    std::array<char, 4> word;
    for (int i = 0; i != 2; ++i) {
        co_await asio::async_read(client, asio::buffer(word), asio::deferred);
        co_await asio::async_write(client, asio::buffer(word), asio::deferred);
    }
    asio::steady_timer pause(client.get_executor(), 50ms);
    co_await pause.async_wait(asio::deferred);
}

asio::awaitable<void> serve(tcp::acceptor& listener) {
    for (;;) {
        auto [ec, client] = co_await listener.async_accept(asio::as_tuple(asio::deferred));
        if (ec) co_return;
        asio::co_spawn(listener.get_executor(), answer(std::move(client)), asio::detached);
    }
}

asio::awaitable<void> ask(dial::pool<tcp::socket>& pool, dial::target server) {
    auto connection = co_await pool.acquire(server);
    std::array<char, 4> word{'p', 'i', 'n', 'g'};
    co_await asio::async_write(*connection, asio::buffer(word), asio::deferred);
    co_await asio::async_read(*connection, asio::buffer(word), asio::deferred);
}

asio::awaitable<void> pass(asio::steady_timer::duration time) {
    asio::steady_timer timer(co_await asio::this_coro::executor, time);
    co_await timer.async_wait(asio::deferred);
}

asio::awaitable<void> run(dial::pool<tcp::socket>& pool, dial::target server, dial::target nobody) {
    const auto executor = co_await asio::this_coro::executor;
    asio::co_spawn(executor, ask(pool, server), asio::detached);  // one gets the connection,
    co_await ask(pool, server);                                   // the other one waits for it
    co_await pass(150ms);                                         // the server closes it while it is idle

    co_await pool.acquire(nobody, asio::as_tuple(asio::deferred));  // refused

    auto connection = co_await pool.acquire(server);
    co_await pool.acquire(server, asio::as_tuple(asio::deferred));  // there is only one: this takes too long
    connection.discard();
}

int main() try {
    const auto logger = std::make_shared<spdlog::logger>("pool", std::make_shared<spdlog::sinks::stdout_sink_st>());
    logger->set_pattern("%l %v");
    logger->set_level(spdlog::level::trace);

    asio::io_context context(1);
    tcp::acceptor listener(context, {asio::ip::address_v4::loopback(), 0});
    tcp::acceptor refusing(context, tcp::v4());
    refusing.bind({asio::ip::address_v4::loopback(), 0});  // the port is taken, but nobody listens
    const auto target_of = [](const tcp::acceptor& there) {
        return dial::target("127.0.0.1", there.local_endpoint().port());
    };

    dial::pool pool(context, dial::dialer(context),
        dial::pool_options().max_per_target(1).acquire_timeout(200ms).observe(log_to(logger)));
    asio::co_spawn(context, serve(listener), asio::detached);
    asio::co_spawn(context, run(pool, target_of(listener), target_of(refusing)), [&](std::exception_ptr failure) {
        listener.close();
        if (failure) std::rethrow_exception(failure);
    });
    context.run();
} catch (...) {
    return explain_failure("pool_spdlog");
}
