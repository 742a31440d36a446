// The socket under a stream of any type, and whether there is anything to read on it.
#pragma once

#include <dial/detail/tls_idle.hpp>

#include <boost/asio/socket_base.hpp>

#include <sys/socket.h>

#include <cerrno>
#include <concepts>
#include <type_traits>
#include <utility>

// Asio's own declarations; its headers are the business of who uses them.
namespace boost::asio::ssl {
template <typename Stream>
class stream;
}

namespace dial::detail {

namespace asio = boost::asio;

template <class T>
concept waits_for_reading = requires(T& socket) {
    socket.async_wait(asio::socket_base::wait_read, [](auto&&...) {});
    { socket.native_handle() } -> std::convertible_to<int>;
};

struct no_socket {};

// What can be waited on: the stream itself, or what is under it. Nothing for streams that show none.
template <class Stream>
auto& socket_under(Stream& stream) {
    if constexpr (requires { stream.lowest_layer(); } && !waits_for_reading<Stream>) {
        return socket_under(stream.lowest_layer());
    } else if constexpr (waits_for_reading<Stream>) {
        return stream;
    } else if constexpr (requires { stream.next_layer(); }) {
        return socket_under(stream.next_layer());
    } else if constexpr (requires { stream.socket(); }) {
        return socket_under(stream.socket());
    } else {
        static no_socket none;
        return none;
    }
}

template <class Stream>
inline constexpr bool has_socket = !std::is_same_v<decltype(socket_under(std::declval<Stream&>())), no_socket&>;

template <class Stream>
bool is_open(Stream& stream) {
    if constexpr (requires { socket_under(stream).is_open(); })
        return socket_under(stream).is_open();
    else if constexpr (requires { stream.is_open(); })
        return stream.is_open();
    else
        return true;
}

// Whether nothing is there to be read, and the connection stands. One system call.
inline bool is_quiet(int descriptor) noexcept {
    char byte;
    return ::recv(descriptor, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

template <class Stream>
bool is_quiet(Stream& stream) {
    if constexpr (has_socket<Stream>)
        return is_quiet(static_cast<int>(socket_under(stream).native_handle()));
    else
        return true;
}

// TLS has messages of its own. (Of TLS inside TLS, only the outer one could read what comes: there nothing is expected.)
template <waits_for_reading Next>
bool is_quiet(asio::ssl::stream<Next>& stream) {
    return tls_is_quiet(stream.native_handle(), static_cast<int>(socket_under(stream).native_handle()));
}

}  // namespace dial::detail
