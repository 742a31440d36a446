// Pings a Redis server, over TCP or over its unix socket.
//
//   $ redis_ping localhost 6379
//   PONG
//   $ redis_ping unix:/run/redis/redis.sock
//   PONG
//
// Shows: one template serves both, because dialer and local_dialer look alike; a dial::target says which is needed.
// Needs: redis-server. Next: http_get.cpp, redis_pool.cpp.
#include "command_line.hpp"

#include <dial/dialer.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
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

template <class Dialer>
asio::awaitable<void> ping(Dialer dialer, dial::target server) {
    auto socket = co_await dialer.connect(server);
    co_await asio::async_write(socket, asio::buffer(std::string_view{"PING\r\n"}), asio::deferred);

    std::string answer;
    const std::size_t size =
        co_await asio::async_read_until(socket, asio::dynamic_buffer(answer, 1024), "\r\n", asio::deferred);
    answer.resize(size - 2);
    if (answer != "+PONG") throw std::runtime_error{"the server answered '" + answer + "', not '+PONG'"};
    std::cout << "PONG" << std::endl;
}

int main(int argc, char** argv) try {
    if (argc != 2 && argc != 3) {
        std::cerr << "usage: redis_ping HOST PORT | HOST:PORT | unix:PATH\n";
        return 2;
    }
    const dial::target server = argc == 2 ? dial::target(argv[1]) : dial::target(argv[1], argv[2]);
    const auto rethrow = [](std::exception_ptr failure) {
        if (failure) std::rethrow_exception(failure);
    };
    asio::io_context context(1);
    if (server.is_unix())
        asio::co_spawn(context, ping(dial::local_dialer(context, {.timeout = 2s}), server), rethrow);
    else
        asio::co_spawn(context, ping(dial::dialer(context, {.timeout = 2s}), server), rethrow);
    context.run();
} catch (...) {
    return explain_failure("redis_ping");
}
