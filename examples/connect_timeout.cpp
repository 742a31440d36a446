// Connects under a time limit and says which of three things happened: connected, out of time, or another error.
//
//   $ connect_timeout 127.0.0.1 5556 250
//   127.0.0.1:5556: timed out: not connected within the time limit (250 ms)
//   the socket is open and unconnected
//
// Shows: the limit is an argument of dial::connect, not a second operation beside it; running out of it is
// dial::error::timeout. Needs: the silent port of echo_server.cpp. Next: connect_cancel_by_signal.cpp.
#include "command_line.hpp"

#include <dial/connect.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <chrono>
#include <exception>
#include <iostream>

namespace asio = boost::asio;
using asio::ip::tcp;
using std::chrono::milliseconds, std::chrono::steady_clock;

asio::awaitable<bool> try_connect(tcp::endpoint peer, milliseconds limit) {
    tcp::socket socket(co_await asio::this_coro::executor);
    const auto start = steady_clock::now();
    const auto [ec] = co_await dial::connect(socket, peer, limit, asio::as_tuple(asio::deferred));
    const auto passed = std::chrono::duration_cast<milliseconds>(steady_clock::now() - start);

    std::cout << peer << ": " << (ec ? ec.message() : "connected") << " (" << passed.count() << " ms)\n";
    if (ec == dial::error::timeout)  // and, as every timeout, ec == std::errc::timed_out
        std::cout << "the socket is " << (socket.is_open() ? "open and unconnected\n" : "closed\n");
    co_return !ec;
}

int main(int argc, char** argv) try {
    if (argc != 4) {
        std::cerr << "usage: connect_timeout HOST PORT MILLISECONDS    (HOST: an IP address)\n";
        return 2;
    }
    const tcp::endpoint peer = read_endpoint(argv[1], argv[2]);
    const milliseconds limit{read_number("MILLISECONDS", argv[3], 0, 3'600'000)};
    asio::io_context context(1);
    bool connected = false;
    asio::co_spawn(context, try_connect(peer, limit), [&](std::exception_ptr failure, bool result) {
        if (failure) std::rethrow_exception(failure);
        connected = result;
    });
    context.run();
    return connected ? 0 : 1;
} catch (...) {
    return explain_failure("connect_timeout");
}
