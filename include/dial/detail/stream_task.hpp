// Runs the user's function on a stream, for a limited time.
#pragma once

#include <dial/detail/stream_function.hpp>
#include <dial/error.hpp>
#include <dial/time.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>

#include <exception>
#include <memory>
#include <string>
#include <utility>

namespace dial::detail {

// On a strand of its own. Tells how the function ended, or that it took too long: then it is told to stop, the socket is closed, and
// it is left to itself; it may go on using the stream until it calls its handler, or drops it. Its owner, and the stream in it, live so
// long, and may be gone the moment after: whatever closes the socket asks the owner.
template <class Stream, class Owner>
class stream_task : public std::enable_shared_from_this<stream_task<Stream, Owner>> {
public:
    explicit stream_task(const asio::any_io_executor& executor)
        : strand_{asio::make_strand(executor)}, timer_{strand_} {}

    // Once. Then owner->on_task(error, note), on the strand; and owner->on_task_left() when the function has let go of the stream.
    void start(std::shared_ptr<const stream_function_base<Stream>> function, std::shared_ptr<Owner> owner,
        Stream& stream, time_point deadline) {
        asio::post(strand_,
            [self = this->shared_from_this(), function = std::move(function), owner = std::move(owner), &stream,
                deadline]() mutable { self->run(*function, std::move(owner), stream, deadline); });
    }

    // From any thread: nobody waits for it any longer.
    void stop(std::shared_ptr<Owner> owner) {
        asio::post(strand_, [self = this->shared_from_this(), owner = std::move(owner)] {
            self->over_ = true;
            self->end(*owner);
        });
    }

private:
    struct handler {
        asio::any_io_executor work;  // the function may be running on a thread that the executor knows nothing of
        std::shared_ptr<stream_task> task;
        std::shared_ptr<Owner> owner;

        handler(std::shared_ptr<stream_task> t, std::shared_ptr<Owner> o)
            : work{asio::prefer(t->strand_, asio::execution::outstanding_work.tracked)}, task{std::move(t)},
              owner{std::move(o)} {}
        handler(handler&&) noexcept = default;
        ~handler() {
            if (owner) owner->on_task_left();
        }

        using executor_type = asio::any_io_executor;
        executor_type get_executor() const noexcept { return task->strand_; }
        using cancellation_slot_type = asio::cancellation_slot;
        cancellation_slot_type get_cancellation_slot() const noexcept { return task->signal_.slot(); }

        // From any thread: the function may be careless.
        void operator()(error_code ec, const std::string& note) {
            const auto ended = std::exchange(task, {});
            auto to = std::exchange(owner, {});
            to->on_task_left();
            asio::dispatch(ended->strand_, [ended, to = std::move(to), ec, note] { ended->on_result(*to, ec, note); });
        }
    };

    void run(const stream_function_base<Stream>& function, std::shared_ptr<Owner> owner, Stream& stream,
        time_point deadline) {
        if (over_) return owner->on_task_left();
        if (deadline != time_point::max()) {
            timer_.expires_at(deadline);
            timer_.async_wait([self = this->shared_from_this(), owner](error_code) {
                if (self->over_) return;
                self->end(*owner);
                self->on_result(*owner, error::timeout, {});
            });
        }
        try {
            function.start(strand_, stream, task_handler{handler{this->shared_from_this(), owner}});
        } catch (...) {
            const auto thrown = std::current_exception();
            on_result(*owner, error_of(thrown), words_of(thrown));
        }
    }

    void on_result(Owner& owner, error_code ec, const std::string& note) {
        if (std::exchange(over_, true)) return;
        timer_.cancel();
        owner.on_task(ec, note);
    }

    void end(Owner& owner) {
        timer_.cancel();
        signal_.emit(asio::cancellation_type::terminal);
        owner.close_socket();
    }

    const asio::any_io_executor strand_;
    asio::steady_timer timer_;
    asio::cancellation_signal signal_;
    bool over_ = false;  // of interest to nobody any more
};

}  // namespace dial::detail
