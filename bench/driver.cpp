// Connects and closes, over and over: by Asio or by dial, chosen when it is compiled.
//
//   STYLE_CALLBACK, STYLE_COROUTINE, STYLE_TIMEOUT (a coroutine under a time limit) x WITH_DIAL or not
//
// Asio's time limit is what applications write: async_connect || timer (awaitable_operators).
#include "harness.hpp"

#ifdef WITH_DIAL
#include <dial/connect.hpp>
#endif
#include <boost/asio.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>

#include <deque>
#include <tuple>

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr auto limit = std::chrono::seconds{30};
asio::io_context io{1};
bench::run* run;
long started = 0, cancelled = 0;

template <class Socket>
void finish(Socket& socket, error_code ec) {
    error_code ignored;
    if (run->pending) {
        ++cancelled;
    } else {
        run->ended(ec.value());
        if (!ec) socket.set_option(asio::socket_base::linger(true, 0), ignored);
    }
    socket.close(ignored);
}

#ifdef STYLE_CALLBACK

template <class Protocol>
struct lane {
    typename Protocol::socket socket{io};
    typename Protocol::endpoint peer;

    explicit lane(const typename Protocol::endpoint& e) : peer{e} {}

    void start() {
        if (started == run->n) return;
        ++started;
        auto done = [this](error_code ec) {
            finish(socket, ec);
            if (!run->pending) start();
        };
#ifdef WITH_DIAL
        dial::connect(socket, peer, done);
#else
        socket.async_connect(peer, done);
#endif
    }
    void cancel() {
        error_code ignored;
        socket.close(ignored);
    }
};

#else

template <class Protocol>
struct lane {
    asio::cancellation_signal signal;
    typename Protocol::endpoint peer;

    explicit lane(const typename Protocol::endpoint& e) : peer{e} {}

    asio::awaitable<void> connect_all() {
        while (started < run->n) {
            ++started;
            typename Protocol::socket socket{io};
            error_code ec;
#if defined(WITH_DIAL) && defined(STYLE_TIMEOUT)
            std::tie(ec) = co_await dial::connect(socket, peer, limit, asio::as_tuple(asio::deferred));
#elif defined(WITH_DIAL)
            std::tie(ec) = co_await dial::connect(socket, peer, asio::as_tuple(asio::deferred));
#elif defined(STYLE_TIMEOUT)
            using namespace asio::experimental::awaitable_operators;
            asio::steady_timer timer{io, limit};
            try {
                const auto won =
                    co_await (socket.async_connect(peer, asio::use_awaitable) || timer.async_wait(asio::use_awaitable));
                if (won.index() == 1) ec = asio::error::timed_out;
            } catch (const boost::system::system_error& e) {
                ec = e.code();
            } catch (const std::exception&) {
                ec = asio::error::operation_aborted;  // multiple_exceptions: both were cancelled
            }
#else
            std::tie(ec) = co_await socket.async_connect(peer, asio::as_tuple(asio::deferred));
#endif
            finish(socket, ec);
            if (run->pending) break;
        }
    }
    void start() {
        asio::co_spawn(io, connect_all(), asio::bind_cancellation_slot(signal.slot(), asio::detached));
    }
    void cancel() {
        signal.emit(asio::cancellation_type::terminal);
    }
};

#endif

template <class Protocol>
int measure(const typename Protocol::endpoint& peer) {
    run->begin();
    std::deque<lane<Protocol>> lanes;
    for (long i = 0; i < run->concurrency; ++i) lanes.emplace_back(peer).start();
    if (!run->pending) {
        io.run();
        return run->end();
    }
    io.poll();
    run->all_pending();
    for (auto& l : lanes) l.cancel();
    io.run();
    run->all_cancelled(cancelled);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    bench::run own{argc, argv};
    run = &own;
    if (own.unix_socket()) return measure<asio::local::stream_protocol>(own.local());
    return measure<asio::ip::tcp>(own.tcp());
}
