// A socket that dial opens, sets up and closes itself, while it connects.
#pragma once

#include <dial/detail/attempt.hpp>
#include <dial/detail/open_socket.hpp>
#include <dial/detail/post_completion.hpp>
#include <dial/detail/socket_setup.hpp>
#include <dial/error.hpp>
#include <dial/options.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <utility>

namespace dial::detail {

template <class Endpoint>
class owned_socket {
public:
    using executor_type = asio::any_io_executor;
    using protocol_type = typename Endpoint::protocol_type;
    using socket_type = typename protocol_type::socket;
    static constexpr unsigned char spare_calls = 1;
    static constexpr bool closes = true;

    owned_socket(const executor_type& executor, const Endpoint& peer, const socket_options& options)
        : socket_{executor}, peer_{peer}, options_{options} {}

    executor_type get_executor() const noexcept { return const_cast<socket_type&>(socket_).get_executor(); }

    verdict call(const Endpoint&) { return call_again(); }

    verdict call_again() {
        give_up(false);
        const protocol_type protocol = peer_.protocol();
        const opened made = open_with_options(protocol.family(), protocol.type(), protocol.protocol(), options_);
        if (made.fd == -1) return failed(made.refused.error);
        const verdict first = noted(call_connect(made.fd, peer_.data(), peer_.size()));
        if (first.what == progress::failed) {
            close_descriptor(made.fd);
            return first;
        }
        const error_code ec = adopt(socket_, protocol, made.fd);
        return ec ? failed(ec.value()) : first;
    }

    void remember(const Endpoint&) {}

    verdict ask() { return noted(detail::ask(socket_.native_handle(), family_of(peer_.data(), peer_.size()))); }

    template <class Waiter>
    void async_wait(Waiter&& waiter) {
        socket_.async_wait(socket_type::wait_write, std::forward<Waiter>(waiter));
    }

    // A connection to itself is withdrawn first: closed, it would hold its own port in TIME_WAIT. Nothing else is, since a
    // forked process may have a copy of the socket.
    void give_up(bool) {
        if (std::exchange(to_itself_, false)) withdraw(socket_.native_handle());
        error_code ignored;
        socket_.close(ignored);
    }

    template <class Handler>
    void deliver(Handler&& handler, error_code ec) {
        std::forward<Handler>(handler)(ec, std::move(socket_));
    }
    template <class Handler>
    void post(Handler&& handler, error_code ec) {
        const executor_type executor = get_executor();
        post_completion(std::forward<Handler>(handler), executor, ec, std::move(socket_));
    }

private:
    verdict noted(verdict v) {
        to_itself_ = v.what == progress::to_itself;
        return v;
    }

    socket_type socket_;
    Endpoint peer_;
    socket_options options_;
    bool to_itself_ = false;
};

}  // namespace dial::detail
