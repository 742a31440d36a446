// From a name to a connected socket: resolved, raced (RFC 8305), under one deadline, with a report.
#pragma once

#include <dial/connect.hpp>
#include <dial/event.hpp>
#include <dial/history.hpp>
#include <dial/options.hpp>
#include <dial/report.hpp>
#include <dial/request.hpp>
#include <dial/resolver.hpp>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace dial {

class dialer;
class local_dialer;

namespace detail {

struct dialer_settings;  // src/dialer/settings.hpp

template <class Stream>
class connector_base;

// A dialer as a connector.
std::shared_ptr<const connector_base<asio::ip::tcp::socket>> make_connector(const dialer& from);
std::shared_ptr<const connector_base<asio::local::stream_protocol::socket>> make_connector(const local_dialer& from);

using tcp_handler = asio::any_completion_handler<void(error_code, asio::ip::tcp::socket)>;
using local_handler = asio::any_completion_handler<void(error_code, asio::local::stream_protocol::socket)>;

// Where the handler runs: on the very executor that the dial runs on, or elsewhere.
enum class handler_runs : bool { elsewhere, with_the_dial };

// The compiled part. `settings` may be empty: `own` counts then. Asio's functions have other results with that macro: a
// program and a dial that do not agree on it do not link, instead of crashing.
#ifdef BOOST_ASIO_NO_DEPRECATED
inline namespace without_deprecated_asio {
#else
inline namespace with_deprecated_asio {
#endif
void start_dial(request&& what, std::shared_ptr<const dialer_settings> settings, const options* own,
    tcp_handler&& handler, handler_runs where);
void start_local_dial(
    request what, std::shared_ptr<const dialer_settings> settings, local_handler handler, handler_runs where);
}

// Fills in the executor of a request that has none yet: the handler's, if it can run sockets, else `otherwise`.
template <class Handler>
handler_runs fill_in_executor(request& what, const Handler& handler, const asio::any_io_executor& otherwise) {
    using handlers_executor = asio::associated_executor_t<Handler>;
    const bool filled_in_before = static_cast<bool>(what.executor());
    if constexpr (has_executor<Handler> && runs_sockets<handlers_executor>) {
        const asio::any_io_executor executor{asio::get_associated_executor(handler)};
        if (!filled_in_before) what.executor(executor);
        return what.executor() == executor ? handler_runs::with_the_dial : handler_runs::elsewhere;
    } else {
        if (!filled_in_before) what.executor(otherwise);
        return has_executor<Handler> ? handler_runs::elsewhere : handler_runs::with_the_dial;
    }
}

struct start_dial_on {
    using executor_type = asio::any_io_executor;

    executor_type executor;
    std::shared_ptr<const dialer_settings> settings;

    executor_type get_executor() const noexcept { return executor; }

    template <class Handler>
    void operator()(Handler&& handler, request what) const {
        const handler_runs where = fill_in_executor(what, handler, executor);
        start_dial(std::move(what), settings, nullptr, std::forward<Handler>(handler), where);
    }
    template <class Handler>
    void operator()(Handler&& handler, request what, const options& own) const {
        const handler_runs where = fill_in_executor(what, handler, executor);
        start_dial(std::move(what), nullptr, &own, std::forward<Handler>(handler), where);
    }
};

struct start_local_dial_on {
    using executor_type = asio::any_io_executor;

    executor_type executor;
    std::shared_ptr<const dialer_settings> settings;

    executor_type get_executor() const noexcept { return executor; }

    template <class Handler>
    void operator()(Handler&& handler, request what) const {
        const handler_runs where = fill_in_executor(what, handler, executor);
        start_local_dial(std::move(what), settings, std::forward<Handler>(handler), where);
    }
};

struct start_dial_where_the_handler_runs {
    template <class Handler>
    void operator()(Handler&& handler, request what, const options& own) const {
        using handlers_executor = asio::associated_executor_t<std::decay_t<Handler>>;
        static_assert(runs_sockets<handlers_executor>,
            "this handler brings no executor that could run sockets: write dial::connect(executor, target, token), or "
            "give the handler one with boost::asio::bind_executor");
        if constexpr (runs_sockets<handlers_executor>)
            start_dial_on{asio::any_io_executor{asio::get_associated_executor(handler)}, nullptr}(
                std::forward<Handler>(handler), std::move(what), own);
    }
};

template <class Token>
concept dial_token = asio::completion_token_for<Token, void(error_code, asio::ip::tcp::socket)>;

}  // namespace detail

/// Dials TCP targets: `host:port`, by name or address, and `srv:_service._proto.name`, whose hosts are dialed one after the
/// other in the order of RFC 2782, each as usual, until one is connected.
///
/// A name's addresses of both families are asked for at the same time, put in the order of RFC 6724, and raced as RFC 8305
/// says: the next attempt starts `attempt_delay` after the newest, or at once when that has failed; slow ones keep running;
/// the first to connect wins. Each attempt has a socket of its own with all options set.
///
/// A handle, cheap to copy; copies share one configuration. Configure it before it is used; from then on it may be used by
/// several threads and with several io_contexts at once.
class dialer {
public:
    using stream_type = asio::ip::tcp::socket;
    using executor_type = asio::any_io_executor;

    /// `executor`: for handlers that have none of their own.
    explicit dialer(executor_type executor, dial::options options = {}, resolver names = {});
    template <detail::execution_context Context>
    explicit dialer(Context& context, dial::options options = {}, resolver names = {})
        : dialer{executor_type{context.get_executor()}, options, std::move(names)} {}

    executor_type get_executor() const noexcept { return executor_; }

    /// Connects to the first address of the target that answers.
    ///
    /// `localhost` and names under it are loopback, without a lookup (RFC 6761); literals never reach a resolver.
    ///
    /// - Completes with `void(error_code, asio::ip::tcp::socket)`, never inside this call; the socket is open only on
    ///   success, and every other attempt is closed by then.
    /// - Errors: `error::timeout` (the timeout or the request's deadline; at once, without a system call, when it has passed
    ///   already); `error::invalid_target` (none, or a unix socket); what the resolver said (asio::error::netdb_errors), or
    ///   `error::no_addresses`; if all attempts fail, the most telling of their errors: from the peer, before silence,
    ///   before the network's word, before local trouble. The report has them all.
    /// - Cancellation: terminal, partial or total, in every phase, the lookup included; `operation_aborted`. Every attempt is
    ///   closed, a lookup that cannot be stopped is left to itself.
    /// - Executor: the socket lives on the request's executor if it has one, else on the handler's associated executor if
    ///   that can run sockets, else on the dialer's; the handler runs on its own executor, else where the socket lives.
    /// - Lifetimes: the request's report has to live until the handler is called; nothing else has to outlive this call.
    /// - Threads: several at once; the executor may run handlers on several.
    template <detail::dial_token Token = asio::deferred_t>
    auto connect(request what, Token&& token = Token{}) const {
        return asio::async_initiate<Token, void(error_code, stream_type)>(
            detail::start_dial_on{executor_, settings_}, token, std::move(what));
    }

    /// Called for each attempt after its options are set, before it connects; an error fails that attempt. It must not throw, nor
    /// wait for a thread that may be cancelling this dial: it is called under the dial's lock.
    dialer& before_connect(std::function<error_code(int fd, const asio::ip::tcp::endpoint&)> hook);

    /// Told of everything that happens, as it happens, on the operation's executor (a dial that is observed begins there).
    /// It must not throw, nor wait for a thread that may be cancelling the dial: it is called under the dial's lock. It may
    /// cancel the dial itself.
    dialer& observe(std::function<void(const event&)> observer);

    /// Source addresses, used in turn, each for attempts of its family; the next is taken where one has no free port. They
    /// go before `socket_options::local_v4` and `local_v6`.
    dialer& sources(std::vector<asio::ip::address> addresses);

    /// Learns from dials, and goes by what is known: see `history`, which several dialers may share. A dial that begins with a
    /// family that failed here before, on this network, loses no time on it.
    dialer& remember(dial::history known);

private:
    friend std::shared_ptr<const detail::connector_base<stream_type>> detail::make_connector(const dialer&);

    executor_type executor_;
    std::shared_ptr<detail::dialer_settings> settings_;
};

/// Dials unix-domain targets: `unix:/path`, `unix:@name`. A queue that is full is waited for, as in connect(). Of the
/// options, `timeout`, `attempt_timeout` and the buffers apply. For the rest as dialer.
class local_dialer {
public:
    using stream_type = asio::local::stream_protocol::socket;
    using executor_type = asio::any_io_executor;

    explicit local_dialer(executor_type executor, dial::options options = {});
    template <detail::execution_context Context>
    explicit local_dialer(Context& context, dial::options options = {})
        : local_dialer{executor_type{context.get_executor()}, options} {}

    executor_type get_executor() const noexcept { return executor_; }

    /// Connects to the target's unix socket.
    ///
    /// - Completes with `void(error_code, asio::local::stream_protocol::socket)`, never inside this call; the socket is open
    ///   only on success.
    /// - Errors: those of connect(2), `error::timeout`, `error::invalid_target` (none, or a host).
    /// - Cancellation, executor, lifetimes, threads: as dialer::connect.
    template <asio::completion_token_for<void(error_code, stream_type)> Token = asio::deferred_t>
    auto connect(request what, Token&& token = Token{}) const {
        return asio::async_initiate<Token, void(error_code, stream_type)>(
            detail::start_local_dial_on{executor_, settings_}, token, std::move(what));
    }

    /// As dialer::observe.
    local_dialer& observe(std::function<void(const event&)> observer);

private:
    friend std::shared_ptr<const detail::connector_base<stream_type>> detail::make_connector(const local_dialer&);

    executor_type executor_;
    std::shared_ptr<detail::dialer_settings> settings_;
};

/// Connects to the first address of the target that answers: a dialer for one call, with the system's resolver.
///
/// - Completes, errors, cancellation, executor, lifetimes, threads: as dialer::connect.
template <detail::executor Executor, detail::dial_token Token = asio::deferred_t>
auto connect(const Executor& executor, request what, options with = {}, Token&& token = Token{}) {
    return asio::async_initiate<Token, void(error_code, asio::ip::tcp::socket)>(
        detail::start_dial_on{asio::any_io_executor{executor}, nullptr}, token, std::move(what), with);
}

/// The same with default options.
template <detail::executor Executor, class Token>
    requires detail::dial_token<Token>
auto connect(const Executor& executor, request what, Token&& token) {
    return dial::connect(executor, std::move(what), options{}, std::forward<Token>(token));
}

/// The same on the executor of `context`.
template <detail::execution_context Context, detail::dial_token Token = asio::deferred_t>
auto connect(Context& context, request what, options with = {}, Token&& token = Token{}) {
    return dial::connect(context.get_executor(), std::move(what), with, std::forward<Token>(token));
}

/// The same with default options.
template <detail::execution_context Context, class Token>
    requires detail::dial_token<Token>
auto connect(Context& context, request what, Token&& token) {
    return dial::connect(context.get_executor(), std::move(what), options{}, std::forward<Token>(token));
}

/// The same on the handler's associated executor: inside a coroutine, the coroutine's. A handler without one does not
/// compile; the message says what to write.
template <detail::dial_token Token = asio::deferred_t>
auto connect(request what, options with = {}, Token&& token = Token{}) {
    return asio::async_initiate<Token, void(error_code, asio::ip::tcp::socket)>(
        detail::start_dial_where_the_handler_runs{}, token, std::move(what), with);
}

/// The same with default options.
template <class Token>
    requires detail::dial_token<Token>
auto connect(request what, Token&& token) {
    return dial::connect(std::move(what), options{}, std::forward<Token>(token));
}

}  // namespace dial
