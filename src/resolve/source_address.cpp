#include <resolve/source_address.hpp>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace dial::resolve {
namespace {

constexpr in_port_t any_port = 9;  // discard; a route seldom depends on it

constexpr address v4_mapped{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}};

sockaddr_storage to_sockaddr(const address& a) {
    sockaddr_storage any{};
    if (is_v4(a)) {
        sockaddr_in v4{};
        v4.sin_family = AF_INET;
        v4.sin_port = htons(any_port);
        std::memcpy(&v4.sin_addr, &a.bytes[12], sizeof v4.sin_addr);
        std::memcpy(&any, &v4, sizeof v4);
    } else {
        sockaddr_in6 v6{};
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(any_port);
        v6.sin6_scope_id = a.scope_id;
        std::memcpy(&v6.sin6_addr, a.bytes.data(), sizeof v6.sin6_addr);
        std::memcpy(&any, &v6, sizeof v6);
    }
    return any;
}

address from_sockaddr(const sockaddr_storage& any) {
    address a;
    if (any.ss_family == AF_INET) {
        sockaddr_in v4;
        std::memcpy(&v4, &any, sizeof v4);
        a = v4_mapped;
        std::memcpy(&a.bytes[12], &v4.sin_addr, sizeof v4.sin_addr);
    } else {
        sockaddr_in6 v6;
        std::memcpy(&v6, &any, sizeof v6);
        std::memcpy(a.bytes.data(), &v6.sin6_addr, sizeof v6.sin6_addr);
        a.scope_id = v6.sin6_scope_id;
    }
    return a;
}

bool connect(int fd, const sockaddr_storage& to) {
    return ::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
}

// A connected socket keeps the source address that it got, and the interface of a link-local peer, even when connecting
// has failed: whatever it is connected to next would be looked for from there. To connect to nobody lets go of both.
void forget_peer(int fd) {
    sockaddr_storage nobody{};
    nobody.ss_family = AF_UNSPEC;
    connect(fd, nobody);
}

}  // namespace

address from_asio(const boost::asio::ip::address& a) {
    if (a.is_v6()) {
        const boost::asio::ip::address_v6 v6 = a.to_v6();
        return {v6.to_bytes(), static_cast<std::uint32_t>(v6.scope_id())};
    }
    address mapped = v4_mapped;
    std::ranges::copy(a.to_v4().to_bytes(), mapped.bytes.begin() + 12);
    return mapped;
}

source_prober::~source_prober() {
    for (const int fd : sockets_)
        if (fd != -1) ::close(fd);
}

std::optional<address> source_prober::source_for(const address& to) {
    const sockaddr_storage peer = to_sockaddr(to);
    const int fd = socket_for(peer.ss_family);
    if (fd == -1) return {};

    sockaddr_storage own{};
    socklen_t size = sizeof own;
    const bool known = connect(fd, peer) && ::getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size) == 0;
    forget_peer(fd);
    return known ? std::optional{from_sockaddr(own)} : std::nullopt;
}

int source_prober::socket_for(int family) {
    int& fd = sockets_[family == AF_INET ? 0 : 1];
    if (fd == -1) fd = ::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return fd;
}

}  // namespace dial::resolve
