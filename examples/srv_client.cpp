// Dials a service by its SRV record: the hosts that offer it, in the order that the record gives.
//
//   $ srv_client 127.0.0.1:5300 _echo._tcp.test
//   resolve   SRV  2 hosts   0.3 ms (TTL 300 s, 127.0.0.1:5300)
//   …
//   connected to 127.0.0.1:5555 in 0.9 ms
//
// Shows: dial::srv, dns_resolver. Needs: echo_server.cpp, and a DNS server with that record. Next: ../docs/how-to/services.md.
#include "command_line.hpp"

#include <dial/dial.hpp>

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

asio::awaitable<bool> talk(dial::dialer dialer, dial::target service) {
    dial::report report;
    const auto [ec, socket] = co_await dialer.connect({service, &report}, asio::as_tuple(asio::deferred));
    std::cout << report.to_string();
    co_return !ec;
}

int main(int argc, char** argv) try {
    if (argc != 3) {
        std::cerr << "usage: srv_client DNS_SERVER _SERVICE._PROTO.NAME\n";
        return 2;
    }
    const dial::dns_resolver names(dial::dns_options().server(argv[1]));
    asio::io_context context(1);
    const dial::dialer dialer(context, {.timeout = 10s, .attempt_timeout = 2s}, names);
    bool connected = false;
    asio::co_spawn(context, talk(dialer, dial::srv(argv[2])), [&](std::exception_ptr failure, bool result) {
        if (failure) std::rethrow_exception(failure);
        connected = result;
    });
    context.run();
    return connected ? 0 : 1;
} catch (...) {
    return explain_failure("srv_client");
}
