// Fetches a page many times over a few connections that are kept alive, and sums up how it went.
//
//   $ http_pool localhost:8080 /
//   10000 of 10000 pages, 170000 bytes in 0.61 s, 16393 pages per second
//   connections opened: 104, failed to open: 0, handed out: 10000 times, 9896 of these not for the first time
//   requests sent again on another connection: 0
//   latency, with the wait for a connection: half 3.7 ms, 90 % 4.1 ms, 99 % 5.2 ms, all 14.8 ms
//
// Shows: Boost.Beast on the leased socket; which connections may go back to the pool (all was read, and the server keeps it open);
// a request is sent again if a connection that was kept ended before a byte of the answer had come. A live line on stderr.
// Needs: nginx or another web server. Next: pool_spdlog.cpp, pool_prometheus.cpp.
#include "command_line.hpp"
#include "time_limit.hpp"

#include <dial/dialer.hpp>
#include <dial/pool.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <iostream>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;

struct settings {
    dial::target server;
    std::string resource = "/";
    std::size_t pages = 10'000, connections = 8, coroutines = 64;
};

// What came of one request on one connection.
struct answer {
    dial::error_code error;
    bool begun = false;       // a byte of the answer came
    bool keep_alive = false;  // all of it was read, and the server keeps the connection open
    unsigned status = 0;
    std::string reason;
    std::size_t bytes = 0;
};

asio::awaitable<answer> get(tcp::socket& socket, const http::request<http::empty_body>& request) {
    const time_limit limit(socket, 10s);
    answer result;
    std::tie(result.error, std::ignore) = co_await http::async_write(socket, request, asio::as_tuple(asio::deferred));

    // The body is counted, not kept: it may be of any size.
    boost::beast::flat_buffer buffer;
    http::response_parser<http::buffer_body> parser;
    parser.body_limit(boost::none);
    std::vector<char> piece(16 * 1024);
    while (!result.error && !parser.is_done()) {
        parser.get().body().data = piece.data();
        parser.get().body().size = piece.size();
        std::tie(result.error, std::ignore) =
            co_await http::async_read(socket, buffer, parser, asio::as_tuple(asio::deferred));
        if (result.error == http::error::need_buffer) result.error = {};
        result.bytes += piece.size() - parser.get().body().size;
    }
    result.begun = parser.got_some() || buffer.size() != 0;
    result.error = limit.explain(result.error);
    if (result.error) co_return result;
    result.status = parser.get().result_int();
    result.reason = parser.get().reason();
    // Bytes after the answer are one to a question that nobody asked.
    result.keep_alive = parser.keep_alive() && buffer.size() == 0;
    co_return result;
}

struct tally {
    std::size_t asked = 0, done = 0, failed = 0, sent_again = 0, running = 0;
    std::uint64_t bytes = 0;
    std::map<std::string, std::size_t> failures;
    std::vector<clock_type::duration> latencies;
    clock_type::time_point started = clock_type::now(), ended = started;

    void fail(const std::string& reason) {
        ++failed;
        ++failures[reason];
    }
};

// One page after the other, as long as there are any left to ask for. Returns early if there are no connections to be had.
asio::awaitable<void> fetch(dial::pool<tcp::socket>& pool, const settings& how, tally& all) {
    http::request<http::empty_body> request(http::verb::get, how.resource, 11);
    request.set(http::field::host, how.server.to_string());

    for (int without_connection = 0; without_connection != 3 && all.asked != how.pages;) {
        ++all.asked;
        const auto started = clock_type::now();
        for (;;) {
            auto [no_connection, connection] = co_await pool.acquire(how.server, asio::as_tuple(asio::deferred));
            if (no_connection) {
                all.fail("no connection: " + no_connection.message());
                ++without_connection;
                break;
            }
            without_connection = 0;
            const bool kept = connection.reused();
            const answer got = co_await get(*connection, request);
            if (!got.keep_alive) connection.discard();  // else it goes back to the pool
            if (got.error && kept && !got.begun && got.error != dial::error::timeout) {
                ++all.sent_again;
                continue;
            }
            if (got.error) {
                all.fail(got.error.message());
            } else if (http::to_status_class(got.status) != http::status_class::successful) {
                all.fail("HTTP " + std::to_string(got.status) + ' ' + got.reason);
            } else {
                ++all.done;
                all.bytes += got.bytes;
                all.latencies.push_back(clock_type::now() - started);
            }
            break;
        }
        all.ended = clock_type::now();
    }
    --all.running;
}

double seconds(clock_type::duration time) {
    return std::chrono::duration<double>(time).count();
}

// In a terminal a bar that moves, elsewhere a line per second.
asio::awaitable<void> show_progress(const settings& how, const tally& all) {
    const bool terminal = ::isatty(STDERR_FILENO) == 1;
    asio::steady_timer timer(co_await asio::this_coro::executor);
    auto next_line = all.started + 1s;
    for (bool last = false; !last;) {
        timer.expires_after(50ms);
        co_await timer.async_wait(asio::deferred);
        last = all.running == 0;
        if (!terminal && clock_type::now() < next_line) continue;
        next_line += 1s;

        const std::size_t over = all.done + all.failed;
        const double rate = static_cast<double>(over) / seconds(all.ended - all.started);
        if (terminal) {
            const std::size_t width = 40, part = over * width / how.pages;
            std::cerr << "\r[" << std::string(part, '#') << std::string(width - part, '.') << "] ";
        }
        std::cerr << over << " of " << how.pages << ", " << all.failed << " failed, " << static_cast<long>(rate)
                  << " per second" << (terminal && !last ? "  " : "\n") << std::flush;
    }
}

// The time within which this part of the answers had come.
double quantile(std::vector<clock_type::duration>& all, double part) {
    if (all.empty()) return 0;
    const auto index = static_cast<std::size_t>(part * static_cast<double>(all.size() - 1));
    const auto place = all.begin() + static_cast<std::ptrdiff_t>(index);
    std::nth_element(all.begin(), place, all.end());
    return seconds(*place) * 1000;
}

int main(int argc, char** argv) try {
    if (argc < 2 || argc > 6) {
        std::cerr << "usage: http_pool HOST:PORT [RESOURCE [PAGES [CONNECTIONS [COROUTINES]]]]\n"
                     "By default 10000 times / over 8 connections, 64 requests at a time.\n";
        return 2;
    }
    settings how;
    how.server = dial::target(argv[1]);
    if (argc > 2) how.resource = argv[2];
    if (argc > 3) how.pages = read_number<std::size_t>("PAGES", argv[3], 1, 1'000'000'000);
    if (argc > 4) how.connections = read_number<std::size_t>("CONNECTIONS", argv[4], 1, 10'000);
    if (argc > 5) how.coroutines = read_number<std::size_t>("COROUTINES", argv[5], 1, 100'000);

    asio::io_context context(1);
    dial::pool pool(context, dial::dialer(context, {.timeout = 2s}),
        dial::pool_options().max_per_target(how.connections).acquire_timeout(10s));
    tally all;
    all.running = how.coroutines;
    for (std::size_t i = 0; i != how.coroutines; ++i) asio::co_spawn(context, fetch(pool, how, all), asio::detached);
    asio::co_spawn(context, show_progress(how, all), asio::detached);
    context.run();

    const double took = seconds(all.ended - all.started);
    const dial::pool_counts counts = pool.stats().total;
    std::printf("%zu of %zu pages, %ju bytes in %.2f s, %.0f pages per second\n", all.done, how.pages,
        std::uintmax_t{all.bytes}, took, static_cast<double>(all.done) / took);
    for (const auto& [reason, times] : all.failures) std::printf("%zu x %s\n", times, reason.c_str());
    if (all.asked != how.pages)
        std::printf("%zu pages not asked for: there were no connections\n", how.pages - all.asked);
    std::printf(
        "connections opened: %ju, failed to open: %ju, handed out: %ju times, of these not for the first time: %ju\n",
        std::uintmax_t{counts.opened}, std::uintmax_t{counts.open_failed}, std::uintmax_t{counts.acquired},
        std::uintmax_t{counts.reused});
    std::printf("requests sent again on another connection: %zu\n", all.sent_again);
    if (all.done != 0)
        std::printf(
            "latency, with the wait for a connection: half %.1f ms, 90 %% %.1f ms, 99 %% %.1f ms, all %.1f ms\n",
            quantile(all.latencies, 0.5), quantile(all.latencies, 0.9), quantile(all.latencies, 0.99),
            quantile(all.latencies, 1));
    return all.done == how.pages ? 0 : 1;
} catch (...) {
    return explain_failure("http_pool");
}
