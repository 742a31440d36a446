#include <dial/detail/attempt.hpp>
#include <dial/detail/socket_setup.hpp>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstring>

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif
#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif
#ifndef TCP_FASTOPEN_CONNECT
#define TCP_FASTOPEN_CONNECT 30
#endif
#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

namespace dial::detail {
namespace {

// Sets options until one is refused, and remembers which.
class setter {
public:
    explicit setter(int fd) : fd_{fd} {}

    void set(int level, int option, const char* name, int value) { set(level, option, name, &value, sizeof value); }

    void set(int level, int option, const char* name, const void* value, socklen_t size) {
        if (first_.error) return;
        if (::setsockopt(fd_, level, option, value, size) != 0) first_ = {errno, name};
    }

    void bind(const sockaddr* address, socklen_t size) {
        if (first_.error) return;
        if (::bind(fd_, address, size) != 0) first_ = {errno, "bind"};
    }

    // For what the kernel takes and does otherwise.
    void refuse(int error, const char* name) {
        if (!first_.error) first_ = {error, name};
    }

    refused_option first() const { return first_; }

private:
    int fd_;
    refused_option first_;
};

// Rounded up: no limit that somebody set becomes shorter, or zero, which would mean "default".
template <class Unit>
int whole(duration length) {
    return static_cast<int>(std::clamp<std::int64_t>(std::chrono::ceil<Unit>(length).count(), INT_MIN, INT_MAX));
}

void set_tcp(setter& socket, const socket_options& options) {
    if (options.no_delay) socket.set(IPPROTO_TCP, TCP_NODELAY, "TCP_NODELAY", 1);
    if (options.keep_alive) {
        socket.set(SOL_SOCKET, SO_KEEPALIVE, "SO_KEEPALIVE", 1);
        socket.set(IPPROTO_TCP, TCP_KEEPIDLE, "TCP_KEEPIDLE", whole<std::chrono::seconds>(options.keep_alive->idle));
        socket.set(
            IPPROTO_TCP, TCP_KEEPINTVL, "TCP_KEEPINTVL", whole<std::chrono::seconds>(options.keep_alive->interval));
        socket.set(IPPROTO_TCP, TCP_KEEPCNT, "TCP_KEEPCNT", options.keep_alive->count);
    }
    if (options.user_timeout)
        socket.set(
            IPPROTO_TCP, TCP_USER_TIMEOUT, "TCP_USER_TIMEOUT", whole<std::chrono::milliseconds>(*options.user_timeout));
    if (options.syn_count) socket.set(IPPROTO_TCP, TCP_SYNCNT, "TCP_SYNCNT", *options.syn_count);
    if (options.fast_open) socket.set(IPPROTO_TCP, TCP_FASTOPEN_CONNECT, "TCP_FASTOPEN_CONNECT", 1);
}

// Of a value that does not fit, IP_TOS would take the low byte, and IPV6_TCLASS -1 for its default.
void set_traffic_class(setter& socket, int family, int value) {
    const char* const name = family == AF_INET ? "IP_TOS" : "IPV6_TCLASS";
    if (value < 0 || value > 255) return socket.refuse(EINVAL, name);
    if (family == AF_INET)
        socket.set(IPPROTO_IP, IP_TOS, name, value);
    else
        socket.set(IPPROTO_IPV6, IPV6_TCLASS, name, value);
}

void set_ip(setter& socket, int family, const socket_options& options) {
    if (options.traffic_class) set_traffic_class(socket, family, *options.traffic_class);
    if (options.local_ports) {
        const std::uint32_t range = options.local_ports->first | std::uint32_t{options.local_ports->last} << 16;
        socket.set(IPPROTO_IP, IP_LOCAL_PORT_RANGE, "IP_LOCAL_PORT_RANGE", &range, sizeof range);
    }
    // The option of IPPROTO_IP serves IPv6 as well. The port is chosen by connect, for its destination.
    if (family == AF_INET && options.local_v4) {
        sockaddr_in source{};
        source.sin_family = AF_INET;
        const auto bytes = options.local_v4->to_bytes();
        std::memcpy(&source.sin_addr, bytes.data(), bytes.size());
        socket.set(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, "IP_BIND_ADDRESS_NO_PORT", 1);
        socket.bind(reinterpret_cast<const sockaddr*>(&source), sizeof source);
    }
    if (family == AF_INET6 && options.local_v6) {
        sockaddr_in6 source{};
        source.sin6_family = AF_INET6;
        const auto bytes = options.local_v6->to_bytes();
        std::memcpy(&source.sin6_addr, bytes.data(), bytes.size());
        source.sin6_scope_id = static_cast<std::uint32_t>(options.local_v6->scope_id());
        socket.set(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, "IP_BIND_ADDRESS_NO_PORT", 1);
        socket.bind(reinterpret_cast<const sockaddr*>(&source), sizeof source);
    }
}

}  // namespace

refused_option set_options(int fd, int family, int type, const socket_options& options) {
    setter socket{fd};
    const bool ip = family == AF_INET || family == AF_INET6;
    if (options.receive_buffer) socket.set(SOL_SOCKET, SO_RCVBUF, "SO_RCVBUF", *options.receive_buffer);
    if (options.send_buffer) socket.set(SOL_SOCKET, SO_SNDBUF, "SO_SNDBUF", *options.send_buffer);
    if (options.mark) socket.set(SOL_SOCKET, SO_MARK, "SO_MARK", *options.mark);
    if (!options.interface.empty())
        socket.set(SOL_SOCKET, SO_BINDTODEVICE, "SO_BINDTODEVICE", options.interface.c_str(),
            static_cast<socklen_t>(options.interface.view().size()));
    if (ip && type == SOCK_STREAM) set_tcp(socket, options);
    if (ip) set_ip(socket, family, options);
    return socket.first();
}

opened open_with_options(int family, int type, int protocol, const socket_options& options) {
    const auto open = [&](int how) -> opened {
        const int fd = new_socket(family, type, how);
        if (fd == -1) return {.refused = {.error = errno}};
        const refused_option refused = set_options(fd, family, type, options);
        if (!refused.error) return {.fd = fd};
        close_descriptor(fd);
        return {.refused = refused};
    };
    const bool ip_stream = (family == AF_INET || family == AF_INET6) && type == SOCK_STREAM;
    if (options.multipath && ip_stream && (protocol == 0 || protocol == IPPROTO_TCP)) {
        // The kernel may have none of it, have it switched off, or know fewer options for it than for TCP.
        if (const opened multipath = open(IPPROTO_MPTCP); multipath.fd != -1) return multipath;
    }
    return open(protocol);
}

}  // namespace dial::detail
