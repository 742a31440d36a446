// Connects, and again after a pause if that has failed.
#pragma once

#include <dial/detail/layer_operation.hpp>
#include <dial/detail/retry_engine.hpp>
#include <dial/retry_budget.hpp>
#include <dial/retry_options.hpp>

#include <memory>
#include <optional>
#include <utility>
#include <variant>

namespace dial::detail {

// What the connects of one layer share. Compiled.
class retry_rules {
public:
    explicit retry_rules(retry_options options);

    retrying::engine begin(time_point now, time_point deadline);
    retrying::step on_failed(retrying::engine& engine, const error_code& ec, time_point now);

private:
    retry_options options_;
    retry_budget budget_;
};

// Why no further try is made, for a report; empty where the error itself says it.
std::string_view words_for(retrying::give_up::cause why);

template <class Stream>
class retry_operation final : public layer_operation<Stream> {
    using base = layer_operation<Stream>;
    using typename base::called_from;
    using typename base::lock_type;

public:
    retry_operation(connector_pointer<Stream> next, std::shared_ptr<retry_rules> rules, request&& what,
        typename base::handler_type&& handler, handler_runs where)
        : base{std::move(what), std::move(handler), where}, next_{std::move(next)}, rules_{std::move(rules)},
          engine_{rules_->begin(base::clock_now(), this->deadline())} {}

    void start() {
        const lock_type held = this->lock();
        this->listen_for_cancellation();
        try_once();
    }

    void on_inner(error_code ec, Stream stream) {
        lock_type held = this->lock();
        this->add_inside();
        if (ec && !this->is_cancelled()) {
            const retrying::step step = rules_->on_failed(engine_, ec, base::clock_now());
            if (const auto* const again = std::get_if<retrying::try_at>(&step)) return wait_until(again->when);
            tell_why(std::get<retrying::give_up>(step).why);
        }
        this->complete(std::move(held), called_from::the_executor, ec, std::move(stream));
    }

private:
    struct timer_handler {
        std::shared_ptr<retry_operation> operation;
        void operator()(error_code) const { operation->on_time(); }
    };

    void try_once() { this->start_inner(*this, *next_, this->what()); }

    void wait_until(time_point when) {
        this->tell_phase("backoff");
        if (!timer_) timer_.emplace(this->executor());
        timer_->expires_at(when);
        timer_->async_wait(timer_handler{std::static_pointer_cast<retry_operation>(this->shared_from_this())});
        waiting_ = true;
    }

    void on_cancelled(asio::cancellation_type kind) override {
        if (waiting_)
            timer_->cancel();
        else
            base::on_cancelled(kind);
    }

    void on_time() {
        lock_type held = this->lock();
        waiting_ = false;
        const error_code ec = this->is_cancelled() ? asio::error::operation_aborted : error_code{};
        this->tell_phase_end("backoff", ec);
        if (!ec) return try_once();
        this->complete(std::move(held), called_from::the_executor, ec, next_->unconnected(this->executor()));
    }

    void tell_why(retrying::give_up::cause why) {
        if (words_for(why).empty() || (why == retrying::give_up::cause::attempts && engine_.tries() == 1)) return;
        this->tell_phase("backoff");
        this->tell_phase_end("backoff", {}, words_for(why));
    }

    void release() override { timer_.reset(); }

    const connector_pointer<Stream> next_;
    const std::shared_ptr<retry_rules> rules_;
    retrying::engine engine_;
    std::optional<asio::steady_timer> timer_;
    bool waiting_ = false;
};

template <class Stream>
class retry_connector final : public connector_base<Stream> {
public:
    retry_connector(connector_pointer<Stream> next, std::shared_ptr<retry_rules> rules)
        : next_{std::move(next)}, rules_{std::move(rules)} {}

    void start(request&& what, connect_handler<Stream>&& handler, handler_runs where) const override {
        std::make_shared<retry_operation<Stream>>(next_, rules_, std::move(what), std::move(handler), where)->start();
    }
    Stream unconnected(const asio::any_io_executor& executor) const override { return next_->unconnected(executor); }

private:
    const connector_pointer<Stream> next_;
    const std::shared_ptr<retry_rules> rules_;
};

}  // namespace dial::detail
