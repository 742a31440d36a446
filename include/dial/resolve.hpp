// Asks a resolver, without dialing.
#pragma once

#include <dial/connect.hpp>
#include <dial/detail/start_resolve.hpp>
#include <dial/resolver.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>

#include <type_traits>
#include <utility>

namespace dial {
namespace detail {

struct start_resolve_on {
    using executor_type = asio::any_io_executor;

    executor_type executor;

    executor_type get_executor() const noexcept { return executor; }

    template <class Handler>
    void operator()(Handler&& handler, const resolver& names, const lookup& question) const {
        start_resolve(executor, names, question, answer_completion{std::forward<Handler>(handler)});
    }
};

struct start_resolve_where_the_handler_runs {
    template <class Handler>
    void operator()(Handler&& handler, const resolver& names, const lookup& question) const {
        using handlers_executor = asio::associated_executor_t<std::decay_t<Handler>>;
        static_assert(runs_sockets<handlers_executor>,
            "this handler brings no executor: write dial::resolve(executor, resolver, lookup, token), or give the handler "
            "one with boost::asio::bind_executor");
        if constexpr (runs_sockets<handlers_executor>)
            start_resolve_on{asio::any_io_executor{asio::get_associated_executor(handler)}}(
                std::forward<Handler>(handler), names, question);
    }
};

template <class Token>
concept answer_token = asio::completion_token_for<Token, void(error_code, answer)>;

}  // namespace detail

/// Asks `names` one question.
///
///   auto [error, found] = co_await dial::resolve(names, {"example.com", dial::record_type::aaaa}, asio::as_tuple(asio::deferred));
///
/// Literals and `localhost` are not treated apart, as a dial does: the resolver is asked.
///
/// - Completes with `void(error_code, answer)`, never inside this call. The error is the answer's.
/// - Errors: what the resolver says, usually asio::error::netdb_errors.
/// - Cancellation: terminal, partial or total, at once; `operation_aborted`.
/// - Executor: the lookup runs on `executor`, the handler on its associated executor, else there.
/// - Lifetimes: nothing needs to outlive this call.
/// - Threads: several at once.
template <detail::executor Executor, detail::answer_token Token = asio::deferred_t>
auto resolve(const Executor& executor, resolver names, lookup question, Token&& token = Token{}) {
    return asio::async_initiate<Token, void(error_code, answer)>(
        detail::start_resolve_on{asio::any_io_executor{executor}}, token, std::move(names), std::move(question));
}

/// The same on the executor of `context`.
template <detail::execution_context Context, detail::answer_token Token = asio::deferred_t>
auto resolve(Context& context, resolver names, lookup question, Token&& token = Token{}) {
    return dial::resolve(context.get_executor(), std::move(names), std::move(question), std::forward<Token>(token));
}

/// The same on the handler's associated executor: inside a coroutine, the coroutine's.
template <detail::answer_token Token = asio::deferred_t>
auto resolve(resolver names, lookup question, Token&& token = Token{}) {
    return asio::async_initiate<Token, void(error_code, answer)>(
        detail::start_resolve_where_the_handler_runs{}, token, std::move(names), std::move(question));
}

}  // namespace dial
