// Dials a name as applications do with Asio alone: async_resolve, async_connect over the results, a timer beside them.
//
//   asio_name HOST PORT N CONCURRENCY
#include "harness.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

asio::io_context io{1};

asio::awaitable<void> connect_all(bench::run& run, long& started) {
    tcp::resolver resolver{io};
    const std::string port = std::to_string(run.port);
    while (started < run.n) {
        ++started;
        tcp::socket socket{io};
        asio::steady_timer limit{io, std::chrono::seconds{30}};
        limit.async_wait([&](error_code ec) {
            if (ec) return;
            resolver.cancel();
            socket.close();
        });
        auto [unknown, addresses] = co_await resolver.async_resolve(run.host, port, asio::as_tuple(asio::deferred));
        error_code ec = unknown;
        if (!ec) {
            auto [failed, peer] = co_await asio::async_connect(socket, addresses, asio::as_tuple(asio::deferred));
            ec = failed;
        }
        limit.cancel();
        co_await asio::post(io, asio::deferred);  // the timer's handler goes first
        run.ended(ec.value());
        error_code ignored;
        if (!ec) socket.set_option(asio::socket_base::linger(true, 0), ignored);
        socket.close(ignored);
    }
}

}  // namespace

int main(int argc, char** argv) {
    bench::run run{argc, argv};
    long started = 0;
    run.begin();
    for (long i = 0; i < run.concurrency; ++i) asio::co_spawn(io, connect_all(run, started), asio::detached);
    io.run();
    return run.end();
}
