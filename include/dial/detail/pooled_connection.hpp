// A connection of a pool, with its stream.
#pragma once

#include <dial/detail/background_wait.hpp>
#include <dial/detail/connector_base.hpp>
#include <dial/detail/idle_watch.hpp>
#include <dial/detail/pool_hub.hpp>
#include <dial/detail/stream_task.hpp>

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/error.hpp>

#include <atomic>
#include <chrono>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace dial::detail {

// What all connections of one pool are made with.
template <class Stream>
struct pool_parts {
    connector_pointer<Stream> next;
    std::shared_ptr<const stream_function_base<Stream>> prepare, check;
    bool watches = true;
    bool unfit = false;  // prepare or check are for another type of stream
};

template <class Stream>
class pooled_connection final : public pool_connection {
public:
    pooled_connection(
        std::uint64_t id, const std::shared_ptr<pool_hub>& hub, std::shared_ptr<const pool_parts<Stream>> parts)
        : pool_connection{id}, hub_{hub}, executor_{hub->executor()}, counter_{hub->counter()}, parts_{
                                                                                                    std::move(parts)} {}

    Stream& stream() noexcept { return *stream_; }

    // The watch goes, the stream is its user's.
    Stream take() {
        stop_watching();
        return std::move(*stream_);
    }

    void open(const target& to, time_point deadline) override {
        deadline_ = deadline;
        story_.begin(to.to_string(), clock_now());
        if (parts_->unfit) {
            asio::post(executor_, [self = self()] { self->failed(error::invalid_option); });
            return;
        }
        request what{to, &inside_, deadline};
        what.executor(executor_);
        try {
            parts_->next->start(std::move(what), opened_handler{self()}, handler_runs::with_the_dial);
        } catch (...) {  // a function of the user's
            asio::post(executor_, [self = self(), ec = error_of(std::current_exception())] { self->failed(ec); });
        }
    }

    void give_up() override {
        std::unique_lock lock{mutex_};
        given_up_ = true;
        if (task_) return task_->stop(self());
        lock.unlock();
        // Not here: cancelling is for the executor, and not before what start() has left to be run there.
        asio::post(executor_, [self = self()] { self->cancel_connect(); });
    }

    void check(duration limit) override {
        if (!parts_->check) {  // there is nothing to ask
            asio::post(executor_, [self = self()] { self->on_task({}, {}); });
            return;
        }
        run(parts_->check, saturating_add(clock_now(), limit));
    }

    bool is_quiet() override { return detail::is_quiet(*stream_); }
    bool is_usable() override { return stream_ && is_open(*stream_); }

    bool needs_watch() override {
        if constexpr (has_socket<Stream>)
            return parts_->watches && !watched_.load();
        else
            return false;
    }

    void watch() override {
        if constexpr (has_socket<Stream>) {
            if (!parts_->watches || watched_.exchange(true)) return;
            const std::uint32_t number = wait_.begin();
            watch_number_.store(number);
            socket_under(*stream_).async_wait(asio::socket_base::wait_read, watch_handler{self(), number});
            if (is_on_the_pools_executor()) wait_.started(number, counter_);
        }
    }

    void close() override {
        const std::lock_guard lock{mutex_};
        given_up_ = true;
        if (task_) return task_->stop(self());  // then the stream goes with this
        stop_counting();
        stream_.reset();
    }

    // --- Of the task ---

    void on_task(error_code ec, const std::string& note) {
        if (!opened_) {
            story_.on_event({.ended = true,
                .when = clock_now(),
                .how = !ec                 ? outcome::done
                    : ec == error::timeout ? outcome::timed_out
                                           : outcome::failed,
                .error = ec,
                .note = note,
                .phase = "prepare"});
            return ec ? failed(ec) : ready();
        }
        if (const auto hub = hub_.lock()) hub->on_checked(*this, !ec);
    }

    // The function may be using the stream, but not at this moment: it runs on the task's strand, as this does.
    void close_socket() {
        const std::lock_guard lock{mutex_};
        if constexpr (requires(error_code ec) { socket_under(*stream_).close(ec); }) {
            error_code ignored;
            if (stream_) socket_under(*stream_).close(ignored);
        }
    }

    void on_task_left() {
        const std::lock_guard lock{mutex_};
        task_.reset();
    }

private:
    using task = stream_task<Stream, pooled_connection>;

    struct opened_handler {
        std::shared_ptr<pooled_connection> connection;

        using cancellation_slot_type = asio::cancellation_slot;
        cancellation_slot_type get_cancellation_slot() const noexcept { return connection->signal_.slot(); }

        void operator()(error_code ec, Stream stream) const { connection->on_connected(ec, std::move(stream)); }
    };

    // Holds the connection: where the kernel does the waiting, its memory has to stay.
    struct watch_handler {
        std::shared_ptr<pooled_connection> connection;
        std::uint32_t number;

        void operator()(error_code) const { connection->on_watch(number); }
    };

    static time_point clock_now() { return std::chrono::steady_clock::now(); }

    std::shared_ptr<pooled_connection> self() {
        return std::static_pointer_cast<pooled_connection>(shared_from_this());
    }

    void cancel_connect() {
        if (!connected_.load()) signal_.emit(asio::cancellation_type::terminal);
    }

    void on_connected(error_code ec, Stream stream) {
        connected_.store(true);
        story_.add(std::move(inside_));
        if (ec) return failed(ec);
        {
            const std::lock_guard lock{mutex_};
            if (given_up_) return;
            stream_.emplace(std::move(stream));
        }
        if (!parts_->prepare) return ready();
        story_.on_event({.when = clock_now(), .phase = "prepare"});
        run(parts_->prepare, deadline_);
    }

    void run(const std::shared_ptr<const stream_function_base<Stream>>& function, time_point deadline) {
        const auto started = std::make_shared<task>(executor_);
        {
            const std::lock_guard lock{mutex_};
            if (given_up_) return;
            task_ = started;
        }
        started->start(function, self(), *stream_, deadline);
    }

    void ready() {
        opened_ = true;
        story_.end({}, clock_now());
        if (const auto hub = hub_.lock()) hub->on_opened(*this, std::move(story_));
    }

    void failed(error_code ec) {
        story_.end(ec, clock_now());
        if (const auto hub = hub_.lock()) hub->on_open_failed(*this, ec, std::move(story_));
    }

    void on_watch(std::uint32_t number) {
        wait_.ended(number, counter_);
        watched_.store(false);
        if (lent()) return;  // what came was for its user; it is watched again when it is back
        if (const auto hub = hub_.lock()) hub->on_readable(*this);
    }

    // A connector may make streams elsewhere, whatever it was asked for.
    bool is_on_the_pools_executor() {
        if constexpr (std::is_constructible_v<asio::any_io_executor, decltype(socket_under(*stream_).get_executor())>)
            return asio::any_io_executor{socket_under(*stream_).get_executor()} == executor_;
        else
            return false;
    }

    // The operation that is about to be cancelled counts again, until its handler has run.
    void stop_counting() { wait_.ended(watch_number_.load(), counter_); }

    void stop_watching() {
        stop_counting();
        if constexpr (requires(error_code ec) { socket_under(*stream_).cancel(ec); }) {
            error_code ignored;
            socket_under(*stream_).cancel(ignored);
        }
    }

    const std::weak_ptr<pool_hub> hub_;
    const asio::any_io_executor executor_;
    const work_counter counter_;
    const std::shared_ptr<const pool_parts<Stream>> parts_;

    std::mutex mutex_;  // of the next three, where a connect ends while it is given up
    bool given_up_ = false;
    std::shared_ptr<task> task_;  // while the user's function has the stream
    std::optional<Stream> stream_;

    bool opened_ = false;
    time_point deadline_;
    asio::cancellation_signal signal_;
    std::atomic<bool> connected_ = false;  // or not: it is over
    report story_, inside_;

    background_wait wait_;
    std::atomic<bool> watched_ = false;
    std::atomic<std::uint32_t> watch_number_ = 0;
};

}  // namespace dial::detail
