// What a layer adds to a dial: heap allocations and CPU, for each layer over one dialer, and for all of them nested.
//
//   layers HOST PORT N WHICH [callback|coroutine]     WHICH: dialer, connector, timeout, retry, limit, breaker, failover, all
//
// Prints one JSON object. System calls are counted by whoever runs it under strace. HOST is best a literal: a dial by name has
// allocations and system calls of its own that vary.
#include "counting.hpp"
#include "harness.hpp"

#include <dial/breaker.hpp>
#include <dial/dialer.hpp>
#include <dial/failover.hpp>
#include <dial/limit.hpp>
#include <dial/retry.hpp>
#include <dial/timeout.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <sys/socket.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

namespace asio = boost::asio;
using bench::cpu_ns;
using namespace std::chrono_literals;
using connector = dial::connector<asio::ip::tcp::socket>;

// No TIME_WAIT: the ports would run out.
void hang_up(asio::ip::tcp::socket& socket) {
    const linger at_once{1, 0};
    ::setsockopt(socket.native_handle(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    socket.close();
}

connector make(std::string_view which, const dial::dialer& d, const std::string& target) {
    if (which == "timeout") return dial::timeout(d, 10s);
    if (which == "retry") return dial::retry(d);
    if (which == "limit") return dial::limit(d, 64);
    if (which == "breaker") return dial::breaker(d);
    if (which == "failover") return dial::failover(d, {target});
    if (which == "all")
        return dial::timeout(dial::failover(dial::retry(dial::breaker(dial::limit(d, 64))), {target}), 10s);
    return d;
}

// One after the other; the result is the failures.
template <class Connector>
long run_callbacks(asio::io_context& io, const Connector& from, const dial::target& to, long n) {
    long failed = 0;
    for (long i = 0; i != n; ++i) {
        from.connect(to, [&](dial::error_code ec, asio::ip::tcp::socket socket) {
            failed += ec.failed();
            hang_up(socket);
        });
        io.restart();
        io.run();
    }
    return failed;
}

template <class Connector>
long run_coroutine(asio::io_context& io, const Connector& from, const dial::target& to, long n) {
    long failed = 0;
    const auto loop = [&]() -> asio::awaitable<void> {
        for (long i = 0; i != n; ++i) {
            auto [ec, socket] = co_await from.connect(to, asio::as_tuple(asio::deferred));
            failed += ec.failed();
            hang_up(socket);
        }
    };
    asio::co_spawn(io, loop(), asio::detached);
    io.restart();
    io.run();
    return failed;
}

template <class Connector>
void measure(asio::io_context& io, const Connector& from, const dial::target& to, long n, bool coroutine) {
    const auto run = coroutine ? run_coroutine<Connector> : run_callbacks<Connector>;
    run(io, from, to, 200);  // warm
    const unsigned long allocations_before = allocations;
    const double before = cpu_ns();
    const long failed = run(io, from, to, n);
    const double each = (cpu_ns() - before) / static_cast<double>(n);
    std::printf("{\"allocations\":%.2f,\"cpu_ns\":%.0f,\"failed\":%ld}\n",
        static_cast<double>(allocations - allocations_before) / static_cast<double>(n), each, failed);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 5) return 2;
    const std::string target = std::string{argv[1]} + ':' + argv[2];
    const long n = std::atol(argv[3]);
    const std::string_view which = argv[4];
    const bool coroutine = argc > 5 && std::string_view{argv[5]} == "coroutine";
    asio::io_context io{1};
    const dial::dialer d{io};
    if (which == "dialer")
        measure(io, d, target, n, coroutine);
    else
        measure(io, make(which, d, target), target, n, coroutine);
}
