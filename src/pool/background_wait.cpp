#include <dial/detail/background_wait.hpp>

#include <boost/asio/execution/context.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>

namespace dial::detail {
namespace {

// Asio has these two under this name only where BOOST_ASIO_NO_TS_EXECUTORS is not defined.
template <class Executor>
void start_work([[maybe_unused]] const Executor& executor) noexcept {
    if constexpr (requires { executor.on_work_started(); }) executor.on_work_started();
}
template <class Executor>
void finish_work([[maybe_unused]] const Executor& executor) noexcept {
    if constexpr (requires { executor.on_work_finished(); }) executor.on_work_finished();
}

}  // namespace

work_counter::work_counter(const asio::any_io_executor& executor) {
    using on_io_context = asio::io_context::executor_type;
    using on_thread_pool = asio::thread_pool::executor_type;
    const auto counts_in = [this](kind is, auto* context) {
        is_ = is;
        context_ = context;
    };
    if (const auto* const io = executor.target<on_io_context>())
        counts_in(kind::io_context, &asio::query(*io, asio::execution::context));
    else if (const auto* const threads = executor.target<on_thread_pool>())
        counts_in(kind::thread_pool, &asio::query(*threads, asio::execution::context));
    else if (const auto* const io_strand = executor.target<asio::strand<on_io_context>>())
        *this = work_counter{io_strand->get_inner_executor()};
    else if (const auto* const threads_strand = executor.target<asio::strand<on_thread_pool>>())
        *this = work_counter{threads_strand->get_inner_executor()};
    else if (const auto* const strand = executor.target<asio::strand<asio::any_io_executor>>())
        *this = work_counter{strand->get_inner_executor()};
}

bool work_counter::runs_here() const noexcept {
    switch (is_) {
        case kind::io_context: return static_cast<asio::io_context*>(context_)->get_executor().running_in_this_thread();
        case kind::thread_pool:
            return static_cast<asio::thread_pool*>(context_)->get_executor().running_in_this_thread();
        case kind::none: break;
    }
    return false;
}

void work_counter::more() const noexcept {
    if (is_ == kind::io_context) start_work(static_cast<asio::io_context*>(context_)->get_executor());
    if (is_ == kind::thread_pool) start_work(static_cast<asio::thread_pool*>(context_)->get_executor());
}

void work_counter::less() const noexcept {
    if (is_ == kind::io_context) finish_work(static_cast<asio::io_context*>(context_)->get_executor());
    if (is_ == kind::thread_pool) finish_work(static_cast<asio::thread_pool*>(context_)->get_executor());
}

}  // namespace dial::detail
