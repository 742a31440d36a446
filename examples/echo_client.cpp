// Dials an echo server, by name or by address, sends a line and prints what comes back.
//
//   $ echo_client localhost 5555 "hello, dial"
//   connected from 127.0.0.1:40544 to 127.0.0.1:5555
//   hello, dial
//
// Shows: dial::connect in a coroutine. It finds the host's addresses, races them, and returns the socket that connected
// first, with TCP_NODELAY and keep-alive set. Needs: echo_server.cpp. Next: race_addresses.cpp, and five_tokens.cpp for
// programs without coroutines.
#include "command_line.hpp"

#include <dial/dialer.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include <chrono>
#include <exception>
#include <iostream>
#include <string>

namespace asio = boost::asio;
using asio::ip::tcp;
using namespace std::chrono_literals;

asio::awaitable<void> echo(dial::target server, std::string text) {
    tcp::socket socket = co_await dial::connect(server, {.timeout = 5s});
    std::cout << "connected from " << socket.local_endpoint() << " to " << socket.remote_endpoint() << std::endl;

    co_await asio::async_write(socket, asio::buffer(text), asio::deferred);
    std::string answer(text.size(), '\0');
    co_await asio::async_read(socket, asio::buffer(answer), asio::deferred);
    std::cout << answer << std::endl;
}

int main(int argc, char** argv) try {
    if (argc != 3 && argc != 4) {
        std::cerr << "usage: echo_client HOST PORT [TEXT]\n";
        return 2;
    }
    const dial::target server(argv[1], argv[2]);
    asio::io_context context(1);
    asio::co_spawn(context, echo(server, argc == 4 ? argv[3] : "hello"), [](std::exception_ptr failure) {
        if (failure) std::rethrow_exception(failure);
    });
    context.run();
} catch (...) {
    return explain_failure("echo_client");
}
