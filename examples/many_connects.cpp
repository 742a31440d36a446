// Dials COUNT times at once on one thread, with a live line on stderr, and sums up how it went.
//
//   $ many_connects localhost 5555 1000
//   1000 of 1000 done, 0 failed
//   1000 x connected
//
// Every socket stays open until all have an answer. Where the limit on open files is too low the summary says so:
// "24 x Too many open files". Shows: thousands of pending dials are as many suspended coroutines, no threads; each
// error arrives as a value. Needs: echo_server.cpp. Next: compose_thread_pool.cpp.
#include "command_line.hpp"

#include <dial/dialer.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <exception>
#include <iostream>
#include <map>
#include <string>
#include <vector>

namespace asio = boost::asio;
using asio::ip::tcp;
using namespace std::chrono_literals;

// Used by one thread alone, so it needs no lock.
struct tally {
    std::size_t wanted = 0, done = 0;
    std::vector<tcp::socket> connected;
    std::map<std::string, std::size_t> outcomes;

    void print_progress() const {
        std::cerr << '\r' << done << " of " << wanted << " done, " << done - connected.size() << " failed"
                  << std::flush;
    }
};

asio::awaitable<void> connect_once(dial::target peer, tally& all) {
    auto [ec, socket] = co_await dial::connect(peer, {.timeout = 10s}, asio::as_tuple(asio::deferred));
    ++all.outcomes[ec ? ec.message() : "connected"];
    ++all.done;
    if (!ec) all.connected.push_back(std::move(socket));
}

asio::awaitable<void> show_progress(const tally& all) {
    asio::steady_timer timer(co_await asio::this_coro::executor);
    while (all.done < all.wanted) {
        all.print_progress();
        timer.expires_after(50ms);
        co_await timer.async_wait(asio::deferred);
    }
}

int main(int argc, char** argv) try {
    if (argc != 4) {
        std::cerr << "usage: many_connects HOST PORT COUNT\n";
        return 2;
    }
    const dial::target peer(argv[1], argv[2]);
    asio::io_context context(1);
    tally all;
    all.wanted = read_number<std::size_t>("COUNT", argv[3], 1, 1'000'000);
    all.connected.reserve(all.wanted);

    asio::co_spawn(context, show_progress(all), asio::detached);
    for (std::size_t i = 0; i != all.wanted; ++i) asio::co_spawn(context, connect_once(peer, all), asio::detached);
    context.run();

    all.print_progress();
    std::cerr << std::endl;
    for (const auto& [outcome, count] : all.outcomes) std::cout << count << " x " << outcome << '\n';
    return all.connected.size() == all.wanted ? 0 : 1;
} catch (...) {
    return explain_failure("many_connects");
}
