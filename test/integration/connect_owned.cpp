// Sockets that dial opens: their options are set before they connect, and nothing is left of those that fail.
#include <dial/connect.hpp>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/local/datagram_protocol.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/write.hpp>
#include <support/loopback.hpp>

#include <array>
#include <cerrno>
#include <optional>
#include <utility>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;
using asio::ip::udp;
using unix_stream = asio::local::stream_protocol;

constexpr int mptcp = 262;  // IPPROTO_MPTCP

error_code from_errno(int error) {
    return {error, boost::system::system_category()};
}

class connect_owned : public testing::Test {
protected:
    asio::io_context io;
    tcp::socket starts_the_reactor{io};
    tcp_server server;
    tcp_server server_v6{"::1"};
    std::size_t before = open_descriptors();

    // The connected socket, or why there is none; checks what holds in every case.
    template <class Endpoint>
    auto connect(const Endpoint& peer, const socket_options& options, error_code& ec) {
        using socket_type = typename Endpoint::protocol_type::socket;
        std::optional<socket_type> result;
        const std::size_t at_first = open_descriptors();
        dial::connect(io, peer, connect_options{.timeout = 10s, .socket = options}, [&](error_code e, socket_type s) {
            ec = e;
            result.emplace(std::move(s));
        });
        EXPECT_FALSE(result) << "called inside the initiating call";
        run(io);
        EXPECT_EQ(result->is_open(), !ec);
        EXPECT_EQ(open_descriptors(), at_first + (ec ? 0 : 1));
        return std::move(*result);
    }
    template <class Endpoint>
    auto connect(const Endpoint& peer, const socket_options& options = {}) {
        error_code ec;
        auto socket = connect(peer, options, ec);
        EXPECT_FALSE(ec) << ec.message();
        return socket;
    }
    template <class Endpoint>
    error_code error_of(const Endpoint& peer, const socket_options& options) {
        error_code ec;
        connect(peer, options, ec);
        return ec;
    }
    int of(tcp::socket& socket, int level, int name) { return option(socket.native_handle(), level, name); }
};

TEST_F(connect_owned, have_keep_alive_and_no_delay_by_default) {
    for (const auto& peer : {server.endpoint(), server_v6.endpoint()}) {
        tcp::socket socket = connect(peer);
        EXPECT_EQ(of(socket, IPPROTO_TCP, TCP_NODELAY), 1);
        EXPECT_EQ(of(socket, SOL_SOCKET, SO_KEEPALIVE), 1);
        EXPECT_EQ(of(socket, IPPROTO_TCP, TCP_KEEPIDLE), 15);
        EXPECT_EQ(of(socket, IPPROTO_TCP, TCP_KEEPINTVL), 15);
        EXPECT_EQ(of(socket, IPPROTO_TCP, TCP_KEEPCNT), 9);
        EXPECT_EQ(of(socket, IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
        EXPECT_EQ(of(socket, SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
    }
}

TEST_F(connect_owned, have_the_options_that_are_asked_for) {
    tcp::socket socket = connect(server.endpoint(),
        {.no_delay = false,
            .keep_alive = keep_alive{.idle = 20s, .interval = 2500ms, .count = 3},
            .user_timeout = 1500us,
            .syn_count = 2,
            .receive_buffer = 20'000,
            .send_buffer = 30'000,
            .traffic_class = 0x28});
    EXPECT_EQ(of(socket, IPPROTO_TCP, TCP_NODELAY), 0);
    EXPECT_EQ(of(socket, IPPROTO_TCP, TCP_KEEPIDLE), 20);
    EXPECT_EQ(of(socket, IPPROTO_TCP, TCP_KEEPINTVL), 3) << "rounded up";
    EXPECT_EQ(of(socket, IPPROTO_TCP, TCP_KEEPCNT), 3);
    EXPECT_EQ(of(socket, IPPROTO_TCP, TCP_USER_TIMEOUT), 2) << "rounded up";
    EXPECT_EQ(of(socket, IPPROTO_TCP, TCP_SYNCNT), 2);
    EXPECT_EQ(of(socket, SOL_SOCKET, SO_RCVBUF), 40'000) << "doubled by the kernel";
    EXPECT_EQ(of(socket, SOL_SOCKET, SO_SNDBUF), 60'000);
    EXPECT_EQ(of(socket, IPPROTO_IP, IP_TOS), 0x28);

    tcp::socket v6 = connect(server_v6.endpoint(), {.keep_alive = {}, .traffic_class = 0x50});
    EXPECT_EQ(of(v6, IPPROTO_IPV6, IPV6_TCLASS), 0x50);
    EXPECT_EQ(of(v6, SOL_SOCKET, SO_KEEPALIVE), 0);
}

TEST_F(connect_owned, have_their_options_before_they_connect) {
    // SO_RCVBUF decides the window scale that the SYN offers; what is set later does not change it any more.
    tcp_info info{};
    socklen_t size = sizeof info;
    connect(server.endpoint(), {.receive_buffer = 1});
    const descriptor accepted = server.accept();
    ASSERT_EQ(::getsockopt(accepted.get(), IPPROTO_TCP, TCP_INFO, &info, &size), 0);
    EXPECT_EQ(info.tcpi_snd_wscale, 0);
}

// --- Where from ---

TEST_F(connect_owned, start_at_the_source_address_of_their_family) {
    const socket_options options{
        .local_v4 = asio::ip::make_address_v4("127.0.0.2"), .local_v6 = asio::ip::make_address_v6("::1")};
    tcp::socket v4 = connect(server.endpoint(), options);
    EXPECT_EQ(v4.local_endpoint().address().to_string(), "127.0.0.2");
    EXPECT_EQ(of(v4, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT), 1);
    tcp::socket v6 = connect(server_v6.endpoint(), options);
    EXPECT_EQ(v6.local_endpoint().address().to_string(), "::1");
    EXPECT_EQ(of(v6, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT), 1);
}

TEST_F(connect_owned, take_their_port_only_when_they_connect) {
    // One port for two destinations: bind(2) would have taken it for the first, connect(2) shares it.
    const tcp_server other;
    const std::uint16_t port = refusing_port{"127.0.0.2"}.endpoint().port();
    const socket_options options{
        .local_v4 = asio::ip::make_address_v4("127.0.0.2"), .local_ports = port_range{port, port}};
    error_code ec;
    tcp::socket a = connect(server.endpoint(), options, ec);
    if (ec == from_errno(ENOPROTOOPT)) GTEST_SKIP() << "IP_LOCAL_PORT_RANGE needs Linux 6.3";
    ASSERT_FALSE(ec) << ec.message();
    tcp::socket b = connect(other.endpoint(), options);
    EXPECT_EQ(a.local_endpoint().port(), port);
    EXPECT_EQ(b.local_endpoint(), a.local_endpoint());
    EXPECT_EQ(error_of(server.endpoint(), options), from_errno(EADDRNOTAVAIL)) << "the pair is in use";
}

TEST_F(connect_owned, keep_to_the_range_of_local_ports) {
    const socket_options options{.local_ports = port_range{40'000, 40'031}};
    for (const auto& peer : {server.endpoint(), server_v6.endpoint()}) {
        error_code ec;
        tcp::socket socket = connect(peer, options, ec);
        if (ec == from_errno(ENOPROTOOPT)) GTEST_SKIP() << "IP_LOCAL_PORT_RANGE needs Linux 6.3";
        ASSERT_FALSE(ec) << ec.message();
        EXPECT_GE(socket.local_endpoint().port(), 40'000);
        EXPECT_LE(socket.local_endpoint().port(), 40'031);
        close_by_reset(socket.native_handle());
    }
}

TEST_F(connect_owned, carry_a_mark_where_that_is_allowed) {
    error_code ec;
    tcp::socket socket = connect(server.endpoint(), {.mark = 7}, ec);
    if (ec)
        EXPECT_EQ(ec, from_errno(EPERM));  // needs CAP_NET_ADMIN
    else
        EXPECT_EQ(of(socket, SOL_SOCKET, SO_MARK), 7);
}

TEST_F(connect_owned, are_bound_to_the_interface) {
    error_code ec;
    tcp::socket socket = connect(server.endpoint(), {.interface = "lo"}, ec);
    if (ec == from_errno(EPERM)) GTEST_SKIP() << "SO_BINDTODEVICE is not allowed here";
    ASSERT_FALSE(ec) << ec.message();
    std::array<char, IFNAMSIZ> name{};
    socklen_t size = name.size();
    ASSERT_EQ(::getsockopt(socket.native_handle(), SOL_SOCKET, SO_BINDTODEVICE, name.data(), &size), 0);
    EXPECT_STREQ(name.data(), "lo");
}

// --- Kinds of TCP ---

TEST_F(connect_owned, speak_multipath_tcp_where_the_kernel_does) {
    const descriptor probe{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, mptcp)};
    for (const auto& peer : {server.endpoint(), server_v6.endpoint()}) {
        tcp::socket socket = connect(peer, {.multipath = true});
        EXPECT_EQ(of(socket, SOL_SOCKET, SO_PROTOCOL), probe ? mptcp : IPPROTO_TCP);
    }
}

TEST_F(connect_owned, may_open_fast) {
    tcp::socket socket = connect(server.endpoint(), {.fast_open = true});
    EXPECT_EQ(of(socket, IPPROTO_TCP, TCP_FASTOPEN_CONNECT), 1);
    EXPECT_EQ(asio::write(socket, asio::buffer("hello", 5)), 5u);
    const descriptor accepted = server.accept();
    std::array<char, 5> heard{};
    EXPECT_EQ(::recv(accepted.get(), heard.data(), heard.size(), MSG_WAITALL), 5);
}

// --- What the kernel refuses ---

TEST_F(connect_owned, fail_with_the_errno_of_the_option_that_is_refused) {
    const auto peer = server.endpoint();
    const auto not_ours = asio::ip::make_address_v4("192.0.2.1");  // bound, never connected to
    EXPECT_EQ(error_of(peer, {.local_v4 = not_ours}), from_errno(EADDRNOTAVAIL));
    EXPECT_EQ(error_of(server_v6.endpoint(), {.local_v6 = asio::ip::make_address_v6("2001:db8::1")}),
        from_errno(EADDRNOTAVAIL));
    EXPECT_EQ(error_of(peer, {.interface = "no-such-device"}), from_errno(ENODEV));
    EXPECT_EQ(error_of(peer, {.syn_count = 1000}), from_errno(EINVAL));
    EXPECT_EQ(error_of(peer, {.keep_alive = keep_alive{.idle = 0s}}), from_errno(EINVAL));
    EXPECT_EQ(error_of(peer, {.user_timeout = -1s}), from_errno(EINVAL));
    EXPECT_EQ(error_of(peer, {.local_ports = port_range{2, 1}}), from_errno(EINVAL));
    EXPECT_EQ(server.accept_all(), 0u);
    EXPECT_EQ(open_descriptors(), before);
}

TEST_F(connect_owned, are_closed_when_they_are_refused) {
    const refusing_port refusing;
    EXPECT_EQ(error_of(refusing.endpoint(), {}), from_errno(ECONNREFUSED));
    EXPECT_EQ(error_of(tcp::endpoint{asio::ip::address_v4::any(), refusing.endpoint().port()}, {}),
        from_errno(ECONNREFUSED));  // by way of the reactor
    EXPECT_EQ(error_of(unix_stream::endpoint{std::string(1, '\0') + "dial-test-nobody"}, {}), from_errno(ECONNREFUSED));
    EXPECT_EQ(error_of(unix_stream::endpoint{"/nonexistent/dial-test"}, {}), from_errno(ENOENT));
    EXPECT_EQ(open_descriptors(), before + 1) << "the refusing port's own";
}

// --- Other protocols ---

TEST_F(connect_owned, of_other_protocols_are_left_alone_by_options_of_tcp) {
    const socket_options options{.user_timeout = 1s,
        .syn_count = 2,
        .receive_buffer = 20'000,
        .traffic_class = 0x28,
        .local_v4 = asio::ip::make_address_v4("127.0.0.2"),
        .multipath = true,
        .fast_open = true};
    const unix_server unix_peer;
    unix_stream::socket local = connect(unix_peer.endpoint(), options);
    EXPECT_EQ(option(local.native_handle(), SOL_SOCKET, SO_RCVBUF), 40'000);
    EXPECT_EQ(option(local.native_handle(), SOL_SOCKET, SO_KEEPALIVE), 0);

    udp::socket datagrams = connect(udp::endpoint{asio::ip::address_v4::loopback(), 9}, options);
    EXPECT_EQ(option(datagrams.native_handle(), SOL_SOCKET, SO_RCVBUF), 40'000);
    EXPECT_EQ(option(datagrams.native_handle(), SOL_SOCKET, SO_KEEPALIVE), 0);
    EXPECT_EQ(option(datagrams.native_handle(), IPPROTO_IP, IP_TOS), 0x28);
    EXPECT_EQ(datagrams.local_endpoint().address().to_string(), "127.0.0.2");
    EXPECT_EQ(datagrams.remote_endpoint().port(), 9);
}

// --- What is handed over ---

TEST_F(connect_owned, are_non_blocking_and_close_on_exec) {
    for (const tcp::endpoint& peer :
        {server.endpoint(), tcp::endpoint{asio::ip::address_v4::any(), server.endpoint().port()}}) {
        tcp::socket socket = connect(peer);
        EXPECT_TRUE(::fcntl(socket.native_handle(), F_GETFL) & O_NONBLOCK);
        EXPECT_TRUE(::fcntl(socket.native_handle(), F_GETFD) & FD_CLOEXEC);
        EXPECT_FALSE(socket.non_blocking()) << "Asio's synchronous calls wait, as ever";
    }
}

TEST_F(connect_owned, live_on_the_executor_given_or_else_the_handlers) {
    auto strand = asio::make_strand(io);
    int calls = 0;
    dial::connect(strand, server.endpoint(), [&](error_code, tcp::socket socket) {
        ++calls;
        EXPECT_TRUE(socket.get_executor() == asio::any_io_executor{strand});
        EXPECT_TRUE(strand.running_in_this_thread());
    });
    dial::connect(server.endpoint(), asio::bind_executor(strand, [&](error_code, tcp::socket socket) {
        ++calls;
        EXPECT_TRUE(socket.get_executor() == asio::any_io_executor{strand});
        EXPECT_TRUE(strand.running_in_this_thread());
    }));
    dial::connect(io, server.endpoint(), asio::bind_executor(strand, [&](error_code, tcp::socket socket) {
        ++calls;
        EXPECT_TRUE(socket.get_executor() == asio::any_io_executor{io.get_executor()});
        EXPECT_TRUE(strand.running_in_this_thread());
    }));
    run(io);
    EXPECT_EQ(calls, 3);
}

TEST_F(connect_owned, read_and_hear_the_end) {
    tcp::socket socket = connect(server.endpoint());
    descriptor accepted = server.accept();
    ASSERT_EQ(::write(accepted.get(), "hello", 5), 5);
    accepted.close();
    std::array<char, 16> heard{};
    std::size_t size = 0;
    error_code ec;
    asio::async_read(socket, asio::buffer(heard), [&](error_code e, std::size_t n) { ec = e, size = n; });
    run(io);
    EXPECT_EQ(ec, asio::error::eof);
    EXPECT_EQ(size, 5u);
}

}  // namespace
}  // namespace dial::test
