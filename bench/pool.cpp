// What a pool adds to connections that are used again and again.
//
//   pool idle|try|post HOST PORT N CLIENTS   N times acquire and return of an idle connection, by so many coroutines; the same with
//                                            try_acquire; or, for comparison, nothing but a turn of the io_context
//   pool bare|pool|trypool HOST PORT N CLIENTS   N PINGs to a Redis server by so many coroutines, each with a connection of its own,
//                                            or with one of a pool for each PING: acquire, or try_acquire first
//
// Prints one JSON object. System calls are counted by whoever runs it under strace.
#include "counting.hpp"
#include "harness.hpp"

#include <dial/dialer.hpp>
#include <dial/pool.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using bench::cpu_ns;
using pool = dial::pool<tcp::socket>;

struct figures {
    double wall = 0, cpu = 0;
    unsigned long allocations = 0;
    long failed = 0;
};

class stopwatch {
public:
    void stop(figures& into) const {
        into.wall = std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - wall_).count();
        into.cpu = cpu_ns() - cpu_;
        into.allocations = allocations - allocations_;
    }

private:
    std::chrono::steady_clock::time_point wall_ = std::chrono::steady_clock::now();
    double cpu_ = cpu_ns();
    unsigned long allocations_ = allocations;
};

asio::awaitable<void> idle(pool& from, dial::target to, long n, figures& result) {
    for (long i = 0; i != n; ++i) {
        auto [ec, lease] = co_await from.acquire(to, asio::as_tuple(asio::deferred));
        result.failed += ec.failed();
    }
}

asio::awaitable<void> try_idle(pool& from, dial::target to, long n, figures& result) {
    for (long i = 0; i != n; ++i) {
        auto lease = from.try_acquire(to);
        if (!lease) lease = co_await from.acquire(to);
        result.failed += !lease;
    }
}

asio::awaitable<void> post(long n) {
    const auto executor = co_await asio::this_coro::executor;
    for (long i = 0; i != n; ++i) co_await asio::post(executor, asio::deferred);
}

asio::awaitable<bool> ping(tcp::socket& redis) {
    static constexpr std::string_view command = "PING\r\n", answer = "+PONG\r\n";
    char reply[answer.size()];
    auto [sent, written] = co_await asio::async_write(redis, asio::buffer(command), asio::as_tuple(asio::deferred));
    if (sent) co_return false;
    auto [got, read] = co_await asio::async_read(redis, asio::buffer(reply), asio::as_tuple(asio::deferred));
    co_return !got && std::string_view(reply, sizeof reply) == answer;
}

asio::awaitable<void> with_pool(pool& from, dial::target to, long n, figures& result) {
    for (long i = 0; i != n; ++i) {
        auto [ec, lease] = co_await from.acquire(to, asio::as_tuple(asio::deferred));
        if (ec || !co_await ping(*lease)) ++result.failed;
    }
}

asio::awaitable<void> trying_first(pool& from, dial::target to, long n, figures& result) {
    for (long i = 0; i != n; ++i) {
        auto lease = from.try_acquire(to);
        if (!lease) lease = co_await from.acquire(to);
        if (!co_await ping(*lease)) ++result.failed;
    }
}

asio::awaitable<void> bare(dial::dialer from, dial::target to, long n, figures& result) {
    tcp::socket redis = co_await from.connect(to);
    for (long i = 0; i != n; ++i)
        if (!co_await ping(redis)) ++result.failed;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 5) return 2;
    const std::string_view what = argv[1];
    const dial::target to{std::string{argv[2]} + ':' + argv[3]};
    const long n = std::atol(argv[4]);
    const int clients = argc > 5 ? std::atoi(argv[5]) : 1;
    asio::io_context io{1};
    const dial::dialer d{io};
    pool connections{io, d, dial::pool_options().max_per_target(static_cast<std::size_t>(clients))};
    figures result;
    const auto run = [&](long each) {
        for (int i = 0; i != clients; ++i) {
            if (what == "idle") asio::co_spawn(io, idle(connections, to, each, result), asio::detached);
            if (what == "try") asio::co_spawn(io, try_idle(connections, to, each, result), asio::detached);
            if (what == "post") asio::co_spawn(io, post(each), asio::detached);
            if (what == "pool") asio::co_spawn(io, with_pool(connections, to, each, result), asio::detached);
            if (what == "trypool") asio::co_spawn(io, trying_first(connections, to, each, result), asio::detached);
            if (what == "bare") asio::co_spawn(io, bare(d, to, each, result), asio::detached);
        }
        io.restart();
        io.run();
    };
    run(100);  // warm
    const stopwatch watch;
    run(n / clients);
    watch.stop(result);
    const auto count = static_cast<double>(n);
    std::printf(
        "{\"ns\":%.1f,\"cpu_ns\":%.1f,\"allocations\":%.2f,\"per_second\":%.0f,\"failed\":%ld,\"opened\":%llu}\n",
        result.wall / count, result.cpu / count, static_cast<double>(result.allocations) / count,
        count / result.wall * 1e9, result.failed, static_cast<unsigned long long>(connections.stats().total.opened));
}
