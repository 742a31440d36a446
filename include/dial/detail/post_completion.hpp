// Completes a handler later, never inside the initiating call.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/append.hpp>
#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/execution/blocking.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/is_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/recycling_allocator.hpp>
#include <boost/asio/require.hpp>

#include <tuple>
#include <type_traits>
#include <utility>

namespace dial::detail {

namespace asio = boost::asio;

template <class Handler>
using handler_allocator = asio::associated_allocator_t<Handler, asio::recycling_allocator<void>>;

// A handler with its results. It has the handler's allocator, but not its executor: it is posted straight to that.
template <class Handler, class... Results>
struct completion {
    Handler handler;
    std::tuple<Results...> results;

    using allocator_type = handler_allocator<Handler>;
    allocator_type get_allocator() const noexcept {
        return asio::get_associated_allocator(handler, asio::recycling_allocator<void>());
    }

    void operator()() { std::apply(std::move(handler), std::move(results)); }
};

template <class Executor>
inline constexpr bool can_be_posted_to =
    asio::is_executor<Executor>::value || asio::can_require<Executor, asio::execution::blocking_t::never_t>::value;

// To the handler's own executor if it has one, else to `io`. An io_context behind any_io_executor is looked through:
// that saves three type-erased calls and an allocation.
template <class Handler, class IoExecutor, class... Results>
void post_completion(Handler&& handler, const IoExecutor& io, Results... results) {
    using handler_type = std::decay_t<Handler>;
    using executor_type = asio::associated_executor_t<handler_type, IoExecutor>;
    if constexpr (can_be_posted_to<executor_type>) {
        const executor_type executor = asio::get_associated_executor(handler, io);
        completion<handler_type, Results...> done{std::forward<Handler>(handler), {std::move(results)...}};
        if constexpr (std::is_same_v<executor_type, asio::any_io_executor>) {
            if (const auto* context = executor.template target<asio::io_context::executor_type>())
                return asio::post(*context, std::move(done));
        }
        asio::post(executor, std::move(done));
    } else {  // any_completion_executor: is only dispatched to
        asio::post(io, asio::append(std::forward<Handler>(handler), std::move(results)...));
    }
}

}  // namespace dial::detail
