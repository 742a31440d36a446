// Connects, then shakes hands.
#pragma once

#include <dial/detail/handshake_race.hpp>
#include <dial/detail/stage_operation.hpp>
#include <dial/detail/tls_client.hpp>

#include <boost/asio/ssl/stream.hpp>

#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

namespace dial::detail {

template <class Inner>
class tls_operation final : public stage_operation<asio::ssl::stream<Inner>> {
    using stream = asio::ssl::stream<Inner>;
    using base = stage_operation<stream>;
    using typename base::called_from;
    using typename base::lock_type;

public:
    tls_operation(connector_pointer<Inner> next, std::shared_ptr<const tls_client> client, request&& what,
        typename base::handler_type&& handler, handler_runs where)
        : base{std::move(what), std::move(handler), where}, next_{std::move(next)}, client_{std::move(client)} {}

    void start() {
        lock_type held = this->lock();
        this->listen_for_cancellation();
        error_code why;
        connection_ = client_->make(this->what().to(), why, note_);
        if (why) {
            this->tell_phase("tls");
            return fail(std::move(held), called_from::the_caller, why, {note_, {}});
        }
        request what = this->what();
        what.check({});
        if constexpr (may_race) {
            if (client_->options().race_handshake()) {
                race_ = std::make_shared<handshake_race>(this->executor(), client_, what.to());
                what.check(race_);
            }
        }
        this->start_inner(*this, *next_, std::move(what));
    }

    ~tls_operation() override {
        if (connection_) ::SSL_free(connection_);
    }

    void on_inner(error_code ec, Inner connected) {
        lock_type held = this->lock();
        this->add_inside();
        if (ec) return end(std::move(held), called_from::the_executor, ec, std::move(connected));
        if constexpr (may_race)
            if (take_winner(held)) return;
        this->tell_phase("tls");
        stream_.emplace(std::move(connected), std::exchange(connection_, nullptr));
        if (this->is_cancelled())
            return fail(std::move(held), called_from::the_executor, asio::error::operation_aborted, {});
        this->start_stage(*this, std::move(held), [](tls_operation& self) { self.shake_hands(); });
    }

private:
    static constexpr bool may_race = std::is_same_v<Inner, asio::ip::tcp::socket>;

    // Whether the race was won by a handshake; else there is one to come.
    bool take_winner(lock_type& held) {
        auto won = race_ ? race_->take() : std::nullopt;
        race_.reset();
        if (!won) return false;
        this->tell({.when = won->started, .phase = "tls"});
        this->tell(
            {.ended = true, .when = won->ended, .how = outcome::done, .phase = "tls", .details = won->story.details});
        this->complete(std::move(held), called_from::the_executor, {}, std::move(won->connected));
        return true;
    }

    // In the strand.
    void shake_hands() {
        stream_->async_handshake(
            stream::client, this->waiting(*this, [](tls_operation& self, error_code ec) { self.finish(ec); }));
    }

    void conclude(lock_type&& held, error_code ec) override {
        if (ec && ec != asio::error::operation_aborted) tls_client::on_failed(stream_->native_handle());
        handshake_story story;
        if (this->told()) story = tls_client::tell(stream_->native_handle());
        if (ec) return fail(std::move(held), called_from::the_executor, ec, std::move(story));
        this->tell_phase_end("tls", ec, {}, story.details);
        this->complete(std::move(held), called_from::the_executor, ec, std::move(*stream_));
    }

    void fail(lock_type&& held, called_from from, error_code ec, handshake_story story) {
        stream_.reset();
        this->tell_phase_end("tls", ec, story.note, story.details);
        end(std::move(held), from, ec, next_->unconnected(this->executor()));
    }

    void end(lock_type&& held, called_from from, error_code ec, Inner unconnected) {
        this->complete(std::move(held), from, ec, stream{std::move(unconnected), client_->make_unconnected()});
    }

    const connector_pointer<Inner> next_;
    const std::shared_ptr<const tls_client> client_;
    SSL* connection_ = nullptr;  // until the stream has it
    std::shared_ptr<handshake_race> race_;
    std::string note_;
    std::optional<stream> stream_;
};

template <class Inner>
class tls_connector final : public connector_base<asio::ssl::stream<Inner>> {
    using stream = asio::ssl::stream<Inner>;

public:
    tls_connector(connector_pointer<Inner> next, std::shared_ptr<const tls_client> client)
        : next_{std::move(next)}, client_{std::move(client)} {}

    void start(request&& what, connect_handler<stream>&& handler, handler_runs where) const override {
        std::make_shared<tls_operation<Inner>>(next_, client_, std::move(what), std::move(handler), where)->start();
    }
    stream unconnected(const asio::any_io_executor& executor) const override {
        return stream{next_->unconnected(executor), client_->make_unconnected()};
    }

private:
    const connector_pointer<Inner> next_;
    const std::shared_ptr<const tls_client> client_;
};

}  // namespace dial::detail
