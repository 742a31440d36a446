// One wait for a connection of a pool.
#pragma once

#include <dial/detail/layer_operation.hpp>
#include <dial/detail/pool_hub.hpp>
#include <dial/detail/post_straight.hpp>
#include <dial/lease.hpp>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace dial::detail {

// What a report says of a vain wait.
std::string explain(const vain_wait& why, const pool_options& options, time_point now);

// First only its turn that was posted holds it, then its timer: it goes when its io_context goes.
template <class Stream>
class acquire_operation final : public layer_operation<lease<Stream>>, public pool_waiter {
    using base = layer_operation<lease<Stream>>;
    using typename base::called_from;
    using typename base::lock_type;

public:
    acquire_operation(
        std::shared_ptr<pool_hub> hub, request&& what, typename base::handler_type&& handler, handler_runs where)
        : base{std::move(what), std::move(handler), where}, hub_{std::move(hub)} {}

    ~acquire_operation() override {
        if (waits_) hub_->leave(number_);
    }

    void start() {
        const lock_type held = this->lock();
        this->listen_for_cancellation();
        const time_point now = base::clock_now();
        until_ = std::min(this->deadline(), saturating_add(now, hub_->options().acquire_timeout()));
        this->tell_phase("wait");
        number_ = hub_->wait(this->weak_self(), this->what().to(), now, until_);
        waits_ = true;
        post_straight(this->executor(), turn_handler{self()});
    }

    void on_granted(loan got, std::shared_ptr<const report> opened) override {
        const lock_type held = this->lock();
        if (!std::exchange(waits_, false)) return;
        got_ = std::move(got);
        opened_ = std::move(opened);
        tell_handler();
    }

    void on_vain(vain_wait why) override {
        const lock_type held = this->lock();
        if (!std::exchange(waits_, false)) return;
        vain_ = std::make_unique<vain_wait>(std::move(why));
        tell_handler();
    }

private:
    struct turn_handler {
        std::shared_ptr<acquire_operation> operation;
        void operator()() const { operation->on_turn(); }
    };
    struct timer_handler {
        std::shared_ptr<acquire_operation> operation;
        void operator()(error_code) const { operation->on_turn(); }
    };

    std::shared_ptr<acquire_operation> self() {
        return std::static_pointer_cast<acquire_operation>(this->shared_from_this());
    }
    std::weak_ptr<pool_waiter> weak_self() { return std::weak_ptr<pool_waiter>{self()}; }

    void tell_handler() {
        if (timer_) timer_->cancel();
    }

    bool is_granted() {
        const lock_type held = this->lock();
        return static_cast<bool>(got_);
    }

    // What was given, else how it ended, else the timer is set again.
    void on_turn() {
        if (!is_granted()) hub_->turn();  // else another's turn has done that
        lock_type held = this->lock();
        if (waits_) {
            // Time is up, and another thread is about to say so; or it is not.
            if (!timer_) timer_ = std::make_unique<asio::steady_timer>(this->executor());
            timer_->expires_at(base::clock_now() < until_ ? until_ : time_point::max());
            timer_->async_wait(timer_handler{self()});
            return;
        }
        timer_.reset();
        finish(std::move(held));
    }

    void finish(lock_type&& held) {
        if (withdrawn_) {
            this->tell_phase_end("wait", asio::error::operation_aborted);
            return this->complete(std::move(held), called_from::the_executor, asio::error::operation_aborted, {});
        }
        if (vain_) {
            const error_code ec = vain_->error;
            if (this->told()) {
                if (vain_->last && (vain_->own || ec == error::pool_unreachable)) this->add(vain_->last->report);
                this->tell_phase_end("wait", ec, explain(*vain_, hub_->options(), base::clock_now()));
            }
            return this->complete(std::move(held), called_from::the_executor, ec, {});
        }
        if (opened_) this->add(*opened_);
        this->tell_phase_end("wait", {});
        this->complete(std::move(held), called_from::the_executor, {}, lease<Stream>{std::move(got_)});
    }

    void on_cancelled(asio::cancellation_type) override {
        if (!waits_) return;
        if (!hub_->leave(number_)) return;  // it is being told right now
        waits_ = false;
        withdrawn_ = true;
        tell_handler();
    }

    void release() override { timer_.reset(); }

    const std::shared_ptr<pool_hub> hub_;
    std::uint64_t number_ = 0;  // in the line
    time_point until_;
    bool waits_ = false, withdrawn_ = false;
    loan got_;
    std::shared_ptr<const report> opened_;
    // Apart, for they are rare: Asio's memory for reuse has blocks of no more than 1,020 bytes.
    std::unique_ptr<vain_wait> vain_;
    std::unique_ptr<asio::steady_timer> timer_;
};

}  // namespace dial::detail
