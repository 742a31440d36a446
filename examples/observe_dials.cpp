// Prints what a dialer does while it does it: each lookup, attempt and phase, as it starts and as it ends.
//
//   $ observe_dials localhost 5555
//   race started
//   attempt 0 to [::1]:5555 started
//   attempt 0 to [::1]:5555 ended: failed, Connection refused
//   attempt 1 to 127.0.0.1:5555 started
//   attempt 1 to 127.0.0.1:5555 ended: done
//   race ended: done
//
// Shows: dialer::observe, for logs and metrics; one observer sees all dials of its dialer. Needs: echo_server.cpp.
// Next: own_resolver.cpp.
#include "command_line.hpp"

#include <dial/dialer.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>

#include <exception>
#include <iostream>

namespace asio = boost::asio;

void print(const dial::event& e) {
    using enum dial::event::subject;
    switch (e.what) {
        case phase: std::cout << e.phase; break;
        case lookup: std::cout << "lookup of " << (e.family == dial::address_family::v6 ? "AAAA" : "A"); break;
        case attempt: std::cout << "attempt " << e.index << " to " << e.peer; break;
    }
    if (!e.ended) {
        std::cout << " started\n";
        return;
    }
    std::cout << " ended: " << to_string(e.how);
    if (e.error) std::cout << ", " << e.error.message();
    for (const auto& address : e.addresses) std::cout << ' ' << address;
    std::cout << '\n';
}

asio::awaitable<bool> connect(dial::dialer dialer, dial::target host) {
    const auto [ec, socket] = co_await dialer.connect(host, asio::as_tuple(asio::deferred));
    co_return !ec;
}

int main(int argc, char** argv) try {
    if (argc != 3) {
        std::cerr << "usage: observe_dials HOST PORT\n";
        return 2;
    }
    const dial::target host(argv[1], argv[2]);
    asio::io_context context(1);
    dial::dialer dialer(context);
    dialer.observe(print);
    bool connected = false;
    asio::co_spawn(context, connect(dialer, host), [&](std::exception_ptr failure, bool result) {
        if (failure) std::rethrow_exception(failure);
        connected = result;
    });
    context.run();
    return connected ? 0 : 1;
} catch (...) {
    return explain_failure("observe_dials");
}
