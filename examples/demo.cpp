// Shows what dial::connect says about six peers, and Asio about one; their servers run on loopback, in this process.
//
//   $ connect_demo
//   TCP, an echo server                     connected; "hello" came back            0.4 ms
//   TCP, a port where nobody listens        Connection refused                      0.1 ms
//   ... (five more)
//   all as promised
//
// Exits with 0 if every answer is the one that dial promises. Shows: honest answers, timeouts and cancellation that give
// the socket back. Next: echo_client.cpp, which is the first of these alone.
#include "command_line.hpp"

#include <dial/connect.hpp>

#include <boost/asio.hpp>

#include <chrono>
#include <exception>
#include <iomanip>
#include <iostream>
#include <string>

namespace asio = boost::asio;
using asio::ip::tcp;
using asio::local::stream_protocol;
using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr auto as_result = asio::as_tuple(asio::deferred);  // errors as values, not as exceptions

class table {
public:
    // One line: what was tried, how it ended, how long it took since the line before.
    void line(const char* tried, const std::string& outcome, bool promised) {
        const std::chrono::duration<double, std::milli> took = steady_clock::now() - last_;
        std::cout << std::left << std::setw(40) << tried << std::setw(66) << outcome << std::right << std::fixed
                  << std::setprecision(1) << std::setw(7) << took.count() << " ms"
                  << (promised ? "" : "   NOT AS PROMISED") << std::endl;
        as_promised_ = as_promised_ && promised;
        last_ = steady_clock::now();
    }
    bool as_promised() const { return as_promised_; }

private:
    steady_clock::time_point last_ = steady_clock::now();
    bool as_promised_ = true;
};

asio::awaitable<void> echo_one(tcp::acceptor& listener) {
    tcp::socket client = co_await listener.async_accept(asio::deferred);
    std::string text(5, '\0');
    co_await asio::async_read(client, asio::buffer(text), asio::deferred);
    co_await asio::async_write(client, asio::buffer(text), asio::deferred);
}

asio::awaitable<void> tcp_peers(table& out) {
    const auto executor = co_await asio::this_coro::executor;
    const tcp::endpoint any_port(asio::ip::address_v4::loopback(), 0);

    tcp::acceptor listener(executor, any_port);
    asio::co_spawn(executor, echo_one(listener), asio::detached);
    tcp::socket client = co_await dial::connect(listener.local_endpoint());
    std::string text = "hello";
    co_await asio::async_write(client, asio::buffer(text), asio::deferred);
    co_await asio::async_read(client, asio::buffer(text), asio::deferred);
    out.line("TCP, an echo server", "connected; \"" + text + "\" came back", text == "hello");

    tcp::socket bound(executor, any_port);  // keeps the port from others, and does not listen
    const auto [refused, nothing] = co_await dial::connect(bound.local_endpoint(), as_result);
    out.line("TCP, a port where nobody listens", refused.message(), refused == asio::error::connection_refused);

    tcp::acceptor full(executor, tcp::v4());  // a queue for one connection, and nobody accepts it
    full.bind(any_port);
    full.listen(0);
    tcp::socket the_one(executor), socket(executor);
    the_one.connect(full.local_endpoint());
    const auto [late] = co_await dial::connect(socket, full.local_endpoint(), 200ms, as_result);
    out.line("TCP, a silent peer, for 200 ms", late.message(), late == dial::error::timeout);

    const auto [ec] = co_await dial::connect(socket, listener.local_endpoint(), as_result);
    out.line("TCP, the same socket, an awake peer", ec ? ec.message() : "connected", !ec);
}

asio::awaitable<void> unix_peers(table& out) {
    const auto executor = co_await asio::this_coro::executor;
    stream_protocol::acceptor listener(executor, stream_protocol());
    listener.bind(stream_protocol::endpoint());  // the kernel picks an abstract name
    listener.listen(0);
    const auto peer = listener.local_endpoint();
    stream_protocol::socket the_one(executor), asked(executor);
    the_one.connect(peer);

    dial::error_code no_peer;
    const auto [asio_says] = co_await asked.async_connect(peer, as_result);
    asked.remote_endpoint(no_peer);
    out.line("  Asio's async_connect, a full queue",
        "\"" + asio_says.message() + "\"; the peer's name: " + (no_peer ? no_peer.message() : "known"), true);

    const auto [late, nothing] = co_await dial::connect(peer, {.timeout = 100ms}, as_result);
    out.line("unix, the same full queue, for 100 ms", late.message(), late == dial::error::timeout);

    asio::steady_timer later(executor, 100ms);
    later.async_wait([&](auto) { listener.accept(); });
    const auto [ec, socket] = co_await dial::connect(peer, as_result);
    out.line("unix, the server accepts after 100 ms", ec ? ec.message() : "connected, once there was room", !ec);
}

int main() try {
    asio::io_context context(1);
    table out;
    const auto rethrow = [](std::exception_ptr failure) {
        if (failure) std::rethrow_exception(failure);
    };
    asio::co_spawn(context, tcp_peers(out), rethrow);
    context.run();
    context.restart();
    asio::co_spawn(context, unix_peers(out), rethrow);
    context.run();
    std::cout << (out.as_promised() ? "all as promised" : "NOT all as promised") << std::endl;
    return out.as_promised() ? 0 : 1;
} catch (...) {
    return explain_failure("connect_demo");
}
