// Dials a server five times: the same operation under five completion tokens.
//
//   $ five_tokens localhost 5555
//   coroutine   connected to 127.0.0.1:5555
//   as_tuple    connected to 127.0.0.1:5555
//   callback    connected to 127.0.0.1:5555
//   use_future  connected to 127.0.0.1:5555
//   spawn       connected to 127.0.0.1:5555
//
// Shows: dial::connect is an ordinary initiating function of Asio; the last argument says how the result arrives, as an
// exception or as a value. Needs: echo_server.cpp, Boost.Context (for spawn). Next: compose_thread_pool.cpp.
#include "command_line.hpp"

#include <dial/dialer.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/spawn.hpp>
#include <boost/asio/use_future.hpp>

#include <exception>
#include <future>
#include <iostream>

namespace asio = boost::asio;
using asio::ip::tcp;

void report(const char* token, const tcp::socket& socket) {
    std::cout << token << "connected to " << socket.remote_endpoint() << std::endl;
}

void rethrow(std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
}

// The default token: an error is thrown as boost::system::system_error.
asio::awaitable<void> coroutine(dial::target peer) {
    report("coroutine   ", co_await dial::connect(peer));
}

// The error as a value.
asio::awaitable<void> tuple(dial::target peer) {
    auto [ec, socket] = co_await dial::connect(peer, asio::as_tuple(asio::deferred));
    if (ec) throw boost::system::system_error{ec};
    report("as_tuple    ", socket);
}

// A callback has no executor of its own: dial::connect is told where the socket lives.
void callback(asio::io_context& context, dial::target peer) {
    dial::connect(context, peer, [](dial::error_code ec, tcp::socket socket) {
        if (ec) throw boost::system::system_error{ec};
        report("callback    ", socket);
    });
}

int main(int argc, char** argv) try {
    if (argc != 3) {
        std::cerr << "usage: five_tokens HOST PORT\n";
        return 2;
    }
    const dial::target peer(argv[1], argv[2]);
    asio::io_context context(1);
    const auto run = [&] { context.restart(), context.run(); };

    asio::co_spawn(context, coroutine(peer), rethrow), run();
    asio::co_spawn(context, tuple(peer), rethrow), run();
    callback(context, peer), run();

    std::future<tcp::socket> future = dial::connect(context, peer, asio::use_future);
    run();
    report("use_future  ", future.get());

    // A stackful coroutine: an ordinary function that suspends inside the call.
    asio::spawn(
        context, [&](asio::yield_context yield) { report("spawn       ", dial::connect(peer, yield)); }, rethrow);
    run();
} catch (...) {
    return explain_failure("five_tokens");
}
