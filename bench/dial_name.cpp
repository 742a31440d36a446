// Dials a name or a literal and closes, over and over, as an application does: default options, the timeout running.
//
//   dial_name HOST PORT N CONCURRENCY      WITH_REPORT: with the report asked for
#include "harness.hpp"

#include <dial/dialer.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

namespace asio = boost::asio;

namespace {

asio::awaitable<void> connect_all(bench::run& run, long& started) {
    const dial::target to{run.host, run.port};
    while (started < run.n) {
        ++started;
#ifdef WITH_REPORT
        dial::report report;
        auto [ec, socket] = co_await dial::connect({to, &report}, asio::as_tuple(asio::deferred));
#else
        auto [ec, socket] = co_await dial::connect(to, asio::as_tuple(asio::deferred));
#endif
        run.ended(ec.value());
        dial::error_code ignored;
        if (!ec) socket.set_option(asio::socket_base::linger(true, 0), ignored);
        socket.close(ignored);
    }
}

}  // namespace

int main(int argc, char** argv) {
    bench::run run{argc, argv};
    asio::io_context io{1};
    long started = 0;
    run.begin();
    for (long i = 0; i < run.concurrency; ++i) asio::co_spawn(io, connect_all(run, started), asio::detached);
    io.run();
    return run.end();
}
