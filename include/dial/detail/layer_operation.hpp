// One connect through a layer. What they all need is here, once: cancellation from any thread, one completion, the report.
//
// Everything that happens to it (what is inside has ended, time, cancellation) is a turn, under its lock. The lock is taken
// from the outermost layer inwards, and no handler is called under it.
#pragma once

#include <dial/detail/connector_base.hpp>
#include <dial/detail/handler_memory.hpp>
#include <dial/report.hpp>
#include <dial/time.hpp>

#include <boost/asio/any_completion_executor.hpp>
#include <boost/asio/append.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

namespace dial::detail {

// The handler of what is inside: runs with the dial, in the operation's memory.
template <class Operation, class Inner>
struct inner_handler {
    std::shared_ptr<Operation> operation;

    using allocator_type = in_place_allocator<void>;
    allocator_type get_allocator() const noexcept {
        return allocator_type{std::shared_ptr<handler_memory>{operation, &operation->memory()}};
    }
    using cancellation_slot_type = asio::cancellation_slot;
    cancellation_slot_type get_cancellation_slot() const noexcept { return operation->inner_slot(); }

    void operator()(error_code ec, Inner stream) {
        const auto alive = std::move(operation);
        alive->on_inner(ec, std::move(stream));
    }
};

template <class Stream>
class layer_operation : public std::enable_shared_from_this<layer_operation<Stream>> {
public:
    using handler_type = connect_handler<Stream>;

    layer_operation(request&& what, handler_type&& handler, handler_runs where)
        : what_{std::move(what)}, executor_{what_.executor()}, handler_{std::move(handler)}, where_{where} {
        if (where_ == handler_runs::elsewhere)
            handlers_work_ = asio::prefer(
                asio::get_associated_executor(handler_, executor_), asio::execution::outstanding_work.tracked);
        if (!what_.report()) return;
        story_.emplace();
        story_->begin(what_.to().to_string(), clock_now());
    }
    layer_operation(const layer_operation&) = delete;
    layer_operation& operator=(const layer_operation&) = delete;
    virtual ~layer_operation() = default;

    handler_memory& memory() noexcept { return memory_; }
    asio::cancellation_slot inner_slot() noexcept { return inner_signal_.slot(); }

protected:
    using lock_type = std::unique_lock<std::recursive_mutex>;

    // Whether the handler may be called at once: not inside the caller's own call, and only where it runs.
    enum class called_from : unsigned char { the_caller, the_executor, anywhere };

    static time_point clock_now() { return std::chrono::steady_clock::now(); }

    // Once, before anything is started.
    void listen_for_cancellation() {
        auto slot = asio::get_associated_cancellation_slot(handler_);
        if (slot.is_connected()) slot.template emplace<canceller>(this->weak_from_this());
    }

    lock_type lock() { return lock_type{mutex_}; }

    const request& what() const { return what_; }
    const asio::any_io_executor& executor() const { return executor_; }
    time_point deadline() const { return what_.deadline().value_or(time_point::max()); }
    bool is_over() const { return over_; }
    bool is_cancelled() const { return cancelled_; }

    // The caller cancels; under the lock, and only until it is over. Passed on inwards.
    virtual void on_cancelled(asio::cancellation_type kind) { inner_signal_.emit(kind); }

    // Starts what is inside, under the lock; on_inner(error, stream) of the operation tells of its end, on the executor.
    template <class Operation, class Inner>
    void start_inner(Operation& self, const connector_base<Inner>& next, request what) {
        next.start(with_report_inside(std::move(what)),
            inner_handler<Operation, Inner>{std::static_pointer_cast<Operation>(self.shared_from_this())},
            handler_runs::with_the_dial);
    }

    // A moved-from stream may live for longer than the handler takes; what it held does not.
    static void drop(Stream&& stream) { [[maybe_unused]] const Stream closed{std::move(stream)}; }

    // --- The report ---

    bool told() const { return story_.has_value(); }

    request with_report_inside(request what) {
        if (story_) what.report(&inside_.emplace());
        return what;
    }

    // What is inside has ended, and written its report.
    void add_inside() {
        if (story_ && inside_) story_->add(std::move(*inside_));
        inside_.reset();
    }
    void tell(const event& e) {
        if (story_) story_->on_event(e);
    }
    void add(report part) {
        if (story_) story_->add(std::move(part));
    }
    void tell_phase(std::string_view name, std::string_view to = {}) {
        if (story_) story_->on_event({.when = clock_now(), .phase = name, .target = to});
    }
    void tell_phase_end(
        std::string_view name, error_code ec, std::string_view note = {}, std::span<const phase_detail> details = {}) {
        if (!story_) return;
        story_->on_event({.ended = true,
            .when = clock_now(),
            .how = outcome_of(ec),
            .error = ec == asio::error::operation_aborted ? error_code{} : ec,
            .note = note,
            .phase = name,
            .details = details});
    }
    static outcome outcome_of(error_code ec) {
        if (!ec) return outcome::done;
        if (ec == error::timeout) return outcome::timed_out;
        return ec == asio::error::operation_aborted ? outcome::cancelled : outcome::failed;
    }

    // --- Ending ---

    // The last turn: unlocks, writes the report, calls the handler.
    void complete(lock_type&& held, called_from from, error_code ec, Stream stream) {
        const auto alive = this->shared_from_this();
        over_ = true;
        if (story_) story_->end(ec, clock_now());
        last_call call{std::move(handler_), executor_, ec, std::move(stream), what_.report(), std::move(story_)};
        const asio::any_completion_executor handlers_work = std::move(handlers_work_);
        const asio::any_io_executor executor = std::move(executor_);
        // The slot may hold the operation for longer than there is an io_context.
        executor_ = {};
        what_.executor({});
        release();
        held.unlock();
        if (where_ == handler_runs::with_the_dial) {
            if (from == called_from::the_executor) return call();
            if (from == called_from::anywhere) return asio::dispatch(executor, std::move(call));
            return asio::post(executor, std::move(call));
        }
        if (from == called_from::the_caller)
            asio::post(executor, typename last_call::elsewhere{std::move(call)});
        else
            asio::dispatch(executor, typename last_call::elsewhere{std::move(call)});
    }

    // Lets go of what would hold on to the io_context.
    virtual void release() {}

private:
    class canceller {
    public:
        explicit canceller(std::weak_ptr<layer_operation> operation) : operation_{std::move(operation)} {}

        void operator()(asio::cancellation_type kind) const {
            if ((kind & asio::cancellation_type::all) == asio::cancellation_type::none) return;
            if (const auto operation = operation_.lock()) operation->cancel(kind);
        }

    private:
        std::weak_ptr<layer_operation> operation_;  // the slot keeps this for as long as it likes
    };

    struct last_call {
        handler_type handler;
        asio::any_io_executor executor;
        error_code ec;
        Stream stream;
        report* to;
        std::optional<report> story;

        void operator()() {
            if (to && story) *to = std::move(*story);
            std::move(handler)(ec, std::move(stream));
        }

        struct elsewhere {
            last_call call;

            using executor_type = asio::associated_executor_t<handler_type, asio::any_io_executor>;
            executor_type get_executor() const noexcept {
                return asio::get_associated_executor(call.handler, call.executor);
            }
            void operator()() { call(); }
        };
    };

    void cancel(asio::cancellation_type kind) {
        const lock_type held{mutex_};
        if (over_) return;
        cancelled_ = true;
        on_cancelled(kind);
    }

    std::recursive_mutex mutex_;  // what is inside may cancel: that comes back on the same thread
    request what_;
    asio::any_io_executor executor_;
    handler_type handler_;
    const handler_runs where_;
    asio::any_completion_executor handlers_work_;  // where the handler runs elsewhere: that stays at work
    std::optional<report> story_, inside_;
    asio::cancellation_signal inner_signal_;
    handler_memory memory_;
    bool over_ = false, cancelled_ = false;
};

}  // namespace dial::detail
