// Connects to a listener of its own on loopback, with nothing but an installed dial.
#include <dial/connect.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <exception>
#include <iostream>

namespace asio = boost::asio;
using asio::ip::tcp;

asio::awaitable<void> run(tcp::socket& socket, tcp::endpoint peer) {
    co_await dial::connect(socket, peer);
    std::cout << "connected" << std::endl;
}

int main() {
    asio::io_context context;
    tcp::acceptor listener(context, {asio::ip::address_v4::loopback(), 0});
    tcp::socket socket(context);
    std::exception_ptr failure;
    asio::co_spawn(context, run(socket, listener.local_endpoint()), [&](std::exception_ptr e) { failure = e; });
    context.run();
    if (failure) std::rethrow_exception(failure);
}
