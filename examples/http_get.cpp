// Gets one resource over HTTP/1.1 and prints it.
//
//   $ http_get 127.0.0.1 8080 /
//   HTTP 200 OK
//   <!DOCTYPE html> ...
//
// Shows: what dial::connect returns is an ordinary socket, ready for Boost.Beast or any other protocol library.
// Needs: nginx or another web server. Next: ../docs/tutorial.md.
#include "command_line.hpp"

#include <dial/connect.hpp>

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
#include <sstream>
#include <string>

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using namespace std::chrono_literals;

asio::awaitable<bool> get(tcp::endpoint server, std::string target) {
    tcp::socket socket = co_await dial::connect(server, {.timeout = 5s});

    http::request<http::empty_body> request(http::verb::get, target, 11);
    std::ostringstream host;
    host << server;
    request.set(http::field::host, host.str());
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
        std::cerr << "usage: http_get HOST PORT [TARGET]    (HOST: an IP address)\n";
        return 2;
    }
    const tcp::endpoint server = read_endpoint(argv[1], argv[2]);
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
