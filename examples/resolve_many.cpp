// Resolves and dials many names at once, on one thread, with a progress bar: n1.test, n2.test, … of a DNS server's.
//
//   $ resolve_many 127.0.0.1:5300 test 5555 1000
//   [########################################] 1000/1000, 0 failed, 4210 a second
//   1000 connected in 237 ms; the slowest took 61 ms
//
// Shows: dns_resolver, which needs no thread, with a caching_resolver in front; a limit on what is under way, by as many
// coroutines as may be. Needs: echo_server.cpp, and a DNS server that knows the names. Next: srv_client.cpp.
#include "command_line.hpp"

#include <dial/dial.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <iostream>
#include <map>
#include <string>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr int most_at_once = 200;

struct job {
    std::string domain, port;
    int names = 0;
    int begun = 0, connected = 0, failed = 0;
    std::map<std::string, int> reasons;
    dial::duration slowest = {};
    steady_clock::time_point start = steady_clock::now();

    int done() const { return connected + failed; }
    double seconds() const { return std::chrono::duration<double>(steady_clock::now() - start).count(); }
};

// One of those who work side by side: takes the next name until there is none.
asio::awaitable<void> dial_names(const dial::dialer& dialer, job& all) {
    while (all.begun != all.names) {
        std::string name{"n"};
        name.append(std::to_string(++all.begun)).append(".").append(all.domain);
        const auto begun = steady_clock::now();
        const auto [ec, socket] = co_await dialer.connect(dial::target(name, all.port), asio::as_tuple(asio::deferred));
        if (ec) {
            ++all.failed;
            ++all.reasons[ec.message()];
            continue;
        }
        ++all.connected;
        all.slowest = std::max<dial::duration>(all.slowest, steady_clock::now() - begun);
    }
}

void draw(const job& all) {
    constexpr int width = 40;
    const int full = width * all.done() / all.names;
    std::cerr << "\r[" << std::string(static_cast<std::size_t>(full), '#')
              << std::string(static_cast<std::size_t>(width - full), '.') << "] " << all.done() << '/' << all.names
              << ", " << all.failed << " failed, " << static_cast<int>(all.done() / all.seconds()) << " a second";
}

// On a terminal, ten times a second.
asio::awaitable<void> show_progress(const job& all) {
    asio::steady_timer timer(co_await asio::this_coro::executor);
    while (all.done() != all.names) {
        draw(all);
        timer.expires_after(100ms);
        co_await timer.async_wait(asio::deferred);
    }
}

int main(int argc, char** argv) try {
    if (argc != 5) {
        std::cerr << "usage: resolve_many DNS_SERVER DOMAIN PORT NAMES\n";
        return 2;
    }
    job all{.domain = argv[2], .port = argv[3], .names = read_number("NAMES", argv[4], 1, 1'000'000), .reasons = {}};
    const dial::caching_resolver names{dial::dns_resolver{dial::dns_options().server(argv[1])}};

    asio::io_context context(1);
    const dial::dialer dialer(context, {.timeout = 10s}, names);
    for (int i = 0; i != std::min(most_at_once, all.names); ++i)
        asio::co_spawn(context, dial_names(dialer, all), asio::detached);
    const bool on_terminal = ::isatty(STDERR_FILENO) == 1;
    if (on_terminal) asio::co_spawn(context, show_progress(all), asio::detached);
    context.run();

    if (on_terminal) {
        draw(all);
        std::cerr << '\n';
    }
    std::cout << all.connected << " connected in " << static_cast<int>(all.seconds() * 1000) << " ms; the slowest took "
              << all.slowest / 1ms << " ms\n";
    for (const auto& [reason, count] : all.reasons) std::cout << count << " x " << reason << '\n';
    return all.failed == 0 ? 0 : 1;
} catch (...) {
    return explain_failure("resolve_many");
}
