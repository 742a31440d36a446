// Measures what the size of a pool does: throughput, and how long who needs a connection waits for it.
//
//   $ pool_sizes
//   a server that works on 4 requests at a time, 5 ms each; 64 clients
//   connections  requests/s  waits: half    99 %  answers: half    99 %
//             1         197      310 ms  ...
//
// The server is in the same process. `pool_sizes SECONDS`: so long for each size; one by default.
//
// Shows: pool_options::max_per_target, pool::stats. Next: docs/sizing-a-pool.md, which explains the figures.
#include <dial/dialer.hpp>
#include <dial/pool.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using asio::ip::tcp;
using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;

constexpr int workers = 4, clients = 64;
constexpr auto work = 5ms;

// --- The server: a request is a byte, and so is the answer ---

using places = asio::experimental::channel<void(boost::system::error_code)>;

asio::awaitable<void> serve(tcp::socket client, places& free) {
    asio::steady_timer busy{client.get_executor()};
    char byte;
    for (;;) {
        auto [over, n] = co_await asio::async_read(client, asio::buffer(&byte, 1), asio::as_tuple(asio::deferred));
        if (over) co_return;
        co_await free.async_send({}, asio::deferred);  // waits while all are taken
        busy.expires_after(work);
        co_await busy.async_wait(asio::deferred);
        free.try_receive([](auto) {});
        co_await asio::async_write(client, asio::buffer(&byte, 1), asio::as_tuple(asio::deferred));
    }
}

asio::awaitable<void> listen(tcp::acceptor& acceptor, places& free) {
    for (;;) {
        auto [closed, client] = co_await acceptor.async_accept(asio::as_tuple(asio::deferred));
        if (closed) co_return;
        asio::co_spawn(acceptor.get_executor(), serve(std::move(client), free), asio::detached);
    }
}

// --- The clients ---

using durations = std::vector<dial::duration>;

asio::awaitable<void> ask(dial::pool<tcp::socket>& pool, dial::target to, clock_type::time_point until,
    durations& waits, durations& answers) {
    char byte = 'x';
    while (clock_type::now() < until) {
        const auto begun = clock_type::now();
        auto connection = co_await pool.acquire(to);
        waits.push_back(clock_type::now() - begun);
        co_await asio::async_write(*connection, asio::buffer(&byte, 1), asio::deferred);
        co_await asio::async_read(*connection, asio::buffer(&byte, 1), asio::deferred);
        answers.push_back(clock_type::now() - begun);
    }
}

double ms(durations& all, double part) {
    if (all.empty()) return 0;
    const auto place = all.begin() + static_cast<std::ptrdiff_t>(part * static_cast<double>(all.size() - 1));
    std::nth_element(all.begin(), place, all.end());
    return std::chrono::duration<double, std::milli>(*place).count();
}

void measure(std::size_t size, double seconds) {
    asio::io_context io{1};
    tcp::acceptor acceptor{io, {asio::ip::address_v4::loopback(), 0}};
    places free{io, workers};
    asio::co_spawn(io, listen(acceptor, free), asio::detached);

    dial::pool pool{io, dial::dialer{io}, dial::pool_options().max_per_target(size)};
    const dial::target to{"127.0.0.1", acceptor.local_endpoint().port()};
    durations waits, answers;
    int running = clients;
    const auto until =
        clock_type::now() + std::chrono::duration_cast<clock_type::duration>(std::chrono::duration<double>(seconds));
    for (int i = 0; i != clients; ++i)
        asio::co_spawn(io, ask(pool, to, until, waits, answers), [&](std::exception_ptr failed) {
            if (failed) std::rethrow_exception(failed);
            if (--running == 0) io.stop();
        });
    const auto begun = clock_type::now();
    io.run();
    const double took = std::chrono::duration<double>(clock_type::now() - begun).count();
    std::printf("%11zu  %10.0f  %8.1f ms %6.1f ms  %10.1f ms %6.1f ms\n", size,
        static_cast<double>(answers.size()) / took, ms(waits, 0.5), ms(waits, 0.99), ms(answers, 0.5),
        ms(answers, 0.99));
    std::fflush(stdout);
}

int main(int argc, char** argv) {
    const double seconds = argc > 1 ? std::atof(argv[1]) : 1;
    if (argc > 2 || !(seconds > 0 && seconds < 3600)) {
        std::fprintf(stderr, "usage: pool_sizes [SECONDS]\n");
        return 2;
    }
    std::printf("a server that works on %d requests at a time, %d ms each; %d clients\n", workers,
        static_cast<int>(std::chrono::milliseconds{work}.count()), clients);
    std::printf("connections  requests/s  waits: half    99 %%  answers: half    99 %%\n");
    for (const unsigned size : {1u, 2u, 4u, 8u, 16u, 64u}) measure(size, seconds);
}
