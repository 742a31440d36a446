// A caller's socket or descriptor, while it connects.
#pragma once

#include <dial/detail/attempt.hpp>
#include <dial/detail/open_socket.hpp>
#include <dial/detail/post_completion.hpp>
#include <dial/error.hpp>

#include <boost/asio/ip/basic_endpoint.hpp>

#include <cerrno>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace dial::detail {

template <class Endpoint>
inline constexpr bool is_ip_endpoint = false;
template <class Protocol>
inline constexpr bool is_ip_endpoint<asio::ip::basic_endpoint<Protocol>> = true;

// A basic_socket can be opened; other handles come open.
template <class Handle>
inline constexpr bool is_socket = requires(Handle& handle) {
    []<class Protocol, class Executor>(asio::basic_socket<Protocol, Executor>&) {}(handle);
};

// Once it waits, it touches the socket only while that is the same: the caller may have closed or released it, and the
// number may be another's.
template <class Handle, class Endpoint>
class borrowed_handle {
public:
    using executor_type = typename Handle::executor_type;
    static constexpr unsigned char spare_calls = 0;
    static constexpr bool closes = false;

    explicit borrowed_handle(Handle& handle) : handle_{&handle} {}

    executor_type get_executor() const noexcept { return handle_->get_executor(); }

    verdict call(const Endpoint& peer) {
        fd_ = handle_->native_handle();
        if (fd_ == -1) {
            if constexpr (is_socket<Handle>)
                return open_and_call(*handle_, peer);
            else
                return failed(EBADF);
        }
        if (!handle_->native_non_blocking()) {
            error_code ec;
            handle_->native_non_blocking(true, ec);
            if (ec) return failed(ec.value());
        }
        return call_connect(fd_, peer.data(), peer.size());
    }

    void remember(const Endpoint& peer) {
        family_ = family_of(peer.data(), peer.size());
        identity_ = identity(fd_);
        kept_ = kept_type{peer};
    }

    verdict call_again() {
        if (!is_the_same()) return failed(ECANCELED);
        return kept_.call(fd_);
    }

    verdict ask() const { return is_the_same() ? detail::ask(fd_, family_) : failed(ECANCELED); }

    template <class Waiter>
    void async_wait(Waiter&& waiter) {
        handle_->async_wait(Handle::wait_write, std::forward<Waiter>(waiter));
    }

    void give_up(bool held) {
        if (!held || !is_the_same() || withdraw(fd_)) return;
        error_code ignored;  // AF_VSOCK: the kernel cannot take an attempt back
        if constexpr (requires { handle_->close(ignored); })
            handle_->close(ignored);
        else if constexpr (requires { handle_->cancel(ignored); })
            handle_->cancel(ignored);
    }

    template <class Handler>
    void deliver(Handler&& handler, error_code ec) const {
        std::forward<Handler>(handler)(ec);
    }
    template <class Handler>
    void post(Handler&& handler, error_code ec) const {
        post_completion(std::forward<Handler>(handler), get_executor(), ec);
    }

private:
    // The peer of a unix socket, whose queue may be full: no other is called again.
    struct kept_peer {
        kept_peer() = default;
        explicit kept_peer(const Endpoint& peer) : endpoint{peer} {}
        verdict call(int fd) const { return call_connect(fd, endpoint.data(), endpoint.size()); }
        Endpoint endpoint;
    };
    struct no_peer {
        no_peer() = default;
        explicit no_peer(const Endpoint&) {}
        verdict call(int) const { return failed(ECANCELED); }
    };
    using kept_type = std::conditional_t<is_ip_endpoint<Endpoint>, no_peer, kept_peer>;

    bool is_the_same() const {
        return handle_->native_handle() == fd_ && (identity_ == 0 || identity(fd_) == identity_);
    }

    // The reactor hears of the socket after the call, when it has nothing stale to say about it.
    template <class Protocol, class Executor>
    verdict open_and_call(asio::basic_socket<Protocol, Executor>& socket, const Endpoint& peer) {
        const auto protocol = peer.protocol();
        if constexpr (std::is_constructible_v<Protocol, decltype(protocol)>) {
            fd_ = new_socket(protocol.family(), protocol.type(), protocol.protocol());
            if (fd_ == -1) return failed(errno);
            const verdict first = call_connect(fd_, peer.data(), peer.size());
            const error_code ec = adopt(socket, Protocol{protocol}, fd_);
            return ec ? failed(ec.value()) : first;
        } else {
            return failed(EBADF);  // a generic endpoint does not say how to open, say, a tcp::socket
        }
    }

    Handle* handle_;
    std::uint64_t identity_ = 0;  // none before the first wait
    int fd_ = -1;
    int family_ = 0;
    [[no_unique_address]] kept_type kept_;
};

}  // namespace dial::detail
