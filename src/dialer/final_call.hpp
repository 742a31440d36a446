// The last thing a dial does: the report is written, then the handler is called.
#pragma once

#include <dial/dialer.hpp>

#include <boost/asio/append.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <memory>
#include <utility>

namespace dial::detail {

template <class Handler, class Socket>
class final_call {
public:
    final_call(Handler handler, error_code error, Socket socket, report* to, std::unique_ptr<report> story)
        : handler_{std::move(handler)}, error_{error}, socket_{std::move(socket)}, to_{to}, story_{std::move(story)} {}

    void operator()() {
        if (to_ && story_) *to_ = std::move(*story_);
        std::move(handler_)(error_, std::move(socket_));
    }

    // Later, where the handler runs. An io_context behind any_io_executor is looked through: that saves allocations.
    static void post(final_call call, const asio::any_io_executor& executor, handler_runs where) {
        if (where == handler_runs::elsewhere) return asio::post(executor, there{std::move(call)});
        if (const auto* const context = executor.target<asio::io_context::executor_type>())
            return asio::post(*context, std::move(call));
        asio::post(executor, std::move(call));
    }

private:
    struct there {
        final_call call;

        using executor_type = asio::associated_executor_t<Handler, asio::any_io_executor>;
        executor_type get_executor() const noexcept {
            return asio::get_associated_executor(call.handler_, call.socket_.get_executor());
        }
        void operator()() { call(); }
    };

    mutable Handler handler_;
    error_code error_;
    mutable Socket socket_;  // a socket that does not change tells its executor to nobody
    report* to_;
    std::unique_ptr<report> story_;
};

}  // namespace dial::detail
