// A layer that does something with the stream once it is connected: talks to a proxy, shakes hands.
//
// That stage runs in a strand of its own, since what it starts (writes, handshakes) is made of many steps. It keeps the
// deadline itself. It is over when none of its waits is left.
#pragma once

#include <dial/detail/layer_operation.hpp>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/strand.hpp>

#include <memory>
#include <optional>
#include <utility>

namespace dial::detail {

template <class Stream>
class stage_operation : public layer_operation<Stream> {
    using base = layer_operation<Stream>;

public:
    using layer_operation<Stream>::layer_operation;

protected:
    using strand_type = asio::strand<asio::any_io_executor>;
    using typename base::called_from;
    using typename base::lock_type;

    // Calls a member function of the operation in the strand: one of the stage's waits has ended.
    template <class Operation, class OnEnd>
    struct io_handler {
        std::shared_ptr<Operation> operation;
        OnEnd on_end;

        using executor_type = strand_type;
        executor_type get_executor() const noexcept { return *operation->strand_; }
        using cancellation_slot_type = asio::cancellation_slot;
        cancellation_slot_type get_cancellation_slot() const noexcept { return operation->io_signal_.slot(); }

        template <class... Results>
        void operator()(error_code ec, Results... results) {
            const auto alive = std::move(operation);
            --alive->waits_;
            if (!alive->result_ && !alive->stopped_) on_end(*alive, ec, results...);
            alive->look_for_the_end();
        }
    };

    template <class Operation, class OnEnd>
    io_handler<Operation, OnEnd> waiting(Operation& self, OnEnd on_end) {
        ++waits_;
        return {std::static_pointer_cast<Operation>(self.shared_from_this()), std::move(on_end)};
    }

    // Under the lock, on the executor: `begin` is called in the strand.
    template <class Operation, class Begin>
    void start_stage(Operation& self, lock_type&& held, Begin begin) {
        strand_.emplace(asio::make_strand(this->executor()));
        held.unlock();
        const auto alive = std::static_pointer_cast<Operation>(self.shared_from_this());
        asio::dispatch(*strand_, [alive, begin] {
            if (!alive->stopped_) {
                alive->keep_deadline();
                begin(*alive);
            }
            alive->look_for_the_end();
        });
    }

    // In the strand: the stage has a result; what still waits is called back.
    void finish(error_code ec) {
        result_ = ec;
        if (timer_) timer_->cancel();
    }

    // In the strand, with nothing left to wait for; the operation completes.
    virtual void conclude(lock_type&& held, error_code ec) = 0;

    void on_cancelled(asio::cancellation_type kind) override {
        if (!strand_) return base::on_cancelled(kind);
        asio::dispatch(*strand_, [this, alive = this->shared_from_this()] { stop(asio::error::operation_aborted); });
    }

    void release() override { timer_.reset(); }

private:
    struct timer_handler {
        std::shared_ptr<stage_operation> operation;

        using executor_type = strand_type;
        executor_type get_executor() const noexcept { return *operation->strand_; }

        void operator()(error_code ec) const {
            --operation->waits_;
            if (!ec) operation->stop(error::timeout);
            operation->look_for_the_end();
        }
    };

    void keep_deadline() {
        if (this->deadline() == time_point::max()) return;
        timer_.emplace(this->executor());
        timer_->expires_at(this->deadline());
        timer_->async_wait(timer_handler{std::static_pointer_cast<stage_operation>(this->shared_from_this())});
        ++waits_;
    }

    void stop(error_code why) {
        if (result_ || stopped_) return;
        stopped_ = true;
        finish(why);
        io_signal_.emit(asio::cancellation_type::terminal);
    }

    void look_for_the_end() {
        if (!result_ || waits_ != 0 || std::exchange(concluded_, true)) return;
        conclude(this->lock(), *result_);
    }

    std::optional<strand_type> strand_;
    std::optional<asio::steady_timer> timer_;
    asio::cancellation_signal io_signal_;
    std::optional<error_code> result_;
    std::size_t waits_ = 0;
    bool stopped_ = false, concluded_ = false;
};

}  // namespace dial::detail
