#include <dial/detail/attempt.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#ifndef SO_COOKIE
#define SO_COOKIE 57
#endif

namespace dial::detail {
namespace {

bool is_ip(int family) {
    return family == AF_INET || family == AF_INET6;
}

bool is_loopback(const sockaddr* address, std::size_t size) {
    if (address->sa_family == AF_INET && size >= sizeof(sockaddr_in)) {
        sockaddr_in in;
        std::memcpy(&in, address, sizeof in);
        return ntohl(in.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    if (address->sa_family == AF_INET6 && size >= sizeof(sockaddr_in6)) {
        sockaddr_in6 in;
        std::memcpy(&in, address, sizeof in);
        const auto& bytes = in.sin6_addr.s6_addr;
        return IN6_IS_ADDR_LOOPBACK(&in.sin6_addr) || (IN6_IS_ADDR_V4MAPPED(&in.sin6_addr) && bytes[12] == IN_LOOPBACKNET);
    }
    return false;
}

// Reads the pending error of a socket, which empties it.
verdict pending_error(int fd) {
    int error = 0;
    socklen_t size = sizeof error;
    if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
    return failed(error);
}

// Address and port alone: the rest (flow label, padding) may differ between the two ends of one socket.
bool same_endpoint(const sockaddr_storage& a, const sockaddr_storage& b) {
    if (a.ss_family != b.ss_family) return false;
    if (a.ss_family == AF_INET) {
        const auto& x = reinterpret_cast<const sockaddr_in&>(a);
        const auto& y = reinterpret_cast<const sockaddr_in&>(b);
        return x.sin_port == y.sin_port && x.sin_addr.s_addr == y.sin_addr.s_addr;
    }
    const auto& x = reinterpret_cast<const sockaddr_in6&>(a);
    const auto& y = reinterpret_cast<const sockaddr_in6&>(b);
    return x.sin6_port == y.sin6_port && IN6_ARE_ADDR_EQUAL(&x.sin6_addr, &y.sin6_addr) &&
           x.sin6_scope_id == y.sin6_scope_id;
}

verdict connected_unless_to_itself(int fd) {
    sockaddr_storage local{}, peer{};
    socklen_t local_size = sizeof local, peer_size = sizeof peer;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &peer_size) != 0)
        return errno == ENOTCONN ? verdict{progress::in_progress} : failed(errno);
    if (!is_ip(peer.ss_family)) return {progress::connected};
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&local), &local_size) != 0) return failed(errno);
    return {same_endpoint(local, peer) ? progress::to_itself : progress::connected};
}

// The part of Linux's struct tcp_info (linux/tcp.h) that tells a connection from an attempt, and its first segments.
// <netinet/tcp.h> ends before the last field, and the two headers cannot be included together; a test compares.
struct tcp_summary {
    unsigned char state;
    unsigned char between[139];
    std::uint32_t segments_in;
};
static_assert(offsetof(tcp_summary, segments_in) == 140 && sizeof(tcp_summary) == 144);

// How much of it the kernel knows, or 0: the socket is not TCP.
socklen_t read_tcp_summary(int fd, tcp_summary& info) {
    socklen_t size = sizeof info;
    return ::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 ? size : 0;
}

// connect(2) has said 0. A non-blocking TCP socket hears that only about an earlier attempt, which has ended well since,
// or when a Fast Open leaves the SYN to the first write.
verdict connected_at_once(int fd, int family) {
    tcp_summary info{};
    if (is_ip(family) && read_tcp_summary(fd, info) && info.state != TCP_SYN_SENT) return failed(EISCONN);
    return {progress::connected};
}

}  // namespace

int family_of(const sockaddr* address, std::size_t size) {
    return address && size >= sizeof address->sa_family ? address->sa_family : AF_UNSPEC;
}

verdict call_connect(int fd, const sockaddr* address, std::size_t size) {
    const int family = family_of(address, size);
    // connect(2) to AF_UNSPEC takes a connection away and says 0: never a success.
    if (address && size >= sizeof address->sa_family && family == AF_UNSPEC) return failed(EAFNOSUPPORT);

    if (::connect(fd, address, static_cast<socklen_t>(size)) == 0) return connected_at_once(fd, family);
    switch (errno) {
        case EINPROGRESS: return is_loopback(address, size) ? ask(fd, family) : verdict{progress::in_progress};
        case EINTR:  // the attempt goes on (connect(3p)), but for AF_UNIX, which had not begun one
            return {family == AF_UNIX ? progress::queue_full : progress::in_progress};
        case EAGAIN: return family == AF_UNIX ? verdict{progress::queue_full} : failed(EAGAIN);
        default: return failed(errno);
    }
}

verdict ask(int fd, int family) {
    tcp_summary info{};
    if (const socklen_t size = is_ip(family) ? read_tcp_summary(fd, info) : 0) {
        switch (info.state) {
            case TCP_SYN_SENT:
            case TCP_SYN_RECV: return {progress::in_progress};
            case TCP_CLOSE: {
                const verdict v = pending_error(fd);
                withdraw(fd);  // or the next connect would hear of this one, as ECONNABORTED
                return v.error ? v : failed(ECONNABORTED);
            }
            default: break;
        }
        // One segment in: the peer's SYN-ACK. Who connects to itself has heard its own SYN before that.
        if (size == sizeof info && info.segments_in == 1) return {progress::connected};
        return connected_unless_to_itself(fd);
    }
    const verdict v = pending_error(fd);
    return v.error ? v : connected_unless_to_itself(fd);
}

bool withdraw(int fd) {
    sockaddr nobody{};
    nobody.sa_family = AF_UNSPEC;
    if (::connect(fd, &nobody, sizeof nobody) != 0) return false;
    pending_error(fd);
    return true;
}

std::uint64_t identity(int fd) {
    std::uint64_t cookie = 0;
    socklen_t size = sizeof cookie;
    return ::getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0 ? cookie : 0;
}

int new_socket(int family, int type, int protocol) {
    return ::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
}

void close_descriptor(int fd) {
    const int error = errno;
    ::close(fd);
    errno = error;
}

}  // namespace dial::detail
