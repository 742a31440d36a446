// Runs the user's function on a stream, for a limited time.
#pragma once

#include <dial/detail/idle_watch.hpp>
#include <dial/detail/stream_function.hpp>
#include <dial/error.hpp>
#include <dial/time.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>

#include <memory>
#include <utility>

namespace dial::detail {

// On a strand of its own. Tells how the function ended, or that it took too long: then it is told to stop, the socket is closed, and
// it is left to itself; it may go on using the stream until it calls its handler, or drops it. Its owner lives so long.
template <class Stream, class Owner>
class stream_task : public std::enable_shared_from_this<stream_task<Stream, Owner>> {
public:
    explicit stream_task(const asio::any_io_executor& executor)
        : strand_{asio::make_strand(executor)}, timer_{strand_} {}

    // Once. Then owner->on_task(error), on the strand; and owner->on_task_left() when the function has let go of the stream.
    void start(std::shared_ptr<const stream_function_base<Stream>> function, std::shared_ptr<Owner> owner,
        Stream& stream, time_point deadline) {
        asio::post(strand_,
            [self = this->shared_from_this(), function = std::move(function), owner = std::move(owner), &stream,
                deadline]() mutable { self->run(*function, std::move(owner), stream, deadline); });
    }

    // From any thread: nobody waits for it any longer.
    void stop(std::shared_ptr<Owner> owner, Stream& stream) {
        asio::post(strand_, [self = this->shared_from_this(), owner = std::move(owner), &stream] {
            self->over_ = true;
            self->end(stream);
        });
    }

private:
    struct handler {
        std::shared_ptr<stream_task> task;
        std::shared_ptr<Owner> owner;

        handler(std::shared_ptr<stream_task> t, std::shared_ptr<Owner> o) : task{std::move(t)}, owner{std::move(o)} {}
        handler(handler&&) noexcept = default;
        ~handler() {
            if (owner) owner->on_task_left();
        }

        using executor_type = asio::any_io_executor;
        executor_type get_executor() const noexcept { return task->strand_; }
        using cancellation_slot_type = asio::cancellation_slot;
        cancellation_slot_type get_cancellation_slot() const noexcept { return task->signal_.slot(); }

        // From any thread: the function may be careless.
        void operator()(error_code ec) {
            const auto ended = std::exchange(task, {});
            auto to = std::exchange(owner, {});
            to->on_task_left();
            asio::dispatch(ended->strand_, [ended, to = std::move(to), ec] { ended->on_result(*to, ec); });
        }
    };

    void run(const stream_function_base<Stream>& function, std::shared_ptr<Owner> owner, Stream& stream,
        time_point deadline) {
        if (over_) return owner->on_task_left();
        if (deadline != time_point::max()) {
            timer_.expires_at(deadline);
            timer_.async_wait([self = this->shared_from_this(), owner, &stream](error_code) {
                if (self->over_) return;
                self->end(stream);
                self->on_result(*owner, error::timeout);
            });
        }
        try {
            function.start(strand_, stream, done_handler{handler{this->shared_from_this(), owner}});
        } catch (...) {
            on_result(*owner, error_of(std::current_exception()));
        }
    }

    void on_result(Owner& owner, error_code ec) {
        if (std::exchange(over_, true)) return;
        timer_.cancel();
        owner.on_task(ec);
    }

    void end(Stream& stream) {
        timer_.cancel();
        signal_.emit(asio::cancellation_type::terminal);
        if constexpr (requires(error_code ec) { socket_under(stream).close(ec); }) {
            error_code ignored;
            socket_under(stream).close(ignored);
        }
    }

    const asio::any_io_executor strand_;
    asio::steady_timer timer_;
    asio::cancellation_signal signal_;
    bool over_ = false;  // of interest to nobody any more
};

}  // namespace dial::detail
