// Connects to a proxy, and has it connect to the target.
#pragma once

#include <dial/detail/exchange.hpp>
#include <dial/detail/stage_operation.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/socket_base.hpp>
#include <boost/asio/write.hpp>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace dial::detail {

// Makes the exchange for a target; one that cannot be asked for fails at once.
class exchange_maker {
public:
    virtual ~exchange_maker() = default;
    virtual std::unique_ptr<exchange> make(const target& to) const = 0;
};

// From a socket one can read without taking: no byte of the tunnel is, and few system calls are needed. From other streams
// only so much is read as is the proxy's for sure.
template <class Stream>
concept can_peek = requires(Stream& s, asio::mutable_buffer b, asio::socket_base::message_flags f, error_code& ec) {
    s.receive(b, f, ec);
    s.async_receive(b, f, [](error_code, std::size_t) {});
};

template <class Stream>
class exchange_operation final : public stage_operation<Stream> {
    using base = stage_operation<Stream>;
    using typename base::called_from;
    using typename base::lock_type;
    friend base;

public:
    exchange_operation(connector_pointer<Stream> next, std::shared_ptr<const exchange_maker> maker, target proxy,
        request&& what, typename base::handler_type&& handler, handler_runs where)
        : base{std::move(what), std::move(handler), where}, next_{std::move(next)}, maker_{std::move(maker)},
          proxy_{std::move(proxy)} {}

    void start() {
        lock_type held = this->lock();
        this->listen_for_cancellation();
        exchange_ = maker_->make(this->what().to());
        if (const exchange::step first = exchange_->next(); std::holds_alternative<exchange::fail>(first)) {
            this->tell_phase("proxy", name_of_proxy());
            return fail(std::move(held), called_from::the_caller, std::get<exchange::fail>(first).error);
        }
        request what = this->what();
        what.to(proxy_).check({});
        this->start_inner(*this, *next_, std::move(what));
    }

    void on_inner(error_code ec, Stream stream) {
        lock_type held = this->lock();
        this->add_inside();
        if (ec) return this->complete(std::move(held), called_from::the_executor, ec, std::move(stream));
        stream_.emplace(std::move(stream));
        this->tell_phase("proxy", name_of_proxy());
        if (this->is_cancelled())
            return fail(std::move(held), called_from::the_executor, asio::error::operation_aborted);
        this->start_stage(*this, std::move(held), [](exchange_operation& self) { self.go_on(); });
    }

private:
    // In the strand.
    void go_on() {
        const exchange::step step = exchange_->next();
        if (const auto* const send = std::get_if<exchange::send>(&step)) {
            const asio::const_buffer bytes = asio::buffer(send->bytes.data(), send->bytes.size());
            asio::async_write(*stream_, bytes,
                this->waiting(*this, [](exchange_operation& self, error_code ec, std::size_t) { self.on_sent(ec); }));
        } else if (const auto* const receive = std::get_if<exchange::receive>(&step)) {
            const auto then = [](exchange_operation& self, error_code ec, std::size_t size) {
                self.on_received(ec, size);
            };
            if constexpr (can_peek<Stream>)
                stream_->async_receive(
                    asio::buffer(bytes_), asio::socket_base::message_peek, this->waiting(*this, then));
            else
                stream_->async_read_some(asio::buffer(bytes_, receive->at_least_ours), this->waiting(*this, then));
        } else if (const auto* const end = std::get_if<exchange::fail>(&step)) {
            this->finish(end->error);
        } else {
            this->finish({});
        }
    }

    void on_sent(error_code ec) {
        if (ec) return this->finish(ec);
        exchange_->on_sent();
        go_on();
    }

    void on_received(error_code ec, std::size_t size) {
        if (ec == asio::error::eof) {
            exchange_->on_end();
            return go_on();
        }
        if (ec) return this->finish(ec);
        const std::size_t taken = exchange_->on_received({bytes_.data(), size});
        if constexpr (can_peek<Stream>) {
            stream_->receive(asio::buffer(bytes_, taken), 0, ec);  // it is there: this does not wait
            if (ec) return this->finish(ec);
        }
        go_on();
    }

    void conclude(lock_type&& held, error_code ec) override {
        if (ec) return fail(std::move(held), called_from::the_executor, ec);
        this->tell_phase_end("proxy", ec, {}, details());
        this->complete(std::move(held), called_from::the_executor, ec, std::move(*stream_));
    }

    void fail(lock_type&& held, called_from from, error_code ec) {
        stream_.reset();
        const bool said_by_the_exchange = ec != error::timeout && ec != asio::error::operation_aborted;
        this->tell_phase_end("proxy", ec, said_by_the_exchange ? exchange_->note() : "", details());
        this->complete(std::move(held), from, ec, next_->unconnected(this->executor()));
    }

    std::string name_of_proxy() const { return this->told() ? proxy_.to_string() : std::string{}; }
    std::vector<phase_detail> details() const {
        return this->told() ? exchange_->details() : std::vector<phase_detail>{};
    }

    const connector_pointer<Stream> next_;
    const std::shared_ptr<const exchange_maker> maker_;
    const target proxy_;
    std::unique_ptr<exchange> exchange_;
    std::optional<Stream> stream_;
    std::array<char, 1024> bytes_;
};

template <class Stream>
class exchange_connector final : public connector_base<Stream> {
public:
    exchange_connector(connector_pointer<Stream> next, std::shared_ptr<const exchange_maker> maker, target proxy)
        : next_{std::move(next)}, maker_{std::move(maker)}, proxy_{std::move(proxy)} {}

    void start(request&& what, connect_handler<Stream>&& handler, handler_runs where) const override {
        std::make_shared<exchange_operation<Stream>>(next_, maker_, proxy_, std::move(what), std::move(handler), where)
            ->start();
    }
    Stream unconnected(const asio::any_io_executor& executor) const override { return next_->unconnected(executor); }

private:
    const connector_pointer<Stream> next_;
    const std::shared_ptr<const exchange_maker> maker_;
    const target proxy_;
};

}  // namespace dial::detail
