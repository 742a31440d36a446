#include <dial/detail/background_wait.hpp>

#include <boost/asio/execution/context.hpp>
#include <boost/asio/query.hpp>

namespace dial::detail {
namespace {

// Asio has these two under this name only where BOOST_ASIO_NO_TS_EXECUTORS is not defined.
template <class Executor>
constexpr bool counts_work = requires(const Executor& executor) {
    executor.on_work_started();
    executor.on_work_finished();
};

template <class Executor>
void count(const Executor& executor, bool more) noexcept {
    if constexpr (counts_work<Executor>) more ? executor.on_work_started() : executor.on_work_finished();
}

}  // namespace

work_counter::work_counter(const asio::any_io_executor& executor) {
    using on_io_context = asio::io_context::executor_type;
    if (const auto* const own = executor.target<on_io_context>(); own && counts_work<on_io_context>)
        context_ = &asio::query(*own, asio::execution::context);
}

bool work_counter::runs_here() const noexcept {
    return context_ && context_->get_executor().running_in_this_thread();
}

void work_counter::more() const noexcept {
    count(context_->get_executor(), true);
}
void work_counter::less() const noexcept {
    count(context_->get_executor(), false);
}

}  // namespace dial::detail
