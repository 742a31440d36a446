// Peers on loopback for tests to connect to, and what a socket says about itself.
#pragma once

#include <dial/error.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace dial::test {

namespace asio = boost::asio;

/// A descriptor that closes itself. Empty: -1.
class descriptor {
public:
    descriptor() = default;
    explicit descriptor(int fd) : fd_{fd} {}
    descriptor(descriptor&& other) noexcept;
    descriptor& operator=(descriptor&& other) noexcept;
    ~descriptor() { close(); }

    int get() const { return fd_; }
    explicit operator bool() const { return fd_ != -1; }
    void close();

private:
    int fd_ = -1;
};

/// A TCP server, on a port that the kernel has chosen unless one is given.
class tcp_server {
public:
    explicit tcp_server(const std::string& address = "127.0.0.1", int backlog = 4096, unsigned short port = 0);

    asio::ip::tcp::endpoint endpoint() const { return endpoint_; }
    int fd() const { return listener_.get(); }
    descriptor accept() const;           ///< Waits for a connection, at most 30 s; empty after that.
    std::size_t accept_all() const;      ///< Accepts and closes what is there, without waiting.
    void close() { listener_.close(); }  ///< From here on, the endpoint refuses.

private:
    descriptor listener_;
    asio::ip::tcp::endpoint endpoint_;
};

/// A TCP server whose queue is full: SYNs are dropped, and connects to it stay pending.
class silent_server : public tcp_server {
public:
    explicit silent_server(const std::string& address = "127.0.0.1", unsigned short port = 0);

private:
    descriptor filler_;
};

/// An endpoint that refuses: the port is bound, so that nobody else gets it, but does not listen.
class refusing_port {
public:
    explicit refusing_port(const std::string& address = "127.0.0.1");
    asio::ip::tcp::endpoint endpoint() const { return endpoint_; }

private:
    descriptor bound_;
    asio::ip::tcp::endpoint endpoint_;
};

/// A unix stream server with an abstract name of its own.
class unix_server {
public:
    explicit unix_server(int backlog = 4096);

    asio::local::stream_protocol::endpoint endpoint() const { return endpoint_; }
    descriptor accept() const;
    std::size_t accept_all() const;

private:
    descriptor listener_;
    asio::local::stream_protocol::endpoint endpoint_;
};

/// A unix stream server whose queue is full: connect(2) says EAGAIN, and goes on doing so until accept().
class full_unix_server : public unix_server {
public:
    full_unix_server();

private:
    std::vector<descriptor> fillers_;
};

/// What the kernel says about a socket.
bool is_connected(int fd);                ///< by getpeername
int pending_error(int fd);                ///< SO_ERROR, which reading empties
int option(int fd, int level, int name);  ///< an int option; -1 if there is no such thing
int tcp_state(int fd);                    ///< TCP_SYN_SENT and so on; -1 if it is no TCP socket
asio::ip::tcp::endpoint local_endpoint(int fd);

/// Makes the close of a TCP socket a reset, which leaves no TIME_WAIT behind: for tests that connect very often.
void close_by_reset(int fd);

/// What a handler of void(error_code) was told, and how often.
struct outcome {
    int calls = 0;
    error_code ec = {};
};

/// A handler that writes into `into`, and one that can be cancelled.
inline auto record(outcome& into) {
    return [&into](error_code ec) {
        ++into.calls;
        into.ec = ec;
    };
}
inline auto record(outcome& into, asio::cancellation_signal& signal) {
    return asio::bind_cancellation_slot(signal.slot(), record(into));
}

inline const error_code success = {};
inline const error_code aborted = asio::error::operation_aborted;

/// "terminal", "partial" or "total": for the names of cases.
std::string name_of(asio::cancellation_type kind);

/// Fails the test unless the handler was called once, and with `ec`.
void expect(const outcome& is, error_code ec);

/// How many descriptors this process has open.
std::size_t open_descriptors();

/// Runs `context` until it is out of work, and fails the test if that takes longer than `bound`.
void run(asio::io_context& context, std::chrono::seconds bound = std::chrono::seconds{30});

/// Runs what is ready, and what that makes ready in turn; waits for nothing.
void run_ready(asio::io_context& context);

}  // namespace dial::test
