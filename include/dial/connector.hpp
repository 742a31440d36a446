// Anything that turns a target into a connected stream: what layers take and return, and applications pass around.
#pragma once

#include <dial/detail/custom_connector.hpp>
#include <dial/dialer.hpp>

#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>

namespace dial {

template <class Stream>
class connector;

namespace detail {

// What layers take: a dialer, a connector, or a class of one's own that looks like them.
template <class T>
concept connects = requires(const T& next, request what) {
    typename T::stream_type;
    { next.get_executor() } -> std::convertible_to<asio::any_io_executor>;
    next.connect(std::move(what), connect_handler<typename T::stream_type>{});
};

template <class Callable, class Stream>
concept connect_function = std::invocable<Callable&, request, connect_handler<Stream>>;

template <class Stream>
struct make_stream {
    Stream operator()(const asio::any_io_executor& executor) const { return Stream(executor); }
};

template <class Next>
struct connect_through {
    Next next;

    template <class Handler>
    void operator()(request what, Handler&& handler) const {
        next.connect(std::move(what), std::forward<Handler>(handler));
    }
};

template <class Stream>
struct start_connector {
    using executor_type = asio::any_io_executor;

    executor_type executor;
    connector_pointer<Stream> next;

    executor_type get_executor() const noexcept { return executor; }

    template <class Handler>
    void operator()(Handler&& handler, request what) const {
        const handler_runs where = fill_in_executor(what, handler, executor);
        next->start(std::move(what), std::forward<Handler>(handler), where);
    }
};

struct connector_access;  // for layers: what is behind a connector

}  // namespace detail

/// A handle to anything that turns a target into a connected stream: a dialer, a dialer under layers, or a function of one's
/// own, which is how tests fake the network.
///
///   dial::connector<dial::tls_stream> c = dial::retry(dial::tls(dial::dialer(executor)), dial::retry_options().attempts(5));
///   auto stream = co_await c.connect("db.internal:5432");
///
/// Cheap to copy; copies are the same connector, with its limits, budgets and breakers. Several threads may use it at once.
template <class Stream>
class connector {
public:
    using stream_type = Stream;
    using executor_type = asio::any_io_executor;

    connector(const dialer& from) requires std::same_as<Stream, dialer::stream_type>
        : connector{from.get_executor(), detail::make_connector(from)} {}
    connector(const local_dialer& from) requires std::same_as<Stream, local_dialer::stream_type>
        : connector{from.get_executor(), detail::make_connector(from)} {}

    /// From anything else that has a `stream_type`, an executor and a connect() like this one.
    template <detail::connects Next>
        requires(std::same_as<Stream, typename Next::stream_type> && !std::same_as<Next, connector> &&
            !std::same_as<Next, dialer> && !std::same_as<Next, local_dialer>)
    connector(Next next) : connector{next.get_executor(), detail::connect_through<Next>{std::move(next)}} {}

    /// From a callable `f(dial::request, handler)`, which connects and calls `handler(error_code, Stream)` once; from several
    /// threads at once if the connector is used so. The request has an executor: the stream is to live on it. `f` may call
    /// the handler at once, from any thread; the connector's own promises are kept all the same:
    ///
    /// - Cancellation is kept, even if `f` knows nothing of it: it is told to stop through the handler's cancellation slot, and
    ///   20 ms later it is left to itself; what it brings after that is closed.
    /// - So is the request's deadline: `f` may keep it by itself; 20 ms after it, it is told to stop and left to itself.
    /// - If the caller wants a report, the request has one for `f` to pass on or to leave alone.
    ///
    /// `f` must not wait for a thread that may be cancelling this connect: under other layers it is called under their locks.
    ///
    /// `make_unconnected`, called with the executor or with nothing, makes the stream that failures carry; without it that is
    /// `Stream(executor)`.
    template <detail::executor Executor, detail::connect_function<Stream> Callable,
        class MakeUnconnected = detail::make_stream<Stream>>
    connector(const Executor& executor, Callable f, MakeUnconnected make_unconnected = {})
        : connector{executor_type{executor},
              std::make_shared<detail::custom_connector<Stream, Callable, MakeUnconnected>>(
                  std::move(f), std::move(make_unconnected))} {}
    template <detail::execution_context Context, detail::connect_function<Stream> Callable,
        class MakeUnconnected = detail::make_stream<Stream>>
    connector(Context& context, Callable f, MakeUnconnected make_unconnected = {})
        : connector{context.get_executor(), std::move(f), std::move(make_unconnected)} {}

    executor_type get_executor() const noexcept { return executor_; }

    /// A stream that is not connected: what every failure carries, also when a layer fails before anything inside it ran.
    Stream unconnected() const { return connector_->unconnected(executor_); }

    /// Connects to the target, through every layer.
    ///
    /// - Completes with `void(error_code, Stream)`, never inside this call; on failure with unconnected(), on the request's
    ///   executor.
    /// - Errors: those of the dialer and of the layers, each as it is (docs/errors.md); the report says which phase it came from
    ///   (report::failed_phase).
    /// - Cancellation: terminal, partial or total, in every phase and layer; `operation_aborted`.
    /// - Executor: the stream lives on the request's executor if it has one, else on the handler's associated executor if
    ///   that can run sockets, else on the connector's; the handler runs on its own executor, else where the stream lives.
    /// - Lifetimes: the request's report has to live until the handler is called; nothing else has to outlive this call.
    /// - Threads: several at once; the executor may run handlers on several.
    template <asio::completion_token_for<void(error_code, Stream)> Token = asio::deferred_t>
    auto connect(request what, Token&& token = Token{}) const {
        return asio::async_initiate<Token, void(error_code, Stream)>(
            detail::start_connector<Stream>{executor_, connector_}, token, std::move(what));
    }

private:
    friend detail::connector_access;

    connector(executor_type executor, detail::connector_pointer<Stream> made)
        : executor_{std::move(executor)}, connector_{std::move(made)} {}

    executor_type executor_;
    detail::connector_pointer<Stream> connector_;
};

connector(const dialer&)->connector<dialer::stream_type>;
connector(const local_dialer&)->connector<local_dialer::stream_type>;
template <detail::connects Next>
connector(Next) -> connector<typename Next::stream_type>;

namespace detail {

struct connector_access {
    template <class Stream>
    static const connector_pointer<Stream>& pointer(const connector<Stream>& from) {
        return from.connector_;
    }
    template <class Stream, class Made, class... Arguments>
    static connector<Stream> make(asio::any_io_executor executor, Arguments&&... arguments) {
        return connector<Stream>{std::move(executor),
            connector_pointer<Stream>{std::make_shared<Made>(std::forward<Arguments>(arguments)...)}};
    }
};

}  // namespace detail

}  // namespace dial
