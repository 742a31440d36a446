// Gets one resource over HTTP/1.1 and prints it.
//
//   $ http_get localhost 8080 /
//   HTTP 200 OK
//   <!DOCTYPE html> ...
//
// Shows: what dial::connect returns is an ordinary socket, ready for Boost.Beast or any other protocol library.
// Needs: nginx or another web server. Next: http_pool.cpp, ../docs/tutorial.md.
#include "command_line.hpp"

#include <dial/dialer.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <chrono>
#include <exception>
#include <iostream>
#include <string>

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using namespace std::chrono_literals;

asio::awaitable<bool> get(dial::target server, std::string resource) {
    tcp::socket socket = co_await dial::connect(server, {.timeout = 5s});

    http::request<http::empty_body> request(http::verb::get, resource, 11);
    request.set(http::field::host, server.to_string());
    request.set(http::field::connection, "close");
    co_await http::async_write(socket, request, asio::deferred);

    boost::beast::flat_buffer buffer;
    http::response<http::string_body> response;
    co_await http::async_read(socket, buffer, response, asio::deferred);
    std::cout << "HTTP " << response.result_int() << ' ' << response.reason() << '\n' << response.body() << std::flush;
    co_return to_status_class(response.result()) == http::status_class::successful;
}

int main(int argc, char** argv) try {
    if (argc != 3 && argc != 4) {
        std::cerr << "usage: http_get HOST PORT [RESOURCE]\n";
        return 2;
    }
    const dial::target server(argv[1], argv[2]);
    asio::io_context context(1);
    bool successful = false;
    asio::co_spawn(context, get(server, argc == 4 ? argv[3] : "/"), [&](std::exception_ptr failure, bool result) {
        if (failure) std::rethrow_exception(failure);
        successful = result;
    });
    context.run();
    return successful ? 0 : 1;
} catch (...) {
    return explain_failure("http_get");
}
