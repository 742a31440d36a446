// Gives a descriptor that dial has just opened to an Asio socket, as if Asio had opened it.
#pragma once

#include <dial/detail/attempt.hpp>
#include <dial/error.hpp>

#include <boost/asio/basic_socket.hpp>
#include <boost/asio/detail/socket_ops.hpp>

namespace dial::detail {

namespace asio = boost::asio;

// basic_socket::assign() expects the worst of a descriptor: that it blocks (an ioctl before the first read), and that a
// copy of it is open elsewhere (an epoll_ctl before the close). Neither is true of a new one, and this tells Asio so.
// Where a later Asio keeps its state elsewhere, the requires-expressions fail and only the two system calls come back.
template <class Protocol, class Executor>
class socket_state : asio::basic_socket<Protocol, Executor> {
    using socket_type = asio::basic_socket<Protocol, Executor>;

public:
    static void mark_new_and_non_blocking(socket_type& socket) {
        if constexpr (requires(socket_type & s) { (s.*(&socket_state::impl_)).get_implementation().state_; }) {
            auto& state = (socket.*(&socket_state::impl_)).get_implementation().state_;
            state |= asio::detail::socket_ops::internal_non_blocking;
            state &= static_cast<asio::detail::socket_ops::state_type>(~asio::detail::socket_ops::possible_dup);
        }
    }
};

// `fd` is non-blocking, close-on-exec and nobody else's; it is closed if the reactor does not take it.
template <class Protocol, class Executor>
error_code adopt(asio::basic_socket<Protocol, Executor>& socket, const Protocol& protocol, int fd) {
    error_code ec;
    try {
        socket.assign(protocol, fd, ec);
    } catch (...) {  // no memory
        close_descriptor(fd);
        throw;
    }
    if (ec)
        close_descriptor(fd);
    else
        socket_state<Protocol, Executor>::mark_new_and_non_blocking(socket);
    return ec;
}

}  // namespace dial::detail
