// Connects to a peer that may never answer; on Ctrl-C gives up and connects the same socket to another one.
//
//   $ connect_cancel_by_signal 127.0.0.1 5556 127.0.0.1 5555
//   connecting to 127.0.0.1:5556; Ctrl-C gives up
//   ^Ccancelled: Operation canceled
//   the same socket connected to 127.0.0.1:5555
//
// Shows: cancellation through the token's slot. The kernel's attempt is withdrawn, so the socket is as it was before;
// success and cancellation never come together. Needs: echo_server.cpp. Next: many_connects.cpp.
#include "command_line.hpp"

#include <dial/connect.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <csignal>
#include <exception>
#include <iostream>

namespace asio = boost::asio;
using asio::ip::tcp;

asio::awaitable<void> run(tcp::endpoint first, tcp::endpoint second) {
    const auto executor = co_await asio::this_coro::executor;
    tcp::socket socket(executor);

    asio::cancellation_signal cancel;
    asio::signal_set interrupt(executor, SIGINT, SIGTERM);
    interrupt.async_wait([&](dial::error_code ec, int) {
        if (!ec) cancel.emit(asio::cancellation_type::terminal);
    });

    std::cout << "connecting to " << first << "; Ctrl-C gives up" << std::endl;
    const auto [ec] = co_await dial::connect(
        socket, first, asio::bind_cancellation_slot(cancel.slot(), asio::as_tuple(asio::use_awaitable)));
    interrupt.cancel();
    if (!ec) {
        std::cout << "connected to " << socket.remote_endpoint() << std::endl;
        co_return;
    }
    if (ec != asio::error::operation_aborted) throw boost::system::system_error{ec};

    std::cout << "cancelled: " << ec.message() << std::endl;
    co_await dial::connect(socket, second);
    std::cout << "the same socket connected to " << socket.remote_endpoint() << std::endl;
}

int main(int argc, char** argv) try {
    if (argc != 5) {
        std::cerr << "usage: connect_cancel_by_signal HOST PORT OTHER_HOST OTHER_PORT    (HOST: an IP address)\n";
        return 2;
    }
    asio::io_context context(1);
    asio::co_spawn(
        context, run(read_endpoint(argv[1], argv[2]), read_endpoint(argv[3], argv[4])), [](std::exception_ptr failure) {
            if (failure) std::rethrow_exception(failure);
        });
    context.run();
} catch (...) {
    return explain_failure("connect_cancel_by_signal");
}
