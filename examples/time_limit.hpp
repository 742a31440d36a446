// A time limit on what a coroutine does with a socket, for the examples that must not hang when a server does.
#pragma once

#include <dial/error.hpp>
#include <dial/time.hpp>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <memory>

/// Closes the socket when time is up: what is under way on it ends with operation_aborted. A pool throws such a connection away.
///
/// For one thread (or strand): the socket's.
class time_limit {
public:
    time_limit(boost::asio::ip::tcp::socket& socket, dial::duration limit) : timer_{socket.get_executor(), limit} {
        timer_.async_wait([&socket, passed = std::weak_ptr<bool>{passed_}](dial::error_code ec) {
            const auto alive = passed.lock();
            if (ec || !alive) return;  // it had ended in time, and the socket may be somebody else's by now
            *alive = true;
            dial::error_code ignored;
            socket.close(ignored);
        });
    }

    bool passed() const { return *passed_; }

    /// `ec`, or a word that says more where this was the reason for it.
    dial::error_code explain(dial::error_code ec) const { return ec && passed() ? dial::error::timeout : ec; }

private:
    std::shared_ptr<bool> passed_ = std::make_shared<bool>(false);
    boost::asio::steady_timer timer_;
};
