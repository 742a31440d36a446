// Races the addresses of a host, and prints the timeline: what was looked up and tried, when, and how each try ended.
//
//   $ race_addresses localhost 5555
//   [::1]:5555       0 ms ×                                             connection refused          0 ms
//   127.0.0.1:5555  10 ms                                             ● connected from 127.0.0.1   10 ms
//   connected to 127.0.0.1:5555 in 10 ms
//
// Shows: a dial::report, which has the whole story on success and on failure. The command `dial` prints the same, while it
// happens. Needs: echo_server.cpp. Next: observe_dials.cpp, ../docs/race.md.
#include "command_line.hpp"

#include <dial/dialer.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <exception>
#include <iostream>

namespace asio = boost::asio;
using namespace std::chrono_literals;

asio::awaitable<bool> race(dial::target host) {
    dial::report report;
    const auto [ec, socket] = co_await dial::connect({host, &report}, {.timeout = 5s}, asio::as_tuple(asio::deferred));
    std::cout << report.to_string();  // also where it failed: the first line then says why
    co_return !ec;
}

int main(int argc, char** argv) try {
    if (argc != 3) {
        std::cerr << "usage: race_addresses HOST PORT\n";
        return 2;
    }
    const dial::target host(argv[1], argv[2]);
    asio::io_context context(1);
    bool connected = false;
    asio::co_spawn(context, race(host), [&](std::exception_ptr failure, bool result) {
        if (failure) std::rethrow_exception(failure);
        connected = result;
    });
    context.run();
    return connected ? 0 : 1;
} catch (...) {
    return explain_failure("race_addresses");
}
