// One connect(2) on one descriptor: the system calls, and what their answers mean. Knows no Asio and never waits.
#pragma once

#include <cstdint>

struct sockaddr;

namespace dial::detail {

enum class progress : unsigned char {
    connected,    // to the peer
    to_itself,    // TCP's simultaneous open with itself: not a connection that anybody wants
    in_progress,  // the kernel is at it
    queue_full,   // AF_UNIX: the listener's queue has no room, and no event will tell when it has
    failed,
};

struct verdict {
    progress what = progress::failed;
    int error = 0;  // errno, when failed
    bool operator==(const verdict&) const = default;
};

inline verdict failed(int error) noexcept {
    return {progress::failed, error};
}

// Calls ::connect on a non-blocking descriptor and reads the answer. On loopback, where the handshake is over before
// the call returns EINPROGRESS, it asks at once.
verdict call_connect(int fd, const sockaddr* address, std::size_t size);

// How the attempt on `fd` stands. Readiness is never taken for an answer. A TCP socket whose attempt has failed may
// connect again.
verdict ask(int fd, int family);

// Takes the kernel's attempt, or the connection, back: the socket is unconnected, keeps options and bind, and has no
// error pending. False where the kernel cannot (AF_VSOCK).
bool withdraw(int fd);

// Tells one socket from another that has got its number since. Zero: the kernel cannot tell.
std::uint64_t identity(int fd);

// A new socket, non-blocking and close-on-exec, or -1 and errno.
int new_socket(int family, int type, int protocol);

// Closes; keeps errno.
void close_descriptor(int fd);

int family_of(const sockaddr* address, std::size_t size);

}  // namespace dial::detail
