// Connections that are kept for the next who needs one.
#pragma once

#include <dial/connector.hpp>
#include <dial/detail/idle_handover.hpp>
#include <dial/detail/pool_hub.hpp>
#include <dial/detail/pooled_connection.hpp>
#include <dial/lease.hpp>
#include <dial/pool_options.hpp>
#include <dial/pool_stats.hpp>

#include <concepts>
#include <memory>
#include <utility>

namespace dial {

namespace detail {

template <class Stream>
class pool_of final : public pool_hub {
public:
    pool_of(const asio::any_io_executor& executor, connector_pointer<Stream> next, pool_options options)
        : pool_hub{executor, std::move(options)}, parts_{parts(std::move(next), this->options())} {}

protected:
    std::shared_ptr<pool_connection> make(std::uint64_t id) override {
        return std::make_shared<pooled_connection<Stream>>(id, this->shared_from_this(), parts_);
    }

private:
    static std::shared_ptr<const pool_parts<Stream>> parts(
        connector_pointer<Stream> next, const pool_options& options) {
        const bool unfit = (options.prepare() && !options.prepare().takes<Stream>()) ||
            (options.check() && !options.check().takes<Stream>());
        return std::make_shared<const pool_parts<Stream>>(pool_parts<Stream>{std::move(next),
            options.prepare().of<Stream>(), options.check().of<Stream>(), options.watch_idle(), unfit});
    }

    const std::shared_ptr<const pool_parts<Stream>> parts_;
};

template <class Next, class Stream>
concept connects_as = connects<Next> && std::same_as<typename Next::stream_type, Stream>;

template <class Stream>
struct acquire_on {
    using executor_type = asio::any_io_executor;

    std::shared_ptr<pool_hub> hub;

    executor_type get_executor() const noexcept { return hub->executor(); }

    template <class Handler>
    void operator()(Handler&& handler, request what) const {
        const handler_runs where = fill_in_executor(what, handler, hub->executor());
        start_acquire<Stream>(
            hub, std::move(what), connect_handler<lease<Stream>>{std::forward<Handler>(handler)}, where);
    }
};

struct start_close {
    using executor_type = asio::any_io_executor;

    std::shared_ptr<pool_hub> hub;

    executor_type get_executor() const noexcept { return hub->executor(); }

    template <class Handler>
    void operator()(Handler&& handler, duration patience) const {
        hub->close();
        hub->wait_until_closed(patience, done_handler{std::forward<Handler>(handler)});
    }
};

}  // namespace detail

/// Keeps connections for reuse, those of any connector: plain, through proxies, over TLS, or of a class of one's own.
///
///   dial::pool<tcp::socket> pool{executor, dial::dialer{executor}, dial::pool_options().max_per_target(20)};
///   auto connection = co_await pool.acquire("redis:6379");
///   co_await asio::async_write(*connection, asio::buffer("PING\r\n"));
///
/// Each target has connections of its own: one that was made for a host and port serves no other. They live on the pool's executor,
/// wherever they are used.
///
/// Idle connections are watched. One that the peer closes or resets is closed at once, and so is one on which something arrives that
/// nobody asked for (but for messages of TLS itself, which are taken in). A connection is therefore alive, as far as this machine's
/// reactor has been told when it is handed out; a server that closes it in that very moment is its user's to see: lease::reused.
///
/// A pool that does nothing keeps no `io_context::run()` from returning, if its executor is that of the io_context itself: neither
/// idle connections nor their timers count as work then. On a strand or in a thread_pool they do, as what is set up from outside of
/// the io_context's threads does, until they end: close the pool first.
///
/// Several threads may use it at once, and the executor may run handlers on several. Its destructor closes it, as close() does, and
/// waits for nobody; leases may outlive it.
template <class Stream>
class pool {
public:
    using stream_type = Stream;
    using lease_type = lease<Stream>;
    using executor_type = asio::any_io_executor;

    /// Opens connections through `next`, on `executor`, when they are needed, or ahead (pool_options::min_idle).
    template <detail::executor Executor, detail::connects_as<Stream> Next>
    pool(const Executor& executor, Next next, pool_options options = {})
        : hub_{std::make_shared<detail::pool_of<Stream>>(executor_type{executor},
              detail::connector_access::pointer(connector<Stream>{std::move(next)}), std::move(options))} {}
    /// The same on the executor of `context`.
    template <detail::execution_context Context, detail::connects_as<Stream> Next>
    pool(Context& context, Next next, pool_options options = {})
        : pool{context.get_executor(), std::move(next), std::move(options)} {}

    /// What was moved from may only be destroyed or assigned to.
    pool(pool&& other) noexcept = default;
    pool& operator=(pool&& other) noexcept {
        if (this == &other) return *this;
        if (hub_) hub_->close();
        hub_ = std::move(other.hub_);
        return *this;
    }
    ~pool() {
        if (hub_) hub_->close();
    }

    executor_type get_executor() const noexcept { return hub_->executor(); }

    /// Waits for a connection to the target. Who came first is served first, by whichever comes first: one that is returned, or
    /// one that is opened.
    ///
    /// - Completes with `void(error_code, lease<Stream>)`, never inside this call; the lease is empty on failure. If a report was
    ///   asked for, it has the wait as a phase "wait", and the connect, where one was made for it or has failed.
    /// - Errors: those of the connector, as they are, if a connect failed while this wait was the first in line: one wait for each
    ///   connect that fails, the next in line gets another connect. `error::pool_full`, if time ran out and all places were
    ///   taken; `error::pool_unreachable`, if it ran out while connects were under way; both are equal to `std::errc::timed_out`,
    ///   and the report says more, also how the last connect failed. `error::timeout`, if there was no time at all, and no idle
    ///   connection. `error::too_many_waiters` (pool_options::max_waiting), `error::pool_closed`.
    /// - Cancellation: terminal, partial or total, at once; `operation_aborted`. A connect that was begun for it goes on, for
    ///   the next. It comes too late where an idle connection is on its way to the handler already.
    /// - Executor: the connection lives on the pool's; the handler runs on its associated executor, else on the pool's.
    /// - Lifetimes: the request's report has to live until the handler is called; the pool has not. If the handler's executor is
    ///   of another io_context than the pool's, that has to live while it waits, or the pool's has to be at rest; and the pool's has
    ///   to live until the handler was called or is gone, for it may own a connection by then.
    /// - Threads: several at once.
    template <asio::completion_token_for<void(error_code, lease<Stream>)> Token = asio::deferred_t>
    auto acquire(request what, Token&& token = Token{}) {
        return asio::async_initiate<Token, void(error_code, lease<Stream>)>(
            detail::acquire_on<Stream>{hub_}, token, std::move(what));
    }

    /// An idle connection to the target, now: the lease is empty if there is none, if others wait for one, or if the idle ones are to
    /// be looked at first (pool_options::check_after, watch_idle(false)), or just are. Saves the turn of the execution context that acquire() takes:
    ///
    ///   auto redis = pool.try_acquire(target);
    ///   if (!redis) redis = co_await pool.acquire(target);
    ///
    /// Opens nothing for the caller. Several threads may call it at once.
    lease<Stream> try_acquire(const target& to) { return lease<Stream>{hub_->try_acquire(to)}; }

    /// Keeps pool_options::min_idle connections to the target ready from now on, as if it had been asked for.
    void warm_up(const target& to) { hub_->warm_up(to); }

    /// No connection to the target that there is now is used again: idle ones are closed, those in use when they come back, and those
    /// that are being opened are opened anew. For when it is known that the server has changed.
    void reset(const target& to) { hub_->reset(to); }
    /// Of all targets.
    void reset() { hub_->reset(); }

    /// Closes the pool: idle connections are closed, connects given up, and who waits, now or later, gets `error::pool_closed`.
    /// Those in use are closed when they come back. Does not wait for them.
    void close() { hub_->close(); }

    /// The same, and waits until the last one has come back.
    ///
    /// - Completes with `void(error_code)`, never inside this call.
    /// - Errors: `error::timeout`, if connections are still in use after `patience`; they are closed all the same when they come back.
    /// - Cancellation: terminal, partial or total; `operation_aborted`. Ends the waiting; the pool stays closed.
    /// - Executor: the handler runs on its associated executor, else on the pool's.
    /// - Lifetimes: nothing needs to outlive this call.
    /// - Threads: several at once.
    template <asio::completion_token_for<void(error_code)> Token = asio::deferred_t>
    auto close(duration patience, Token&& token = Token{}) {
        return asio::async_initiate<Token, void(error_code)>(detail::start_close{hub_}, token, patience);
    }

    /// What there is now, and what was done so far.
    pool_stats stats() const { return hub_->stats(); }

private:
    std::shared_ptr<detail::pool_of<Stream>> hub_;
};

template <detail::executor Executor, detail::connects Next>
pool(const Executor&, Next, pool_options = {}) -> pool<typename Next::stream_type>;
template <detail::execution_context Context, detail::connects Next>
pool(Context&, Next, pool_options = {}) -> pool<typename Next::stream_type>;

}  // namespace dial
