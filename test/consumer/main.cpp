// Connects to a listener of its own on loopback, by endpoint and by name, with nothing but an installed dial.
#include <dial/dial.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <chrono>
#include <exception>
#include <iostream>
#include <string>

namespace asio = boost::asio;
using asio::ip::tcp;
using namespace std::chrono_literals;

asio::awaitable<void> run(tcp::socket& socket, tcp::endpoint peer) {
    co_await dial::connect(socket, peer);
    dial::report report;
    tcp::socket by_name =
        co_await dial::connect({"localhost:" + std::to_string(peer.port()), &report}, {.timeout = 5s});
    std::cout << (report.ok() && by_name.is_open() ? "connected" : "not connected") << std::endl;
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
