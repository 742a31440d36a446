// What a kernel can do but cannot be made to do: connect(2) here is the test's own (linked with -Wl,--wrap=connect).
#include <dial/connect.hpp>

#include <support/loopback.hpp>

#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <cerrno>
#include <chrono>
#include <deque>
#include <functional>
#include <iterator>
#include <utility>

namespace {

// What the next calls of connect(2) do; after the last, they go to the kernel. `withdrawals` are those to AF_UNSPEC.
using answer = std::function<int(int fd, const sockaddr*, socklen_t)>;
std::deque<answer> next_answers;
int calls = 0;
int withdrawals = 0;
bool may_withdraw = true;

}  // namespace

extern "C" {
int __real_connect(int fd, const sockaddr* address, socklen_t size);
int __wrap_connect(int fd, const sockaddr* address, socklen_t size);

int __wrap_connect(int fd, const sockaddr* address, socklen_t size) {
    if (size >= sizeof address->sa_family && address->sa_family == AF_UNSPEC) {
        ++withdrawals;
        if (may_withdraw) return __real_connect(fd, address, size);
        errno = EOPNOTSUPP;
        return -1;
    }
    ++calls;
    if (next_answers.empty()) return __real_connect(fd, address, size);
    const answer now = std::move(next_answers.front());
    next_answers.pop_front();
    return now(fd, address, size);
}
}

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;
using asio::ip::udp;
namespace local = asio::local;

error_code system_error(int error) {
    return {error, boost::system::system_category()};
}

// The kernel never hears of the call.
answer says(int error) {
    return [error](int, const sockaddr*, socklen_t) {
        errno = error;
        return -1;
    };
}

// The kernel does as asked, and the caller hears something else.
answer does_but_says(int error) {
    return [error](int fd, const sockaddr* address, socklen_t size) {
        __real_connect(fd, address, size);
        errno = error;
        return -1;
    };
}

class connect_fault : public testing::Test {
protected:
    void SetUp() override {
        next_answers.clear();
        calls = withdrawals = 0;
        may_withdraw = true;
    }
    void TearDown() override {
        EXPECT_TRUE(next_answers.empty()) << "a call that was expected has not come";
        next_answers.clear();
    }

    template <class Handle, class Endpoint>
    outcome connect(Handle& handle, const Endpoint& peer, duration timeout = never) {
        outcome is;
        dial::connect(handle, peer, timeout, record(is));
        EXPECT_EQ(is.calls, 0);
        run(io);
        return is;
    }

    // With a socket of dial's own, which must be closed again.
    template <class Endpoint>
    void expect_error_and_nothing_left(const Endpoint& peer, error_code expected) {
        const typename Endpoint::protocol_type::socket reactor_has_its_own{io, peer.protocol()};
        const auto before = open_descriptors();
        outcome is;
        dial::connect(io, peer, [&](error_code ec, auto socket) {
            record(is)(ec);
            EXPECT_FALSE(socket.is_open());
        });
        run(io);
        expect(is, expected);
        EXPECT_EQ(open_descriptors(), before);
    }

    asio::io_context io;
};

// Those that need a firewall, a security module or another family, and some that nobody expects of connect(2).
constexpr int errors[] = {EPERM, EADDRINUSE, EACCES, EADDRNOTAVAIL, ENETDOWN, ENETUNREACH, EHOSTUNREACH, EHOSTDOWN,
    ETIMEDOUT, ECONNREFUSED, ECONNRESET, ECONNABORTED, ENOBUFS, ENOMEM, EIO, EOPNOTSUPP, EPROTO, ENOSR, EFAULT, ELOOP,
    ENAMETOOLONG, EPIPE, ENODEV, EISCONN, EALREADY, EBADF, ENOTSOCK, EAFNOSUPPORT, EPROTOTYPE, EINVAL, ENOENT};

TEST_F(connect_fault, every_errno_passes_untouched) {
    const tcp_server server;
    for (const int error : errors) {
        next_answers = {says(error)};
        tcp::socket socket{io, tcp::v4()};
        expect(connect(socket, server.endpoint()), system_error(error));
        EXPECT_TRUE(socket.is_open());
    }
    EXPECT_EQ(calls, static_cast<int>(std::size(errors))) << "each was asked once";
    EXPECT_EQ(server.accept_all(), 0u);
}

TEST_F(connect_fault, every_errno_passes_untouched_on_a_socket_that_dial_opens_for_the_caller) {
    const tcp_server server;
    for (const int error : errors) {
        next_answers = {says(error)};
        tcp::socket socket{io};
        expect(connect(socket, server.endpoint()), system_error(error));
        EXPECT_TRUE(socket.is_open());
    }
}

TEST_F(connect_fault, every_errno_closes_a_socket_of_dials_own) {
    const tcp_server server;
    for (const int error : errors) {
        next_answers = {says(error)};
        expect_error_and_nothing_left(server.endpoint(), system_error(error));
    }
    EXPECT_EQ(calls, static_cast<int>(std::size(errors)));
}

TEST_F(connect_fault, EALREADY_and_EISCONN_leave_alone_what_another_has_begun) {
    const tcp_server server;
    for (const int error : {EALREADY, EISCONN}) {
        next_answers = {says(error)};
        tcp::socket socket{io, tcp::v4()};
        expect(connect(socket, server.endpoint()), system_error(error));
    }
    EXPECT_EQ(withdrawals, 0);
}

TEST_F(connect_fault, EAGAIN_is_a_full_queue_for_unix_sockets_alone) {
    const tcp_server server;
    next_answers = {says(EAGAIN)};
    tcp::socket socket{io};
    expect(connect(socket, server.endpoint()), system_error(EAGAIN));

    udp::socket receiver{io, udp::endpoint{asio::ip::address_v4::loopback(), 0}}, sender{io};
    next_answers = {says(EAGAIN)};
    expect(connect(sender, receiver.local_endpoint()), system_error(EAGAIN));
    EXPECT_EQ(calls, 2);
}

TEST_F(connect_fault, EAGAIN_of_a_unix_socket_is_tried_again_until_it_connects) {
    const unix_server server;
    next_answers = {says(EAGAIN), says(EAGAIN), says(EAGAIN)};
    local::stream_protocol::socket socket{io};
    expect(connect(socket, server.endpoint()), success);
    EXPECT_EQ(calls, 4);
    EXPECT_TRUE(is_connected(socket.native_handle()));
}

TEST_F(connect_fault, an_error_after_EAGAIN_passes_untouched) {
    const unix_server server;
    next_answers = {says(EAGAIN), says(ECONNREFUSED)};
    local::stream_protocol::socket socket{io};
    expect(connect(socket, server.endpoint()), system_error(ECONNREFUSED));
}

// --- EINTR: the attempt goes on in the kernel ---

TEST_F(connect_fault, EINTR_on_tcp_waits_for_the_attempt_and_finds_it_connected) {
    const tcp_server server;
    for (const duration timeout : {never, duration{10s}}) {
        next_answers = {does_but_says(EINTR)};
        tcp::socket socket{io};
        expect(connect(socket, server.endpoint(), timeout), success);
        EXPECT_TRUE(is_connected(socket.native_handle()));
    }
    EXPECT_EQ(calls, 2) << "connect(2) is not called again";
}

TEST_F(connect_fault, EINTR_on_tcp_waits_for_the_attempt_and_finds_it_refused) {
    const refusing_port nobody;
    next_answers = {does_but_says(EINTR)};
    tcp::socket socket{io};
    expect(connect(socket, nobody.endpoint()), system_error(ECONNREFUSED));
}

TEST_F(connect_fault, EINTR_on_a_socket_of_dials_own) {
    const tcp_server server;
    next_answers = {does_but_says(EINTR)};
    outcome is;
    dial::connect(io, server.endpoint(), [&](error_code ec, tcp::socket socket) {
        record(is)(ec);
        EXPECT_TRUE(is_connected(socket.native_handle()));
    });
    run(io);
    expect(is, success);

    const refusing_port nobody;
    next_answers = {does_but_says(EINTR)};
    expect_error_and_nothing_left(nobody.endpoint(), system_error(ECONNREFUSED));
}

TEST_F(connect_fault, EINTR_on_a_silent_peer_ends_in_time) {
    const silent_server silent;
    next_answers = {does_but_says(EINTR)};
    tcp::socket socket{io};
    expect(connect(socket, silent.endpoint(), 20ms), error::timeout);
    EXPECT_EQ(tcp_state(socket.native_handle()), TCP_CLOSE);
}

TEST_F(connect_fault, EINTR_that_ends_connected_to_itself_is_refused) {
    next_answers = {does_but_says(EINTR)};
    tcp::socket socket{io, tcp::endpoint{asio::ip::address_v4::loopback(), 0}};
    expect(connect(socket, socket.local_endpoint()), system_error(ECONNREFUSED));
    EXPECT_FALSE(is_connected(socket.native_handle()));
}

TEST_F(connect_fault, EINTR_on_a_unix_socket_is_tried_again) {
    const unix_server server;
    next_answers = {says(EINTR), says(EINTR)};
    local::stream_protocol::socket socket{io};
    expect(connect(socket, server.endpoint()), success);
    EXPECT_EQ(calls, 3);
    EXPECT_TRUE(is_connected(socket.native_handle()));
}

// --- Readiness that proves nothing ---

TEST_F(connect_fault, readiness_of_a_socket_that_never_began_is_no_success) {
    const tcp_server server;
    for (const int error : {EINPROGRESS, EINTR}) {
        next_answers = {says(error)};
        tcp::socket socket{io};
        const outcome is = connect(socket, server.endpoint(), 1s);
        EXPECT_EQ(is.calls, 1);
        EXPECT_TRUE(is.ec) << "the socket was writable; it was never connected";
        EXPECT_FALSE(is_connected(socket.native_handle()));
    }
    EXPECT_EQ(server.accept_all(), 0u);
}

TEST_F(connect_fault, readiness_of_a_unix_socket_that_never_began_is_no_success) {
    const unix_server server;
    next_answers = {says(EINPROGRESS)};
    local::stream_protocol::socket socket{io};
    expect(connect(socket, server.endpoint(), 20ms), error::timeout);
    EXPECT_FALSE(is_connected(socket.native_handle()));
}

TEST_F(connect_fault, readiness_from_before_the_call_is_no_success) {
    const silent_server silent;
    next_answers = {does_but_says(EINPROGRESS)};
    tcp::socket socket{io, tcp::v4()};
    outcome ready;
    socket.async_wait(tcp::socket::wait_write, record(ready));  // a socket that is not connected is writable
    run(io);
    expect(ready, success);
    expect(connect(socket, silent.endpoint(), 20ms), error::timeout);
}

// --- A kernel that takes no attempt back ---

TEST_F(connect_fault, an_attempt_that_cannot_be_withdrawn_closes_the_socket) {
    const silent_server silent;
    may_withdraw = false;
    tcp::socket socket{io};
    expect(connect(socket, silent.endpoint(), 20ms), error::timeout);
    EXPECT_FALSE(socket.is_open());

    asio::posix::stream_descriptor handle{io, ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    asio::cancellation_signal signal;
    outcome is;
    dial::connect(handle, silent.endpoint(), record(is, signal));
    run_ready(io);
    signal.emit(asio::cancellation_type::terminal);
    run(io);
    expect(is, aborted);
    EXPECT_FALSE(handle.is_open());
}

// --- No call at all ---

TEST_F(connect_fault, a_timeout_of_zero_or_less_makes_no_call_and_opens_nothing) {
    const tcp_server server;
    for (const duration timeout : {duration{0ns}, duration{-1ns}, duration::min()}) {
        tcp::socket socket{io};
        expect(connect(socket, server.endpoint(), timeout), error::timeout);
        EXPECT_FALSE(socket.is_open());
    }
    EXPECT_EQ(calls, 0);
    EXPECT_EQ(withdrawals, 0);
}

TEST_F(connect_fault, a_connect_that_loopback_answers_at_once_makes_one_call) {
    const tcp_server server;
    tcp::socket socket{io};
    expect(connect(socket, server.endpoint()), success);
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(withdrawals, 0);
}

}  // namespace
}  // namespace dial::test
