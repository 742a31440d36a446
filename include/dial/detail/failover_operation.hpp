// Connects to one of several targets.
#pragma once

#include <dial/detail/failover_engine.hpp>
#include <dial/detail/layer_operation.hpp>
#include <dial/failover_options.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <memory_resource>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

namespace dial::detail {

// Compiled.
failing_over::engine begin_failover(
    const failover_options& options, std::size_t targets, std::pmr::memory_resource* memory);
error_code most_telling_of(const std::vector<error_code>& errors);

template <class Stream>
class failover_operation final : public layer_operation<Stream> {
    using base = layer_operation<Stream>;
    using typename base::called_from;
    using typename base::lock_type;

public:
    using targets_type = std::shared_ptr<const std::vector<target>>;

    failover_operation(connector_pointer<Stream> next, targets_type targets, const failover_options& options,
        request&& what, typename base::handler_type&& handler, handler_runs where)
        : base{std::move(what), std::move(handler), where}, next_{std::move(next)}, targets_{std::move(targets)},
          engine_{begin_failover(options, targets_->size(), &memory_)} {}

    void start() {
        lock_type held = this->lock();
        this->listen_for_cancellation();
        go_on(std::move(held), called_from::the_caller);
    }

private:
    // One target, while it is tried.
    struct child {
        std::size_t target = 0;
        asio::cancellation_signal signal;
        std::optional<report> story;
        bool runs = false;
    };
    struct child_handler {
        std::shared_ptr<failover_operation> operation;
        child* of;

        using allocator_type = in_place_allocator<void>;
        allocator_type get_allocator() const noexcept {
            return allocator_type{std::shared_ptr<handler_memory>{operation, &operation->memory()}};
        }
        using cancellation_slot_type = asio::cancellation_slot;
        cancellation_slot_type get_cancellation_slot() const noexcept { return of->signal.slot(); }

        void operator()(error_code ec, Stream stream) {
            const auto alive = std::move(operation);
            alive->on_child(*of, ec, std::move(stream));
        }
    };
    struct timer_handler {
        std::shared_ptr<failover_operation> operation;
        void operator()(error_code ec) const { operation->on_time(ec); }
    };

    void go_on(lock_type&& held, called_from from) {
        for (;;) {
            if (this->is_cancelled() || result_) break;
            const failing_over::step step = engine_.next(base::clock_now());
            if (const auto* const start = std::get_if<failing_over::start>(&step)) {
                try_one(start->target);
            } else if (const auto* const wait = std::get_if<failing_over::wait_until>(&step)) {
                wait_until(wait->when);
                break;
            } else {  // a winner ends it where it connects
                result_ = errors_.empty() ? error_code{error::no_addresses} : most_telling_of(errors_);
            }
        }
        look_for_the_end(std::move(held), from);
    }

    void try_one(std::size_t index) {
        child& one = free_child();
        one.target = index;
        one.runs = true;
        ++running_;
        request what = this->what();
        what.to((*targets_)[index]).check({});
        what.report(this->told() ? &one.story.emplace() : nullptr);
        next_->start(std::move(what),
            child_handler{std::static_pointer_cast<failover_operation>(this->shared_from_this()), &one},
            handler_runs::with_the_dial);
    }

    // The first is here: one after the other, there is never another.
    child& free_child() {
        if (!first_.runs) return first_;
        for (const auto& each : others_)
            if (!each->runs) return *each;
        return *others_.emplace_back(std::make_unique<child>());
    }

    void on_child(child& one, error_code ec, Stream stream) {
        lock_type held = this->lock();
        one.runs = false;
        --running_;
        const bool won = !ec && !result_;
        if (won)
            winners_story_ = std::move(one.story);
        else if (one.story)
            this->add(std::move(*one.story));
        one.story.reset();
        if (won) {
            winner_.emplace(std::move(stream));
            engine_.on_connected(one.target);
            result_ = error_code{};
            cancel_all(asio::cancellation_type::terminal);
        } else {
            base::drop(std::move(stream));  // it may have connected nevertheless
            if (ec) {
                errors_.push_back(ec);
                engine_.on_failed(one.target);
            }
        }
        go_on(std::move(held), called_from::the_executor);
    }

    void cancel_all(asio::cancellation_type kind) {
        if (timer_) timer_->cancel();
        if (first_.runs) first_.signal.emit(kind);
        for (const auto& each : others_)
            if (each->runs) each->signal.emit(kind);
    }

    void on_cancelled(asio::cancellation_type kind) override { cancel_all(kind); }

    void wait_until(time_point when) {
        if (when == time_point::max() || when == armed_until_) return;
        armed_until_ = when;
        if (!timer_) timer_.emplace(this->executor());
        timer_->expires_at(when);
        timer_->async_wait(timer_handler{std::static_pointer_cast<failover_operation>(this->shared_from_this())});
        ++waits_;
    }

    void on_time(error_code) {
        lock_type held = this->lock();
        --waits_;
        go_on(std::move(held), called_from::the_executor);
    }

    void look_for_the_end(lock_type&& held, called_from from) {
        if (running_ != 0) return;
        if (!result_ && this->is_cancelled()) result_ = asio::error::operation_aborted;
        if (!result_) return;
        if (waits_ != 0) return static_cast<void>(timer_->cancel());
        if (winners_story_) this->add(std::move(*winners_story_));  // the last that is connected has won
        Stream stream = winner_ ? std::move(*winner_) : next_->unconnected(this->executor());
        winner_.reset();
        this->complete(std::move(held), from, *result_, std::move(stream));
    }

    void release() override { timer_.reset(); }

    const connector_pointer<Stream> next_;
    const targets_type targets_;
    // Of a few targets everything lies here.
    alignas(std::max_align_t) std::array<std::byte, 128> first_memory_;
    std::pmr::monotonic_buffer_resource memory_{first_memory_.data(), first_memory_.size()};
    failing_over::engine engine_;
    child first_;
    std::vector<std::unique_ptr<child>> others_;
    std::vector<error_code> errors_;
    std::size_t running_ = 0, waits_ = 0;
    std::optional<asio::steady_timer> timer_;
    time_point armed_until_ = time_point::max();
    std::optional<Stream> winner_;
    std::optional<report> winners_story_;
    std::optional<error_code> result_;
};

template <class Stream>
class failover_connector final : public connector_base<Stream> {
public:
    failover_connector(connector_pointer<Stream> next, std::vector<target> targets, const failover_options& options)
        : next_{std::move(next)}, targets_{std::make_shared<const std::vector<target>>(std::move(targets))},
          options_{options} {}

    void start(request&& what, connect_handler<Stream>&& handler, handler_runs where) const override {
        std::make_shared<failover_operation<Stream>>(
            next_, targets_, options_, std::move(what), std::move(handler), where)
            ->start();
    }
    Stream unconnected(const asio::any_io_executor& executor) const override { return next_->unconnected(executor); }

private:
    const connector_pointer<Stream> next_;
    const std::shared_ptr<const std::vector<target>> targets_;
    const failover_options options_;
};

}  // namespace dial::detail
