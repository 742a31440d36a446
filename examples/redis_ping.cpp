// Pings a Redis server, over TCP or over its unix socket.
//
//   $ redis_ping 127.0.0.1 6379
//   PONG
//   $ redis_ping unix:/run/redis/redis.sock
//   PONG
//
// Shows: one template serves both, because dial::connect takes any endpoint and returns its protocol's socket.
// Needs: redis-server. Next: http_get.cpp.
#include "command_line.hpp"

#include <dial/connect.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

#include <chrono>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace asio = boost::asio;
using namespace std::chrono_literals;

template <class Endpoint>
asio::awaitable<void> ping(Endpoint server) {
    auto socket = co_await dial::connect(server, {.timeout = 2s});
    co_await asio::async_write(socket, asio::buffer(std::string_view{"PING\r\n"}), asio::deferred);

    std::string answer;
    const std::size_t size =
        co_await asio::async_read_until(socket, asio::dynamic_buffer(answer, 1024), "\r\n", asio::deferred);
    answer.resize(size - 2);
    if (answer != "+PONG") throw std::runtime_error{"the server answered '" + answer + "', not '+PONG'"};
    std::cout << "PONG" << std::endl;
}

int main(int argc, char** argv) try {
    const std::string_view first = argc > 1 ? argv[1] : "";
    const bool local = argc == 2 && first.starts_with("unix:");
    if (!local && argc != 3) {
        std::cerr << "usage: redis_ping HOST PORT | unix:PATH    (HOST: an IP address)\n";
        return 2;
    }
    const auto rethrow = [](std::exception_ptr failure) {
        if (failure) std::rethrow_exception(failure);
    };
    asio::io_context context(1);
    if (local)
        asio::co_spawn(context, ping(asio::local::stream_protocol::endpoint{first.substr(5)}), rethrow);
    else
        asio::co_spawn(context, ping(read_endpoint(argv[1], argv[2])), rethrow);
    context.run();
} catch (...) {
    return explain_failure("redis_ping");
}
