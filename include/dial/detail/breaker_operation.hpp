// Asks the target's breaker, then connects, and tells the breaker how it went.
#pragma once

#include <dial/detail/breakers.hpp>
#include <dial/detail/layer_operation.hpp>

#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace dial::detail {

template <class Stream>
class breaker_operation final : public layer_operation<Stream> {
    using base = layer_operation<Stream>;
    using typename base::called_from;
    using typename base::lock_type;

public:
    breaker_operation(connector_pointer<Stream> next, std::shared_ptr<breakers> all, request&& what,
        typename base::handler_type&& handler, handler_runs where)
        : base{std::move(what), std::move(handler), where}, next_{std::move(next)}, breakers_{std::move(all)} {}

    // What ended without a word, since its io_context went away, says nothing.
    ~breaker_operation() override { end(asio::error::operation_aborted); }

    void start() {
        lock_type held = this->lock();
        this->listen_for_cancellation();
        target_ = this->what().to().to_string();
        std::string why;
        permit_ = breakers_->ask(target_, base::clock_now(), this->told() ? &why : nullptr);
        if (permit_) return this->start_inner(*this, *next_, this->what());
        this->tell_phase("breaker");
        this->tell_phase_end("breaker", error::breaker_open, why);
        this->complete(
            std::move(held), called_from::the_caller, error::breaker_open, next_->unconnected(this->executor()));
    }

    void on_inner(error_code ec, Stream stream) {
        lock_type held = this->lock();
        this->add_inside();
        end(this->is_cancelled() && ec ? error_code{asio::error::operation_aborted} : ec);
        this->complete(std::move(held), called_from::the_executor, ec, std::move(stream));
    }

private:
    void end(error_code how) {
        if (permit_) breakers_->on_ended(target_, *permit_, how, base::clock_now());
        permit_.reset();
    }

    const connector_pointer<Stream> next_;
    const std::shared_ptr<breakers> breakers_;
    std::string target_;
    std::optional<breakers::permit> permit_;
};

template <class Stream>
class breaker_connector final : public connector_base<Stream> {
public:
    breaker_connector(connector_pointer<Stream> next, const breaker_options& options)
        : next_{std::move(next)}, breakers_{std::make_shared<breakers>(options)} {}

    void start(request&& what, connect_handler<Stream>&& handler, handler_runs where) const override {
        std::make_shared<breaker_operation<Stream>>(next_, breakers_, std::move(what), std::move(handler), where)
            ->start();
    }
    Stream unconnected(const asio::any_io_executor& executor) const override { return next_->unconnected(executor); }

private:
    const connector_pointer<Stream> next_;
    const std::shared_ptr<breakers> breakers_;
};

}  // namespace dial::detail
