// How many connections a pool keeps, for how long, and what it does with them.
#pragma once

#include <dial/detail/stream_function.hpp>
#include <dial/pool_event.hpp>
#include <dial/resolver.hpp>
#include <dial/time.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <limits>
#include <optional>
#include <type_traits>
#include <utility>

namespace dial {

/// Which of the idle connections is used next.
enum class reuse_order : unsigned char {
    newest_first,  ///< The one that came back last: the others grow old and go, when fewer are needed.
    oldest_first,  ///< The one that has been idle for longest: all stay in use, none grows old.
};

/// What a pool does. The defaults: ten connections per target, opened when they are needed; idle ones go after a minute, all after
/// half an hour; who waits does so for up to 30 s.
///
/// A limit counts connections that are in use, idle, or being opened or checked.
class pool_options {
public:
    static constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

    pool_options() = default;

    // --- How many ---

    /// To one target. Default 10; zero is one.
    pool_options& max_per_target(std::size_t count) {
        max_per_target_ = std::max<std::size_t>(count, 1);
        return *this;
    }
    std::size_t max_per_target() const noexcept { return max_per_target_; }

    /// In all. Default: no limit; zero is one. Where it is reached, an idle connection to another target has to go for one that is
    /// waited for, the one that was used least recently; and targets take turns.
    pool_options& max_total(std::size_t count) {
        max_total_ = std::max<std::size_t>(count, 1);
        return *this;
    }
    std::size_t max_total() const noexcept { return max_total_; }

    /// So many idle ones are kept ready per target, opened ahead, from when it is first asked for, or from pool::warm_up on.
    /// Default 0. Those are not closed for being idle. If they cannot be opened, it is tried again, after 100 ms and then after
    /// twice as long each time, up to 10 s, of which half is chance.
    pool_options& min_idle(std::size_t count) {
        min_idle_ = count;
        return *this;
    }
    std::size_t min_idle() const noexcept { return min_idle_; }

    /// More idle ones are not kept per target: the one that was used least recently goes. Default: no limit but max_per_target.
    pool_options& max_idle(std::size_t count) {
        max_idle_ = count;
        return *this;
    }
    std::size_t max_idle() const noexcept { return max_idle_; }

    /// So many are opened at a time per target, so that a server that has just come back is not overrun. Default: no limit but
    /// max_per_target; zero is one.
    pool_options& max_connecting(std::size_t count) {
        max_connecting_ = std::max<std::size_t>(count, 1);
        return *this;
    }
    std::size_t max_connecting() const noexcept { return max_connecting_; }

    /// So many may wait per target, beyond those for whom a connection is being opened; who comes then gets
    /// `error::too_many_waiters` at once. Default: no limit.
    pool_options& max_waiting(std::size_t count) {
        max_waiting_ = count;
        return *this;
    }
    std::size_t max_waiting() const noexcept { return max_waiting_; }

    // --- How long ---

    /// How long pool::acquire waits; the request's deadline counts too. Default 30 s. Zero or less: it gets a connection that is
    /// idle, or none.
    pool_options& acquire_timeout(duration limit) {
        acquire_timeout_ = limit;
        return *this;
    }
    duration acquire_timeout() const noexcept { return acquire_timeout_; }

    /// How long opening a connection may take, `prepare` included, whether or not somebody still waits for it. Default 30 s.
    pool_options& connect_timeout(duration limit) {
        connect_timeout_ = limit;
        return *this;
    }
    duration connect_timeout() const noexcept { return connect_timeout_; }

    /// An idle connection is closed this long after it was returned. Default: one minute. It should be shorter than the server's
    /// own limit, and than that of any balancer or NAT on the way.
    pool_options& idle_timeout(duration limit) {
        idle_timeout_ = limit;
        return *this;
    }
    duration idle_timeout() const noexcept { return idle_timeout_; }

    /// A connection is closed this long after it was opened; one that is in use, when it comes back. Default: 30 minutes.
    /// `jitter`: up to this part of its life each connection loses by chance, so that those that were opened together do not all
    /// go together. Default 0.1; from 0 to 1.
    pool_options& max_lifetime(duration limit, double jitter = 0.1) {
        max_lifetime_ = limit;
        lifetime_jitter_ = jitter > 0 ? std::min(jitter, 1.0) : 0;
        return *this;
    }
    duration max_lifetime() const noexcept { return max_lifetime_; }
    double lifetime_jitter() const noexcept { return lifetime_jitter_; }

    // --- What is done with them ---

    /// Default: newest_first.
    pool_options& reuse(reuse_order order) {
        reuse_ = order;
        return *this;
    }
    reuse_order reuse() const noexcept { return reuse_; }

    /// Whether idle connections are watched: one that the peer closes, or sends something on, is thrown away at once. Default: true.
    /// Otherwise each is looked at when it is handed out, at the cost of one system call.
    pool_options& watch_idle(bool yes) {
        watch_idle_ = yes;
        return *this;
    }
    bool watch_idle() const noexcept { return watch_idle_; }

    /// Runs once on each new connection before anybody gets it: a log-in, a choice of database. An error, or an exception, and the
    /// connection has failed; the report has it as a phase "prepare", with the words of the exception.
    ///
    /// `function` is a coroutine, `boost::asio::awaitable<void>(Stream&)`, or an initiating function, `f(Stream&, handler)`, which
    /// calls `handler(error_code)` once. If its first parameter is `auto`, the stream's type has to be said:
    ///
    ///     options.prepare([](tcp::socket& s) -> asio::awaitable<void> { co_await log_in(s); });
    ///     options.prepare<tcp::socket>([](auto& s, auto handler) { async_log_in(s, std::move(handler)); });
    ///
    /// It runs on a strand of its own on the pool's executor, and is cancelled, and its connection closed, when connect_timeout is
    /// over. It may call its handler on any thread, and counts as work of the executor until it has called or dropped it. For a pool
    /// of other streams: `error::invalid_option` for every connection.
    template <class Stream = detail::not_told, class Function>
    pool_options& prepare(Function function) {
        prepare_ = make<Stream>(std::move(function));
        return *this;
    }
    const detail::any_stream_function& prepare() const noexcept { return prepare_; }

    /// Runs on a connection before it is used again, if it was idle for `check_after`: a PING. An error, an exception, or no answer
    /// within `check_timeout`, and the connection is closed, and another one is tried. The same kinds of functions as for `prepare`.
    template <class Stream = detail::not_told, class Function>
    pool_options& check(Function function) {
        check_ = make<Stream>(std::move(function));
        return *this;
    }
    const detail::any_stream_function& check() const noexcept { return check_; }

    /// Default: one second. Zero: each time.
    pool_options& check_after(duration idle) {
        check_after_ = idle;
        return *this;
    }
    duration check_after() const noexcept { return check_after_; }

    /// Default: 5 s.
    pool_options& check_timeout(duration limit) {
        check_timeout_ = limit;
        return *this;
    }
    duration check_timeout() const noexcept { return check_timeout_; }

    /// Idle connections are checked as often, by `check`, so that servers and NATs on the way do not forget them. Default: never; at
    /// least a millisecond.
    pool_options& keep_alive(duration interval) {
        keep_alive_ = std::max<duration>(interval, std::chrono::milliseconds{1});
        return *this;
    }
    duration keep_alive() const noexcept { return keep_alive_; }

    /// Asks `names` for the addresses of every target with open connections, every `interval`; connections to an address that has
    /// gone from the answer are not used again. Default: nobody is asked. Only for names whose answers are complete: of many
    /// addresses, some DNS servers give a different few each time.
    ///
    /// A lookup that fails, or brings no address, retires nothing. Nor are connections touched whose address was not looked up
    /// under the target's name: literals, unix sockets, services, and what was reached through a proxy.
    pool_options& follow_dns(resolver names, duration interval = std::chrono::seconds{30}) {
        follow_ = std::move(names);
        follow_interval_ = std::max<duration>(interval, std::chrono::milliseconds{1});
        return *this;
    }
    const std::optional<resolver>& follow_dns() const noexcept { return follow_; }
    duration follow_interval() const noexcept { return follow_interval_; }

    /// Is told what happens in the pool, one event at a time, in order, from whichever thread it happens on. It should be quick,
    /// may call the pool, and must not throw.
    pool_options& observe(std::function<void(const pool_event&)> observer) {
        observer_ = std::move(observer);
        return *this;
    }
    const std::function<void(const pool_event&)>& observer() const noexcept { return observer_; }

private:
    template <class Stream, class Function>
    static detail::any_stream_function make(Function function) {
        if constexpr (std::is_same_v<Stream, detail::not_told>) {
            static_assert(
                requires { typename detail::first_parameter<Function>::type; },
                "of which streams is this function? Write prepare<Stream>(f), check<Stream>(f), or name the type of its first "
                "parameter");
            return detail::any_stream_function::make<typename detail::first_parameter<Function>::type>(
                std::move(function));
        } else {
            return detail::any_stream_function::make<Stream>(std::move(function));
        }
    }

    std::size_t max_per_target_ = 10, max_total_ = unlimited, min_idle_ = 0, max_idle_ = unlimited,
                max_connecting_ = unlimited, max_waiting_ = unlimited;
    duration acquire_timeout_ = std::chrono::seconds{30}, connect_timeout_ = std::chrono::seconds{30},
             idle_timeout_ = std::chrono::minutes{1}, max_lifetime_ = std::chrono::minutes{30},
             check_after_ = std::chrono::seconds{1}, check_timeout_ = std::chrono::seconds{5}, keep_alive_ = never,
             follow_interval_ = std::chrono::seconds{30};
    double lifetime_jitter_ = 0.1;
    reuse_order reuse_ = reuse_order::newest_first;
    bool watch_idle_ = true;
    detail::any_stream_function prepare_, check_;
    std::optional<resolver> follow_;
    std::function<void(const pool_event&)> observer_;
};

}  // namespace dial
