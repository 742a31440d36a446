// Resolves the name here, and has a proxy connect to its addresses, one after the other.
#pragma once

#include <dial/detail/layer_operation.hpp>
#include <dial/detail/start_resolve.hpp>
#include <dial/lookup.hpp>
#include <dial/resolver.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace dial::detail {

// Compiled.
std::vector<asio::ip::address> addresses_to_ask_for(const std::array<answer, 2>& v4_and_v6);
error_code why_nothing_to_ask_for(const std::array<answer, 2>& v4_and_v6);
// Whether a proxy may reach the next address of a host where it could not reach one.
bool is_about_one_address(const error_code& ec);
// The same port or service of this address.
target at_address(const target& host, const asio::ip::address& address);

template <class Stream>
class resolved_operation final : public layer_operation<Stream> {
    using base = layer_operation<Stream>;
    using typename base::called_from;
    using typename base::lock_type;

public:
    resolved_operation(connector_pointer<Stream> next, resolver names, request&& what,
        typename base::handler_type&& handler, handler_runs where)
        : base{std::move(what), std::move(handler), where}, next_{std::move(next)}, names_{std::move(names)} {}

    void start() {
        lock_type held = this->lock();
        this->listen_for_cancellation();
        if (base::clock_now() >= this->deadline())
            return fail(std::move(held), called_from::the_caller, error::timeout);
        this->tell_phase("resolve");
        if (this->deadline() != time_point::max()) keep_deadline();
        for (const unsigned which : {0u, 1u}) ask(which);
    }

    void on_inner(error_code ec, Stream stream) {
        lock_type held = this->lock();
        this->add_inside();
        if (ec && !this->is_cancelled() && !addresses_.empty() && is_about_one_address(ec)) return try_next();
        this->complete(std::move(held), called_from::the_executor, ec, std::move(stream));
    }

private:
    struct answer_handler_of {
        std::shared_ptr<resolved_operation> operation;
        unsigned which;

        using cancellation_slot_type = asio::cancellation_slot;
        cancellation_slot_type get_cancellation_slot() const noexcept { return operation->signals_[which].slot(); }
        using executor_type = asio::any_io_executor;
        executor_type get_executor() const noexcept { return operation->runs_on_; }

        void operator()(error_code, answer given) const { operation->on_answer(which, std::move(given)); }
    };
    struct timer_handler {
        std::shared_ptr<resolved_operation> operation;
        void operator()(error_code ec) const { operation->on_time(ec); }
    };

    std::shared_ptr<resolved_operation> self() {
        return std::static_pointer_cast<resolved_operation>(this->shared_from_this());
    }

    lookup question(unsigned which) const {
        return {this->what().to().host(), which == 0 ? address_family::v4 : address_family::v6};
    }

    void ask(unsigned which) {
        const lookup asked = question(which);
        this->tell({.what = event::subject::lookup,
            .when = base::clock_now(),
            .record = asked.type(),
            .name = asked.name(),
            .family = asked.family()});
        ++waits_;
        runs_on_ = this->executor();
        start_resolve(runs_on_, names_, asked, answer_completion{answer_handler_of{self(), which}});
    }

    void on_answer(unsigned which, answer given) {
        lock_type held = this->lock();
        --waits_;
        const lookup asked = question(which);
        const error_code ec = given.error();
        this->tell({.what = event::subject::lookup,
            .ended = true,
            .when = base::clock_now(),
            .how = ec && timed_out_ ? outcome::timed_out : base::outcome_of(ec),
            .error = ec == asio::error::operation_aborted ? error_code{} : ec,
            .record = asked.type(),
            .name = asked.name(),
            .family = asked.family(),
            .addresses = given.addresses(),
            .given = &given});
        answers_[which] = std::move(given);
        if (++answered_ == 2 && timer_) timer_->cancel();
        go_on(std::move(held));
    }

    void keep_deadline() {
        timer_.emplace(this->executor());
        timer_->expires_at(this->deadline());
        timer_->async_wait(timer_handler{self()});
        ++waits_;
    }

    void on_time(error_code ec) {
        lock_type held = this->lock();
        --waits_;
        if (!ec && answered_ != 2) {
            timed_out_ = true;
            stop_asking(asio::cancellation_type::terminal);
        }
        go_on(std::move(held));
    }

    void stop_asking(asio::cancellation_type kind) {
        for (asio::cancellation_signal& each : signals_) each.emit(kind);
    }

    void on_cancelled(asio::cancellation_type kind) override {
        if (resolved_) return base::on_cancelled(kind);
        stop_asking(kind);
    }

    void go_on(lock_type&& held) {
        if (waits_ != 0) return;
        resolved_ = true;
        addresses_ = addresses_to_ask_for(answers_);
        const error_code ec = this->is_cancelled() ? error_code{asio::error::operation_aborted}
            : timed_out_                           ? error_code{error::timeout}
            : addresses_.empty()                   ? why_nothing_to_ask_for(answers_)
                                                   : error_code{};
        this->tell_phase_end("resolve", ec);
        if (ec) return fail(std::move(held), called_from::the_executor, ec);
        try_next();
    }

    // They are kept from the last to the first.
    void try_next() {
        request what = this->what();
        what.to(at_address(what.to(), addresses_.back())).check({});
        addresses_.pop_back();
        this->start_inner(*this, *next_, std::move(what));
    }

    void fail(lock_type&& held, called_from from, error_code ec) {
        this->complete(std::move(held), from, ec, next_->unconnected(this->executor()));
    }

    void release() override {
        timer_.reset();
        runs_on_ = {};
    }

    const connector_pointer<Stream> next_;
    const resolver names_;
    asio::any_io_executor runs_on_;
    std::array<asio::cancellation_signal, 2> signals_;
    std::array<answer, 2> answers_{error_code{}, error_code{}};
    std::optional<asio::steady_timer> timer_;
    unsigned answered_ = 0, waits_ = 0;
    bool resolved_ = false, timed_out_ = false;
    std::vector<asio::ip::address> addresses_;
};

template <class Stream>
class resolved_connector final : public connector_base<Stream> {
public:
    resolved_connector(connector_pointer<Stream> next, resolver names)
        : next_{std::move(next)}, names_{std::move(names)} {}

    void start(request&& what, connect_handler<Stream>&& handler, handler_runs where) const override {
        const target& to = what.to();
        if (to.empty() || to.is_unix() || to.is_srv() || to.address())
            return next_->start(std::move(what), std::move(handler), where);
        if (to.is_localhost()) {
            what.to(at_address(to, asio::ip::address_v4::loopback()));
            return next_->start(std::move(what), std::move(handler), where);
        }
        std::make_shared<resolved_operation<Stream>>(next_, names_, std::move(what), std::move(handler), where)
            ->start();
    }
    Stream unconnected(const asio::any_io_executor& executor) const override { return next_->unconnected(executor); }

private:
    const connector_pointer<Stream> next_;
    const resolver names_;
};

}  // namespace dial::detail
