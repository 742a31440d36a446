// A connector made of a callable: what every connector promises is added here, so that a lambda keeps it as well.
#pragma once

#include <dial/detail/layer_operation.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace dial::detail {

// One call of it. It completes when the callable calls its handler; or, where the callable does not do so in time after it was
// told to stop, by itself. What comes later is dropped: a stream is closed.
//
// The callable is not called under the lock: it may wait for a thread that calls its handler. What comes meanwhile waits.
template <class Stream, class Connector>
class custom_operation final : public layer_operation<Stream> {
    using base = layer_operation<Stream>;
    using typename base::called_from;
    using typename base::lock_type;

public:
    custom_operation(
        std::shared_ptr<const Connector> of, request&& what, typename base::handler_type&& handler, handler_runs where)
        : base{std::move(what), std::move(handler), where}, of_{std::move(of)} {}

    void start() {
        lock_type held = this->lock();
        this->listen_for_cancellation();
        if (base::clock_now() >= this->deadline())
            return fail(std::move(held), called_from::the_caller, error::timeout);
        work_ = asio::prefer(this->executor(), asio::execution::outstanding_work.tracked);
        request what = this->with_report_inside(this->what()).check({});
        held.unlock();
        of_->call(std::move(what), inner_handler<custom_operation, Stream>{self()});
        held.lock();
        starting_ = false;
        if (early_) return end(std::move(held), called_from::the_caller, early_->ec, std::move(early_->stream));
        if (this->is_cancelled()) return tell_to_stop(asked_);
        if (this->deadline() != time_point::max()) arm(saturating_add(this->deadline(), grace));
    }

    void on_inner(error_code ec, Stream stream) {
        lock_type held = this->lock();
        if (this->is_over() || left_) return;
        if (starting_) return static_cast<void>(early_.emplace(ec, std::move(stream)));
        // Told to stop, it may call its handler right there, inside the caller's emit().
        end(std::move(held), telling_ ? called_from::the_caller : called_from::anywhere, ec, std::move(stream));
    }

private:
    // A callable that keeps the deadline or listens to cancellation by itself has more to say: it gets so much time to say it.
    static constexpr std::chrono::milliseconds grace{20};

    struct result {
        result(error_code e, Stream s) : ec{e}, stream{std::move(s)} {}
        error_code ec;
        Stream stream;
    };
    struct timer_handler {
        std::shared_ptr<custom_operation> operation;
        void operator()(error_code ec) const {
            if (!ec) operation->on_time();
        }
    };
    std::shared_ptr<custom_operation> self() {
        return std::static_pointer_cast<custom_operation>(this->shared_from_this());
    }

    void arm(time_point when) {
        if (!timer_) timer_.emplace(this->executor());
        timer_->expires_at(when);
        timer_->async_wait(timer_handler{self()});
    }

    // It knows nothing of deadlines, or of cancellation.
    void on_time() {
        lock_type held = this->lock();
        if (this->is_over()) return;
        if (this->is_cancelled())
            return fail(std::move(held), called_from::the_executor, asio::error::operation_aborted);
        if (base::clock_now() < saturating_add(this->deadline(), grace)) return;
        left_ = true;  // before it hears of it: it may call its handler at once
        base::on_cancelled(asio::cancellation_type::terminal);
        fail(std::move(held), called_from::the_executor, error::timeout);
    }

    void on_cancelled(asio::cancellation_type kind) override {
        asked_ = kind;
        if (!starting_ && !left_) tell_to_stop(kind);
    }

    void tell_to_stop(asio::cancellation_type kind) {
        if (!std::exchange(told_to_stop_, true)) arm(saturating_add(base::clock_now(), grace));
        telling_ = true;
        base::on_cancelled(kind);
        telling_ = false;
    }

    // The callable has called its handler, and its report is written, if it keeps one.
    void end(lock_type&& held, called_from from, error_code ec, Stream stream) {
        this->add_inside();
        if (!ec) return finish(std::move(held), from, ec, std::move(stream));
        base::drop(std::move(stream));
        fail(std::move(held), from, ec);
    }

    // It has not, and may still write.
    void fail(lock_type&& held, called_from from, error_code ec) {
        finish(std::move(held), from, ec, of_->unconnected(this->executor()));
    }

    void finish(lock_type&& held, called_from from, error_code ec, Stream stream) {
        const asio::any_io_executor work = std::move(work_);
        this->complete(std::move(held), from, ec, std::move(stream));
    }

    void release() override { timer_.reset(); }

    const std::shared_ptr<const Connector> of_;
    asio::any_io_executor work_;  // the callable may be busy elsewhere: the executor stays until the end
    std::optional<asio::steady_timer> timer_;
    std::optional<result> early_;
    asio::cancellation_type asked_ = asio::cancellation_type::none;
    bool starting_ = true, telling_ = false, told_to_stop_ = false, left_ = false;
};

template <class Stream, class Callable, class MakeUnconnected>
class custom_connector final : public connector_base<Stream> {
public:
    custom_connector(Callable callable, MakeUnconnected make)
        : callable_{std::move(callable)}, make_unconnected_{std::move(make)} {}

    void start(request&& what, connect_handler<Stream>&& handler, handler_runs where) const override {
        std::make_shared<custom_operation<Stream, custom_connector>>(
            std::static_pointer_cast<const custom_connector>(this->shared_from_this()), std::move(what),
            std::move(handler), where)
            ->start();
    }

    void call(request what, connect_handler<Stream> handler) const { callable_(std::move(what), std::move(handler)); }

    Stream unconnected(const asio::any_io_executor& executor) const override {
        if constexpr (std::is_invocable_v<MakeUnconnected&, const asio::any_io_executor&>)
            return make_unconnected_(executor);
        else
            return make_unconnected_();
    }

private:
    mutable Callable callable_;  // several threads may call it at once, as the documentation says
    mutable MakeUnconnected make_unconnected_;
};

}  // namespace dial::detail
