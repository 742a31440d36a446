// Two servers for the other examples to talk to: one that echoes, and one that never answers.
//
//   $ echo_server 127.0.0.1 5555
//   echoes on 127.0.0.1:5555
//   silent on 127.0.0.1:5556
//
// It runs until Ctrl-C. The silent port has a full accept queue: the kernel drops what else arrives, and a connect to it
// stays pending. Shows: no dial, only its peers. Next: echo_client.cpp.
#include "command_line.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <csignal>
#include <exception>
#include <iostream>

namespace asio = boost::asio;
using asio::ip::tcp;

asio::awaitable<void> echo(tcp::socket client) {
    std::array<char, 4096> buffer;
    for (;;) {
        const auto [read_error, size] =
            co_await client.async_read_some(asio::buffer(buffer), asio::as_tuple(asio::deferred));
        if (read_error) co_return;
        const auto [write_error, written] =
            co_await asio::async_write(client, asio::buffer(buffer, size), asio::as_tuple(asio::deferred));
        if (write_error) co_return;
    }
}

asio::awaitable<void> serve(tcp::acceptor listener) {
    for (;;) {
        tcp::socket client = co_await listener.async_accept(asio::deferred);
        asio::co_spawn(listener.get_executor(), echo(std::move(client)), asio::detached);
    }
}

int main(int argc, char** argv) try {
    if (argc != 3) {
        std::cerr << "usage: echo_server HOST PORT    (HOST: an address of this machine; PORT + 1 stays silent)\n";
        return 2;
    }
    const tcp::endpoint echoing = read_endpoint(argv[1], argv[2]);
    const tcp::endpoint silent(echoing.address(), static_cast<unsigned short>(echoing.port() + 1));

    asio::io_context context(1);
    tcp::acceptor listener(context, echoing);

    tcp::acceptor full(context);  // a queue for one connection, and nobody accepts it
    full.open(silent.protocol());
    full.set_option(tcp::acceptor::reuse_address(true));
    full.bind(silent);
    full.listen(0);
    tcp::socket the_one(context);
    the_one.connect(silent);

    std::cout << "echoes on " << echoing << "\nsilent on " << silent << std::endl;
    asio::co_spawn(context, serve(std::move(listener)), [](std::exception_ptr failure) {
        if (failure) std::rethrow_exception(failure);
    });
    asio::signal_set interrupt(context, SIGINT, SIGTERM);
    interrupt.async_wait([&](auto, int) { context.stop(); });
    context.run();
} catch (...) {
    return explain_failure("echo_server");
}
