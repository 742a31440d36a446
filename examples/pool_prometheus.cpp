// Uses a pool a little, and serves its statistics to Prometheus: one scrape, on a port of loopback that the kernel chooses.
//
//   $ pool_prometheus localhost:5555 localhost:1
//   scrape http://127.0.0.1:39211/metrics
//   # HELP dial_pool_connections Connections that there are, by what they do.
//   # TYPE dial_pool_connections gauge
//   dial_pool_connections{target="localhost:5555",state="in_use"} 1
//   ...
//   dial_pool_wait_seconds_bucket{target="localhost:5555",le="0.0005"} 12
//   ...
//
// What is served is printed as well. Shows: pool::stats; pool_prometheus.hpp is made to be copied. Needs: echo_server.cpp, or any
// other server: nothing is said to it. Next: ../README.md.
#include "pool_prometheus.hpp"
#include "command_line.hpp"
#include "time_limit.hpp"

#include <dial/dialer.hpp>
#include <dial/pool.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http.hpp>

#include <chrono>
#include <exception>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using namespace std::chrono_literals;

// Twenty times it has a connection for a moment.
asio::awaitable<void> use(dial::pool<tcp::socket>& pool, dial::target server) {
    asio::steady_timer moment(pool.get_executor());
    for (int i = 0; i != 20; ++i) {
        const auto [ec, connection] = co_await pool.acquire(server, asio::as_tuple(asio::deferred));
        if (ec) co_return;
        moment.expires_after(1ms);
        co_await moment.async_wait(asio::deferred);
    }
}

// True if it was a scrape.
asio::awaitable<bool> serve(tcp::socket client, const dial::pool<tcp::socket>& pool) {
    const time_limit limit(client, 5s);
    boost::beast::flat_buffer buffer(16 * 1024);
    http::request<http::empty_body> request;
    co_await http::async_read(client, buffer, request, asio::deferred);

    const bool scrape = request.target() == "/metrics" && request.method() == http::verb::get;
    http::response<http::string_body> answer(scrape ? http::status::ok : http::status::not_found, request.version());
    answer.keep_alive(false);
    answer.set(http::field::content_type,
        boost::beast::string_view{prometheus_content_type.data(), prometheus_content_type.size()});
    if (scrape) answer.body() = to_prometheus(pool.stats());
    answer.prepare_payload();
    co_await http::async_write(client, answer, asio::deferred);
    std::cout << answer.body() << std::flush;
    co_return scrape;
}

asio::awaitable<void> serve_one_scrape(const dial::pool<tcp::socket>& pool) {
    tcp::acceptor listener(co_await asio::this_coro::executor, {asio::ip::address_v4::loopback(), 0});
    std::cout << "scrape http://" << listener.local_endpoint() << "/metrics" << std::endl;
    for (bool scraped = false; !scraped;) {
        tcp::socket client = co_await listener.async_accept(asio::deferred);
        try {
            scraped = co_await serve(std::move(client), pool);
        } catch (const boost::system::system_error& error) {
            std::cerr << "a client was not served: " << error.code().message() << '\n';
        }
    }
}

asio::awaitable<void> run(dial::pool<tcp::socket>& pool, std::vector<dial::target> servers) {
    std::vector<dial::lease<tcp::socket>> kept;  // one of each server stays in use
    for (const auto& server : servers) {
        auto [ec, connection] = co_await pool.acquire(server, asio::as_tuple(asio::deferred));
        if (ec)
            std::cerr << server.to_string() << ": " << ec.message() << '\n';
        else
            kept.push_back(std::move(connection));
    }
    co_await serve_one_scrape(pool);
}

int main(int argc, char** argv) try {
    if (argc < 2) {
        std::cerr << "usage: pool_prometheus HOST:PORT...\n";
        return 2;
    }
    const std::vector<dial::target> servers(argv + 1, argv + argc);
    asio::io_context context(1);
    dial::pool pool(context, dial::dialer(context, {.timeout = 2s}), dial::pool_options().max_per_target(2));
    for (const auto& server : servers)
        for (int i = 0; i != 6; ++i) asio::co_spawn(context, use(pool, server), asio::detached);
    context.run();

    context.restart();
    asio::co_spawn(context, run(pool, servers), [](std::exception_ptr failure) {
        if (failure) std::rethrow_exception(failure);
    });
    context.run();
} catch (...) {
    return explain_failure("pool_prometheus");
}
