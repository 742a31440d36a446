// Every kind of socket connects, and comes out as Asio's own connect would have left it.
#include <dial/connect.hpp>

#include <support/loopback.hpp>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/vm_sockets.h>
#include <sys/socket.h>
#include <unistd.h>
#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/seq_packet_protocol.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/local/datagram_protocol.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <atomic>
#include <cerrno>
#include <string>
#include <thread>
#include <utility>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;
using asio::ip::udp;
namespace generic = asio::generic;
namespace local = asio::local;

constexpr int ipproto_mptcp = 262;

bool closes_on_exec(int fd) {
    return (::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
}

bool does_not_block(int fd) {
    return (::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0;
}

std::string an_abstract_name() {
    static std::atomic<int> number{0};
    return std::string(1, '\0') + "dial-success-" + std::to_string(::getpid()) + "-" + std::to_string(++number);
}

std::string why_no_ipv6() {
    asio::io_context io;
    tcp::socket probe{io};
    error_code ec;
    if (probe.open(tcp::v6(), ec) || probe.bind({asio::ip::address_v6::loopback(), 0}, ec))
        return "no ::1 here: " + ec.message();
    return {};
}

class connect_success : public testing::Test {
protected:
    template <class Handle, class Endpoint>
    error_code answer(Handle& handle, const Endpoint& peer) {
        outcome is;
        dial::connect(handle, peer, record(is));
        EXPECT_EQ(is.calls, 0);
        run(io);
        EXPECT_EQ(is.calls, 1);
        return is.ec;
    }

    // A socket that is not open yet, and one that dial makes itself.
    template <class Endpoint>
    void expect_connects(const Endpoint& peer) {
        typename Endpoint::protocol_type::socket socket{io};
        EXPECT_EQ(answer(socket, peer), success);
        expect_ready_for_use(socket.native_handle());
        EXPECT_EQ(socket.remote_endpoint(), peer);

        int calls = 0;
        dial::connect(io, peer, [&](error_code ec, auto own) {
            ++calls;
            EXPECT_EQ(ec, success);
            expect_ready_for_use(own.native_handle());
        });
        EXPECT_EQ(calls, 0);
        run(io);
        EXPECT_EQ(calls, 1);
    }

    static void expect_ready_for_use(int fd) {
        EXPECT_TRUE(is_connected(fd));
        EXPECT_TRUE(does_not_block(fd));
        EXPECT_TRUE(closes_on_exec(fd));
        EXPECT_EQ(pending_error(fd), 0);
    }

    // A connected socket, and the server's end of it.
    std::pair<tcp::socket, descriptor> a_pair() {
        const tcp_server server;
        tcp::socket socket{io};
        EXPECT_EQ(answer(socket, server.endpoint()), success);
        return {std::move(socket), server.accept()};
    }

    asio::io_context io;
};

// --- Families ---

TEST_F(connect_success, tcp_over_ipv4) {
    const tcp_server server;
    expect_connects(server.endpoint());
}

TEST_F(connect_success, tcp_over_ipv6) {
    if (const auto why = why_no_ipv6(); !why.empty()) GTEST_SKIP() << why;
    const tcp_server server{"::1"};
    expect_connects(server.endpoint());
}

TEST_F(connect_success, tcp_over_ipv4_mapped_into_ipv6) {
    if (const auto why = why_no_ipv6(); !why.empty()) GTEST_SKIP() << why;
    const tcp_server server;
    expect_connects(tcp::endpoint{asio::ip::make_address("::ffff:127.0.0.1"), server.endpoint().port()});
}

TEST_F(connect_success, any_address_of_the_loopback_network) {
    const tcp_server server{"127.1.2.3"};
    expect_connects(server.endpoint());
}

TEST_F(connect_success, a_server_that_has_closed_again_already) {
    const tcp_server server;
    tcp::socket socket{io, tcp::v4()};
    const auto peer = server.endpoint();
    outcome is;
    dial::connect(socket, peer, record(is));
    server.accept();  // and closed
    run(io);
    expect(is, success);
}

TEST_F(connect_success, udp) {
    udp::socket server{io, udp::endpoint{asio::ip::address_v4::loopback(), 0}};
    expect_connects(server.local_endpoint());
    udp::socket socket{io};
    ASSERT_EQ(answer(socket, server.local_endpoint()), success);
    EXPECT_EQ(socket.send(asio::buffer("ping", 4)), 4u);
    std::array<char, 8> text{};
    EXPECT_EQ(server.receive(asio::buffer(text)), 4u);
}

TEST_F(connect_success, udp_that_sends_to_itself_is_none_of_tcps_business) {
    udp::socket socket{io, udp::endpoint{asio::ip::address_v4::loopback(), 0}};
    EXPECT_EQ(answer(socket, socket.local_endpoint()), success);
    EXPECT_TRUE(is_connected(socket.native_handle()));
}

TEST_F(connect_success, udp_connects_again_elsewhere) {
    udp::socket one{io, udp::endpoint{asio::ip::address_v4::loopback(), 0}};
    udp::socket two{io, udp::endpoint{asio::ip::address_v4::loopback(), 0}};
    udp::socket socket{io};
    EXPECT_EQ(answer(socket, one.local_endpoint()), success);
    EXPECT_EQ(answer(socket, two.local_endpoint()), success);
    EXPECT_EQ(socket.remote_endpoint(), two.local_endpoint());
}

TEST_F(connect_success, unix_stream_with_an_abstract_name) {
    const unix_server server;
    expect_connects(server.endpoint());
}

TEST_F(connect_success, unix_stream_with_a_path) {
    const local::stream_protocol::endpoint peer{"/tmp/dial-success-" + std::to_string(::getpid())};
    local::stream_protocol::acceptor server{io, peer};
    expect_connects(peer);
    ::unlink(peer.path().c_str());
}

TEST_F(connect_success, unix_datagram) {
    const local::datagram_protocol::endpoint peer{an_abstract_name()};
    local::datagram_protocol::socket server{io, peer};
    expect_connects(peer);
}

TEST_F(connect_success, unix_packets_in_sequence) {
    const local::stream_protocol::endpoint name{an_abstract_name()};
    const generic::seq_packet_protocol::endpoint peer{name.data(), name.size()};
    const descriptor server{::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)};
    ASSERT_EQ(::bind(server.get(), name.data(), static_cast<socklen_t>(name.size())), 0);
    ASSERT_EQ(::listen(server.get(), 8), 0);
    expect_connects(peer);
}

TEST_F(connect_success, tcp_through_generic) {
    const tcp_server server;
    expect_connects(generic::stream_protocol::endpoint{server.endpoint()});
}

TEST_F(connect_success, multipath_tcp_through_generic) {
    const descriptor probe{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, ipproto_mptcp)};
    if (!probe) GTEST_SKIP() << "no MPTCP here: " << error_code(errno, boost::system::system_category()).message();
    const tcp_server server;  // that speaks plain TCP: MPTCP falls back
    const generic::stream_protocol::endpoint peer{server.endpoint().data(), server.endpoint().size(), ipproto_mptcp};
    expect_connects(peer);

    generic::stream_protocol::socket socket{io};
    ASSERT_EQ(answer(socket, peer), success);
    EXPECT_EQ(option(socket.native_handle(), SOL_SOCKET, SO_PROTOCOL), ipproto_mptcp);
}

// The machine's own address, which only some kernels serve: elsewhere the attempt stays pending. The kernel cannot take
// one back.
TEST_F(connect_success, vsock_ends_one_way_or_another_and_is_closed_where_it_cannot_be_withdrawn) {
    const descriptor probe{::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (!probe) GTEST_SKIP() << "no AF_VSOCK here: " << error_code(errno, boost::system::system_category()).message();
    sockaddr_vm nobody{};
    nobody.svm_family = AF_VSOCK;
    nobody.svm_cid = VMADDR_CID_LOCAL;
    nobody.svm_port = 4'000'000'000;
    const generic::stream_protocol::endpoint peer{&nobody, sizeof nobody};

    generic::stream_protocol::socket socket{io};
    outcome timed;
    dial::connect(socket, peer, 20ms, record(timed));
    run(io);
    EXPECT_EQ(timed.calls, 1);
    EXPECT_TRUE(timed.ec);
    EXPECT_EQ(socket.is_open(), timed.ec != error::timeout) << timed.ec.message();

    generic::stream_protocol::socket another{io};
    asio::cancellation_signal signal;
    outcome cancelled;
    dial::connect(another, peer, record(cancelled, signal));
    signal.emit(asio::cancellation_type::total);
    run(io);
    EXPECT_EQ(cancelled.calls, 1);
    EXPECT_TRUE(cancelled.ec);
    EXPECT_EQ(another.is_open(), cancelled.ec != aborted) << cancelled.ec.message();
}

// --- Handles ---

TEST_F(connect_success, a_posix_descriptor_around_a_socket) {
    const tcp_server server;
    asio::posix::stream_descriptor handle{io, ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    EXPECT_EQ(answer(handle, server.endpoint()), success);
    expect_ready_for_use(handle.native_handle());
    const descriptor accepted = server.accept();
    ASSERT_EQ(::send(accepted.get(), "x", 1, 0), 1);
    char byte{};
    EXPECT_EQ(handle.read_some(asio::buffer(&byte, 1)), 1u);
}

TEST_F(connect_success, a_posix_descriptor_around_a_unix_socket) {
    const unix_server server;
    asio::posix::stream_descriptor handle{io, ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    EXPECT_EQ(answer(handle, server.endpoint()), success);
    expect_ready_for_use(handle.native_handle());
}

TEST_F(connect_success, a_socket_of_another_executor_type) {
    const tcp_server server;
    asio::basic_stream_socket<tcp, asio::io_context::executor_type> direct{io};
    EXPECT_EQ(answer(direct, server.endpoint()), success);
    asio::basic_stream_socket<tcp, asio::strand<asio::io_context::executor_type>> on_strand{asio::make_strand(io)};
    EXPECT_EQ(answer(on_strand, server.endpoint()), success);
    expect_ready_for_use(direct.native_handle());
    expect_ready_for_use(on_strand.native_handle());
}

TEST_F(connect_success, a_socket_on_a_strand_whose_attempt_is_pending) {
    const silent_server silent;
    asio::basic_stream_socket<tcp, asio::strand<asio::io_context::executor_type>> socket{asio::make_strand(io)};
    outcome is;
    dial::connect(socket, silent.endpoint(), 20ms, record(is));
    run(io);
    expect(is, error::timeout);
}

TEST_F(connect_success, a_fresh_socket_that_still_blocks_does_not_block_the_loop) {
    const silent_server silent;
    tcp::socket socket{io};
    socket.assign(tcp::v4(), ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_FALSE(does_not_block(socket.native_handle()));
    outcome is;
    dial::connect(socket, silent.endpoint(), 20ms, record(is));
    EXPECT_TRUE(does_not_block(socket.native_handle()));
    run(io);
    expect(is, error::timeout);
}

TEST_F(connect_success, a_socket_that_the_caller_has_opened_keeps_its_options_and_its_bind) {
    const tcp_server server;
    tcp::socket socket{io, tcp::v4()};
    socket.set_option(asio::socket_base::keep_alive{true});
    socket.bind({asio::ip::make_address("127.0.0.9"), 0});
    const auto bound_to = socket.local_endpoint();
    EXPECT_EQ(answer(socket, server.endpoint()), success);
    EXPECT_EQ(socket.local_endpoint(), bound_to);
    EXPECT_EQ(option(socket.native_handle(), SOL_SOCKET, SO_KEEPALIVE), 1);
}

// --- What Asio makes of the socket afterwards ---

TEST_F(connect_success, synchronous_reads_and_writes_block_as_before) {
    auto [socket, accepted] = a_pair();
    EXPECT_FALSE(socket.non_blocking());
    std::thread echo{[fd = accepted.get()] {
        char byte;
        while (::recv(fd, &byte, 1, 0) == 1 && ::send(fd, &byte, 1, MSG_NOSIGNAL) == 1) {}
    }};
    for (int i = 0; i != 200; ++i) {  // would-block, where a read came before its answer, would throw
        const char sent = static_cast<char>(i);
        char heard{};
        asio::write(socket, asio::buffer(&sent, 1));
        asio::read(socket, asio::buffer(&heard, 1));
        ASSERT_EQ(heard, sent);
    }
    socket.close();
    echo.join();
}

TEST_F(connect_success, a_caller_may_still_ask_for_would_block) {
    auto [socket, accepted] = a_pair();
    socket.non_blocking(true);
    char byte;
    error_code ec;
    socket.read_some(asio::buffer(&byte, 1), ec);
    EXPECT_EQ(ec, asio::error::would_block);
}

TEST_F(connect_success, the_peers_close_is_an_end_of_file) {
    auto [socket, accepted] = a_pair();
    accepted.close();
    char byte;
    outcome is;
    asio::async_read(
        socket, asio::buffer(&byte, 1), [handler = record(is)](error_code ec, std::size_t) { handler(ec); });
    run(io);
    expect(is, asio::error::eof);
    error_code ec;
    socket.read_some(asio::buffer(&byte, 1), ec);
    EXPECT_EQ(ec, asio::error::eof);
}

TEST_F(connect_success, writing_to_a_peer_that_is_gone_is_an_error_and_not_a_signal) {
    auto [socket, accepted] = a_pair();
    close_by_reset(accepted.get());
    accepted.close();
    error_code first, second;
    asio::write(socket, asio::buffer("x", 1), first);
    asio::write(socket, asio::buffer("x", 1), second);
    EXPECT_TRUE(first);
    EXPECT_EQ(second, asio::error::broken_pipe);
}

TEST_F(connect_success, a_pending_read_is_cancelled_by_close) {
    auto [socket, accepted] = a_pair();
    char byte;
    outcome is;
    socket.async_read_some(asio::buffer(&byte, 1), [handler = record(is)](error_code ec, std::size_t) { handler(ec); });
    socket.close();
    run(io);
    expect(is, aborted);
}

}  // namespace
}  // namespace dial::test
