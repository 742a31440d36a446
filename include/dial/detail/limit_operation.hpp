// Waits for its turn, then connects.
#pragma once

#include <dial/detail/layer_operation.hpp>
#include <dial/detail/limiter.hpp>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

namespace dial::detail {

// While it waits, only a timer holds it: it goes when its io_context goes.
template <class Stream>
class limit_operation final : public layer_operation<Stream>, public limiter::waiter {
    using base = layer_operation<Stream>;
    using typename base::called_from;
    using typename base::lock_type;

public:
    limit_operation(connector_pointer<Stream> next, std::shared_ptr<limiter> line, request&& what,
        typename base::handler_type&& handler, handler_runs where)
        : base{std::move(what), std::move(handler), where}, next_{std::move(next)}, line_{std::move(line)} {}

    ~limit_operation() override {
        if (number_)
            line_->leave(*number_);
        else if (has_place_)
            line_->give_back();
        else
            return;
        line_->look(base::clock_now());
    }

    void start() {
        lock_type held = this->lock();
        this->listen_for_cancellation();
        const time_point now = base::clock_now();
        if (now >= this->deadline())
            return this->complete(
                std::move(held), called_from::the_caller, error::timeout, next_->unconnected(this->executor()));
        if (line_->start_at_once(now)) {
            has_place_ = true;
            return connect();
        }
        this->tell_phase("wait");
        timer_.emplace(this->executor());
        arm(this->deadline());
        number_ = line_->wait(std::static_pointer_cast<limit_operation>(this->shared_from_this()));
        held.unlock();
        line_->look(now);  // it may be its turn by now, or it has to be told when to ask
    }

    void on_inner(error_code ec, Stream stream) {
        lock_type held = this->lock();
        this->add_inside();
        has_place_ = false;
        held.unlock();  // the others have locks of their own
        line_->give_back();
        line_->look(base::clock_now());
        held.lock();
        this->complete(std::move(held), called_from::the_executor, ec, std::move(stream));
    }

    void on_turn() override {
        const lock_type held = this->lock();
        if (!number_) return;  // it has left, and given the place back
        number_.reset();
        has_place_ = true;
        timer_->cancel();
    }

    void wait_until(time_point when) override {
        const lock_type held = this->lock();
        if (number_ && timer_ && !this->is_cancelled() && when < armed_until_) arm(when);
    }

private:
    struct timer_handler {
        std::shared_ptr<limit_operation> operation;
        std::uint64_t wait;
        void operator()(error_code) const { operation->on_timer(wait); }
    };

    void connect() { this->start_inner(*this, *next_, this->what()); }

    // Of several waits, the last counts.
    void arm(time_point when) {
        armed_until_ = when;
        timer_->expires_at(when);
        timer_->async_wait(
            timer_handler{std::static_pointer_cast<limit_operation>(this->shared_from_this()), ++newest_wait_});
    }

    void on_timer(std::uint64_t wait) {
        lock_type held = this->lock();
        if (wait != newest_wait_) return;
        const time_point now = base::clock_now();
        const error_code why = this->is_cancelled() ? error_code{asio::error::operation_aborted}
            : has_place_                            ? error_code{}
            : now >= this->deadline()               ? error_code{error::timeout}
                                                    : error_code{};
        if (!why && !has_place_) {  // it was told to ask again
            arm(this->deadline());
            held.unlock();
            return line_->look(now);
        }
        timer_.reset();
        this->tell_phase_end("wait", why);
        if (!why) return connect();
        if (number_ && !line_->leave(*number_)) has_place_ = true;  // it was just about to be told
        number_.reset();
        const bool had_place = std::exchange(has_place_, false);
        held.unlock();
        if (had_place) line_->give_back();
        line_->look(now);
        held.lock();
        this->complete(std::move(held), called_from::the_executor, why, next_->unconnected(this->executor()));
    }

    void on_cancelled(asio::cancellation_type kind) override {
        if (timer_)
            timer_->cancel();
        else
            base::on_cancelled(kind);
    }

    void release() override { timer_.reset(); }

    const connector_pointer<Stream> next_;
    const std::shared_ptr<limiter> line_;
    std::optional<std::uint64_t> number_;  // in the line
    bool has_place_ = false;
    std::optional<asio::steady_timer> timer_;  // while it waits
    time_point armed_until_;
    std::uint64_t newest_wait_ = 0;
};

template <class Stream>
class limit_connector final : public connector_base<Stream> {
public:
    limit_connector(connector_pointer<Stream> next, const limit_options& options)
        : next_{std::move(next)}, line_{std::make_shared<limiter>(options)} {}

    void start(request&& what, connect_handler<Stream>&& handler, handler_runs where) const override {
        std::make_shared<limit_operation<Stream>>(next_, line_, std::move(what), std::move(handler), where)->start();
    }
    Stream unconnected(const asio::any_io_executor& executor) const override { return next_->unconnected(executor); }

private:
    const connector_pointer<Stream> next_;
    const std::shared_ptr<limiter> line_;
};

}  // namespace dial::detail
