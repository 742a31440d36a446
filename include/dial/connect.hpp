// One socket, one peer: awaits a non-blocking connect(2), and says what the kernel said.
#pragma once

#include <dial/detail/borrowed_handle.hpp>
#include <dial/detail/connect_operation.hpp>
#include <dial/detail/owned_socket.hpp>
#include <dial/error.hpp>
#include <dial/options.hpp>
#include <dial/time.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/is_executor.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/asio/use_future.hpp>

#include <chrono>
#include <concepts>
#include <type_traits>
#include <utility>

namespace dial {

namespace asio = boost::asio;

/// What connect() takes as a peer: any endpoint of Asio's.
template <class T>
concept endpoint = requires(const T& e) {
    { e.size() } -> std::convertible_to<std::size_t>;
    { e.data() } -> std::convertible_to<const sockaddr*>;
    e.protocol();
};

/// What connect() takes as a socket: any object of Asio's around a descriptor that can be waited for.
template <class T>
concept connectable = requires(T& h, bool mode, error_code& ec) {
    typename T::executor_type;
    T::wait_write;
    { h.get_executor() } -> std::convertible_to<typename T::executor_type>;
    { h.native_handle() } -> std::convertible_to<int>;
    { h.native_non_blocking() } -> std::convertible_to<bool>;
    h.native_non_blocking(mode, ec);
};

/// How connect() sets up a socket of its own.
struct connect_options {
    duration timeout = never;    ///< From the call to the answer. Zero or less: `error::timeout` at once.
    socket_options socket = {};  ///< Set before the socket connects.
};

static_assert(std::is_trivially_destructible_v<connect_options> && std::is_aggregate_v<connect_options>);

namespace detail {

// The first question keeps Asio's from being asked of anything else: to find out whether it might be a sender, Asio looks for
// a function named connect, and finds those of dial.
template <class T>
concept executor = (
                       requires(const T& e, void (*f)()) { e.execute(f); } ||
                       requires(const T& e) { e.on_work_started(); }) &&
    (asio::execution::is_executor<T>::value || asio::is_executor<T>::value);

template <class T>
concept execution_context = std::derived_from<T, asio::execution_context> && requires(T& c) {
    c.get_executor();
};

template <class Handle>
struct start_connect {
    using executor_type = typename Handle::executor_type;

    Handle* handle;

    executor_type get_executor() const noexcept { return handle->get_executor(); }

    // Without a limit only a full queue needs a timer, and IP has none.
    template <class Handler, class Endpoint>
    void operator()(Handler&& handler, const Endpoint& peer) const {
        start<!is_ip_endpoint<Endpoint>>(std::forward<Handler>(handler), peer, never);
    }

    template <class Handler, class Endpoint>
    void operator()(Handler&& handler, const Endpoint& peer, duration timeout) const {
        start<true>(std::forward<Handler>(handler), peer, timeout);
    }

private:
    template <bool Timed, class Handler, class Endpoint>
    void start(Handler&& own, const Endpoint& peer, duration timeout) const {
        run_connect<Timed>(borrowed_handle<Handle, Endpoint>{*handle}, peer,
            std::decay_t<Handler>{std::forward<Handler>(own)}, timeout);
    }
};

template <class Handler, class Endpoint>
void start_owned(
    const asio::any_io_executor& executor, Handler&& handler, const Endpoint& peer, const connect_options& options) {
    const no_thread_cancellation guard;  // the first socket of an io_context makes Asio write to a descriptor
    run_connect<true>(owned_socket<Endpoint>{executor, peer, options.socket}, peer,
        std::decay_t<Handler>{std::forward<Handler>(handler)}, options.timeout);
}

struct start_connect_on {
    using executor_type = asio::any_io_executor;

    executor_type executor;

    executor_type get_executor() const noexcept { return executor; }

    template <class Handler, class Endpoint>
    void operator()(Handler&& handler, const Endpoint& peer, const connect_options& options) const {
        start_owned(executor, std::forward<Handler>(handler), peer, options);
    }
};

// An executor that can run sockets. Handlers that name none have system_executor; those of use_future hide it in theirs.
template <class Executor>
inline constexpr bool runs_sockets =
    std::is_constructible_v<asio::any_io_executor, Executor> && !std::is_same_v<Executor, asio::system_executor>;
template <class T, class Blocking>
inline constexpr bool runs_sockets<asio::detail::promise_executor<T, Blocking>> = false;

struct start_connect_where_the_handler_runs {
    template <class Handler, class Endpoint>
    void operator()(Handler&& handler, const Endpoint& peer, const connect_options& options) const {
        using handlers_executor = asio::associated_executor_t<std::decay_t<Handler>>;
        static_assert(runs_sockets<handlers_executor>,
            "this handler brings no executor that could run sockets: write dial::connect(executor, peer, token), or give "
            "the handler one with boost::asio::bind_executor");
        if constexpr (runs_sockets<handlers_executor>)
            start_owned(asio::get_associated_executor(handler), std::forward<Handler>(handler), peer, options);
    }
};

template <class Endpoint>
using socket_of = typename Endpoint::protocol_type::socket;

template <class Token, class Endpoint>
concept connect_token = asio::completion_token_for<Token, void(error_code, socket_of<Endpoint>)>;

}  // namespace detail

/// Connects `handle` to `peer`, or says why not.
///
/// `handle` is made non-blocking first (Asio's synchronous calls on it work as before); a socket that is not open is
/// opened for `peer`, non-blocking and close-on-exec, and stays open on failure. No success is reported that is not one:
/// readiness is never taken for an answer, and a TCP socket that has connected to itself is refused.
///
/// - Completes with `void(error_code)`, never inside this call.
/// - Errors: the errno of connect(2), untouched, in `system_category` (docs/errors.md); `error::timeout` when `timeout`
///   has passed, and at once, without a system call, when it is zero or less. A full queue of a unix socket is no error:
///   it is tried again after 1 ms, doubling to 50 ms.
/// - Cancellation: terminal, partial or total, in every phase until the outcome is known; `operation_aborted`. The kernel's
///   attempt is withdrawn, also when `timeout` has passed: the socket is open and unconnected, keeps its options and what
///   it was bound to (but for a port that the kernel chose), and may connect again. Where the kernel cannot withdraw, as
///   for AF_VSOCK, it is closed.
/// - Executor: the handler runs on its associated executor, else on that of `handle`.
/// - Lifetimes: `handle` must stay where it is until the handler is called or destroyed; closing it is fine. `peer` is
///   copied.
/// - Threads: `handle` as with Asio's own operations. Cancellation is emitted where the operation's executor
///   runs (on a strand, if that is one); a completion on another thread of the same io_context does no harm.
template <connectable Handle, endpoint Endpoint, asio::completion_token_for<void(error_code)> Token = asio::deferred_t>
auto connect(Handle& handle, const Endpoint& peer, Token&& token = Token{}) {
    return asio::async_initiate<Token, void(error_code)>(detail::start_connect<Handle>{&handle}, token, peer);
}

/// The same under a time limit, of any std::chrono unit.
template <connectable Handle, endpoint Endpoint, class Rep, class Period,
    asio::completion_token_for<void(error_code)> Token = asio::deferred_t>
auto connect(
    Handle& handle, const Endpoint& peer, std::chrono::duration<Rep, Period> timeout, Token&& token = Token{}) {
    return asio::async_initiate<Token, void(error_code)>(
        detail::start_connect<Handle>{&handle}, token, peer, to_duration(timeout));
}

/// Opens a socket, sets `options`, connects it to `peer`, and hands it over.
///
/// The socket is of the endpoint's protocol (`Endpoint::protocol_type::socket`), non-blocking and close-on-exec. One that
/// has connected to itself is replaced once by a new one.
///
/// - Completes with `void(error_code, Protocol::socket)`, never inside this call; the socket is open only on success.
/// - Errors: those of socket(2), setsockopt(2), bind(2) and connect(2), untouched; `error::timeout`.
/// - Cancellation: terminal, partial or total, in every phase until the outcome is known; the socket is closed before the
///   handler runs with `operation_aborted`.
/// - Executor: the socket lives and the handler runs on `executor`, or on the handler's associated executor if it has one.
/// - Lifetimes: arguments are copied; nothing needs to outlive this call.
/// - Threads: `executor` may run handlers on several threads at once.
template <detail::executor Executor, endpoint Endpoint, detail::connect_token<Endpoint> Token = asio::deferred_t>
auto connect(const Executor& executor, const Endpoint& peer, connect_options options = {}, Token&& token = Token{}) {
    return asio::async_initiate<Token, void(error_code, detail::socket_of<Endpoint>)>(
        detail::start_connect_on{asio::any_io_executor{executor}}, token, peer, options);
}

/// The same with default options.
template <detail::executor Executor, endpoint Endpoint, class Token>
    requires detail::connect_token<Token, Endpoint>
auto connect(const Executor& executor, const Endpoint& peer, Token&& token) {
    return dial::connect(executor, peer, connect_options{}, std::forward<Token>(token));
}

/// The same on the executor of `context`.
template <detail::execution_context Context, endpoint Endpoint,
    detail::connect_token<Endpoint> Token = asio::deferred_t>
auto connect(Context& context, const Endpoint& peer, connect_options options = {}, Token&& token = Token{}) {
    return dial::connect(context.get_executor(), peer, options, std::forward<Token>(token));
}

/// The same with default options.
template <detail::execution_context Context, endpoint Endpoint, class Token>
    requires detail::connect_token<Token, Endpoint>
auto connect(Context& context, const Endpoint& peer, Token&& token) {
    return dial::connect(context.get_executor(), peer, connect_options{}, std::forward<Token>(token));
}

/// The same on the handler's associated executor: inside a coroutine, the coroutine's. A handler without one does not
/// compile; the message says what to write.
template <endpoint Endpoint, detail::connect_token<Endpoint> Token = asio::deferred_t>
auto connect(const Endpoint& peer, connect_options options = {}, Token&& token = Token{}) {
    return asio::async_initiate<Token, void(error_code, detail::socket_of<Endpoint>)>(
        detail::start_connect_where_the_handler_runs{}, token, peer, options);
}

/// The same with default options.
template <endpoint Endpoint, class Token>
    requires detail::connect_token<Token, Endpoint>
auto connect(const Endpoint& peer, Token&& token) {
    return dial::connect(peer, connect_options{}, std::forward<Token>(token));
}

}  // namespace dial
