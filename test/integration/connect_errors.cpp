// Each errno that connect(2) documents, from the kernel itself, heard through dial::connect.
//
// Those that need routes or links of their own are in connect_namespace.cpp; those that no kernel can be made to give are
// in ../fault/connect.cpp.
#include <dial/connect.hpp>

#include <support/loopback.hpp>

#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/local/datagram_protocol.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <system_error>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;
using asio::ip::udp;
namespace local = asio::local;

error_code system_error(int error) {
    return {error, boost::system::system_category()};
}

// A directory that is gone after the test.
class temporary_directory {
public:
    temporary_directory() {
        char name[] = "/tmp/dial-test-XXXXXX";
        if (!::mkdtemp(name)) throw std::runtime_error{"no temporary directory"};
        path_ = name;
    }
    ~temporary_directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    std::string operator/(const std::string& name) const { return path_ + "/" + name; }
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

// Somebody without rights, until the end of the block.
class without_rights {
public:
    without_rights() : before_{::geteuid()} {
        if (before_ == 0 && ::seteuid(65534) != 0) throw std::runtime_error{"seteuid"};
    }
    ~without_rights() {
        if (::seteuid(before_) != 0) std::abort();
    }
    without_rights(const without_rights&) = delete;
    without_rights& operator=(const without_rights&) = delete;

private:
    uid_t before_;
};

class connect_errors : public testing::Test {
protected:
    // What dial::connect says: never inside the call, and once.
    template <class Handle, class Endpoint>
    error_code answer(Handle& handle, const Endpoint& peer) {
        outcome is;
        dial::connect(handle, peer, record(is));
        EXPECT_EQ(is.calls, 0);
        run(io);
        EXPECT_EQ(is.calls, 1);
        return is.ec;
    }

    asio::io_context io;
};

TEST_F(connect_errors, no_error_when_connected) {
    const tcp_server server;
    tcp::socket socket{io};
    EXPECT_EQ(answer(socket, server.endpoint()), success);
    EXPECT_TRUE(is_connected(socket.native_handle()));
}

TEST_F(connect_errors, EBADF_for_a_descriptor_that_is_closed) {
    const tcp_server server;
    asio::posix::stream_descriptor handle{io};
    EXPECT_EQ(answer(handle, server.endpoint()), system_error(EBADF));
    EXPECT_FALSE(handle.is_open());
}

TEST_F(connect_errors, EBADF_for_a_socket_that_was_closed_behind_asios_back) {
    const tcp_server server;
    for (const bool non_blocking : {false, true}) {
        tcp::socket socket{io, tcp::v4()};
        socket.native_non_blocking(non_blocking);
        ::close(socket.native_handle());
        EXPECT_EQ(answer(socket, server.endpoint()), system_error(EBADF));
        error_code ignored;
        socket.close(ignored);
    }
}

TEST_F(connect_errors, ENOTSOCK_for_a_pipe) {
    const tcp_server server;
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const descriptor reading{ends[0]};
    asio::posix::stream_descriptor writing{io, ends[1]};
    EXPECT_EQ(answer(writing, server.endpoint()), system_error(ENOTSOCK));
    EXPECT_TRUE(writing.is_open());
}

TEST_F(connect_errors, EADDRNOTAVAIL_for_the_second_socket_of_one_address_port_and_peer) {
    const tcp_server server;
    tcp::socket first{io, tcp::v4()}, second{io, tcp::v4()};
    for (tcp::socket* socket : {&first, &second}) socket->set_option(tcp::socket::reuse_address{true});
    first.bind({asio::ip::address_v4::loopback(), 0});
    second.bind(first.local_endpoint());
    EXPECT_EQ(answer(first, server.endpoint()), success);
    EXPECT_EQ(answer(second, server.endpoint()), system_error(EADDRNOTAVAIL));
    EXPECT_TRUE(is_connected(first.native_handle()));
    EXPECT_FALSE(is_connected(second.native_handle()));
}

TEST_F(connect_errors, EAFNOSUPPORT_for_an_ipv6_address_on_an_ipv4_socket) {
    tcp::socket socket{io, tcp::v4()};
    EXPECT_EQ(answer(socket, tcp::endpoint{asio::ip::address_v6::loopback(), 9}), system_error(EAFNOSUPPORT));
    EXPECT_TRUE(socket.is_open());
}

TEST_F(connect_errors, EINVAL_for_an_ipv4_address_on_an_ipv6_socket) {
    tcp::socket socket{io};
    error_code ec;
    if (socket.open(tcp::v6(), ec)) GTEST_SKIP() << "no IPv6 here: " << ec.message();
    EXPECT_EQ(answer(socket, tcp::endpoint{asio::ip::address_v4::loopback(), 9}), system_error(EINVAL));
}

TEST_F(connect_errors, EISCONN_for_a_socket_that_is_connected_and_it_stays_so) {
    const tcp_server server, another;
    tcp::socket socket{io};
    ASSERT_EQ(answer(socket, server.endpoint()), success);
    const descriptor accepted = server.accept();
    for (const auto& peer : {server.endpoint(), another.endpoint()})
        EXPECT_EQ(answer(socket, peer), system_error(EISCONN));
    EXPECT_EQ(socket.remote_endpoint(), server.endpoint());
    char byte = 'x';
    EXPECT_EQ(socket.send(asio::buffer(&byte, 1)), 1u);
    EXPECT_EQ(::recv(accepted.get(), &byte, 1, 0), 1);
}

TEST_F(connect_errors, EISCONN_for_a_socket_that_another_has_connected_meanwhile) {
    const tcp_server server, another;
    tcp::socket socket{io, tcp::v4()};
    socket.native_non_blocking(true);
    const auto peer = server.endpoint();
    ASSERT_EQ(::connect(socket.native_handle(), peer.data(), static_cast<socklen_t>(peer.size())), -1);
    ASSERT_EQ(errno, EINPROGRESS);  // and on loopback over when the call returns
    ASSERT_TRUE(is_connected(socket.native_handle()));
    EXPECT_EQ(answer(socket, another.endpoint()), system_error(EISCONN));
    EXPECT_EQ(socket.remote_endpoint(), peer);
}

TEST_F(connect_errors, EISCONN_for_a_connected_unix_socket) {
    const unix_server server;
    local::stream_protocol::socket socket{io};
    ASSERT_EQ(answer(socket, server.endpoint()), success);
    EXPECT_EQ(answer(socket, server.endpoint()), system_error(EISCONN));
    EXPECT_TRUE(is_connected(socket.native_handle()));
}

TEST_F(connect_errors, EISCONN_for_a_listening_socket_and_it_goes_on_listening) {
    const tcp_server server;
    tcp::acceptor acceptor{io, {asio::ip::address_v4::loopback(), 0}};
    EXPECT_EQ(answer(acceptor, server.endpoint()), system_error(EISCONN));
    tcp::socket socket{io};
    EXPECT_EQ(answer(socket, acceptor.local_endpoint()), success);
}

TEST_F(connect_errors, ECONNREFUSED_where_nobody_listens) {
    const refusing_port nobody;
    tcp::socket socket{io};
    EXPECT_EQ(answer(socket, nobody.endpoint()), system_error(ECONNREFUSED));
    EXPECT_TRUE(socket.is_open());
    const tcp_server server;
    EXPECT_EQ(answer(socket, server.endpoint()), success) << "the socket may connect elsewhere";
}

TEST_F(connect_errors, ECONNREFUSED_where_nobody_listens_on_ipv6) {
    tcp::socket probe{io};
    error_code ec;
    if (probe.open(tcp::v6(), ec) || probe.bind({asio::ip::address_v6::loopback(), 0}, ec))
        GTEST_SKIP() << "no ::1 here: " << ec.message();
    const refusing_port nobody{"::1"};
    tcp::socket socket{io};
    EXPECT_EQ(answer(socket, nobody.endpoint()), system_error(ECONNREFUSED));
}

TEST_F(connect_errors, ECONNREFUSED_for_a_unix_socket_that_does_not_listen) {
    const temporary_directory directory;
    const local::stream_protocol::endpoint peer{directory / "bound"};
    local::stream_protocol::socket bound{io, peer.protocol()}, socket{io};
    bound.bind(peer);
    EXPECT_EQ(answer(socket, peer), system_error(ECONNREFUSED));
    bound.close();
    EXPECT_EQ(answer(socket, peer), system_error(ECONNREFUSED)) << "the name outlives its socket";
}

TEST_F(connect_errors, ECONNREFUSED_for_an_abstract_name_that_nobody_has) {
    local::stream_protocol::socket socket{io};
    const std::string nobody{"\0dial-test-nobody", 17};
    EXPECT_EQ(answer(socket, local::stream_protocol::endpoint{nobody}), system_error(ECONNREFUSED));
}

TEST_F(connect_errors, ENOENT_for_a_path_that_is_not_there) {
    const temporary_directory directory;
    local::stream_protocol::socket socket{io};
    EXPECT_EQ(answer(socket, local::stream_protocol::endpoint{directory / "nothing"}), system_error(ENOENT));
}

TEST_F(connect_errors, ECONNREFUSED_for_a_path_that_is_no_socket) {
    const temporary_directory directory;
    local::stream_protocol::socket socket{io};
    EXPECT_EQ(answer(socket, local::stream_protocol::endpoint{directory.path()}), system_error(ECONNREFUSED));
}

TEST_F(connect_errors, EPROTOTYPE_for_a_path_that_belongs_to_another_kind_of_socket) {
    const temporary_directory directory;
    local::datagram_protocol::socket datagrams{io, local::datagram_protocol::endpoint{directory / "datagram"}};
    local::stream_protocol::acceptor streams{io, local::stream_protocol::endpoint{directory / "stream"}};
    local::stream_protocol::socket stream{io};
    EXPECT_EQ(answer(stream, local::stream_protocol::endpoint{directory / "datagram"}), system_error(EPROTOTYPE));
    local::datagram_protocol::socket datagram{io};
    EXPECT_EQ(answer(datagram, local::datagram_protocol::endpoint{directory / "stream"}), system_error(EPROTOTYPE));
}

TEST_F(connect_errors, EACCES_for_a_unix_socket_that_one_may_not_write_to) {
    const temporary_directory directory;
    ASSERT_EQ(::chmod(directory.path().c_str(), 0755), 0);
    const local::stream_protocol::endpoint peer{directory / "private"};
    local::stream_protocol::acceptor acceptor{io, peer};
    ASSERT_EQ(::chmod(peer.path().c_str(), 0), 0);
    local::stream_protocol::socket socket{io};
    const without_rights from_here;
    EXPECT_EQ(answer(socket, peer), system_error(EACCES));
}

TEST_F(connect_errors, EACCES_for_a_unix_socket_in_a_directory_that_one_may_not_search) {
    const temporary_directory directory;
    const local::stream_protocol::endpoint peer{directory / "hidden"};
    local::stream_protocol::acceptor acceptor{io, peer};
    ASSERT_EQ(::chmod(directory.path().c_str(), 0), 0);
    {
        local::stream_protocol::socket socket{io};
        const without_rights from_here;
        EXPECT_EQ(answer(socket, peer), system_error(EACCES));
    }
    ASSERT_EQ(::chmod(directory.path().c_str(), 0700), 0);
}

TEST_F(connect_errors, EACCES_for_a_broadcast_address_without_leave_to_broadcast) {
    udp::socket socket{io};
    const udp::endpoint everybody{asio::ip::make_address("127.255.255.255"), 9};
    EXPECT_EQ(answer(socket, everybody), system_error(EACCES));
    socket.set_option(asio::socket_base::broadcast{true});
    EXPECT_EQ(answer(socket, everybody), success);
}

TEST_F(connect_errors, ENETUNREACH_for_a_broadcast_address_of_a_stream) {
    tcp::socket socket{io};
    const tcp::endpoint everybody{asio::ip::make_address("127.255.255.255"), 9};
    EXPECT_EQ(answer(socket, everybody), system_error(ENETUNREACH));
}

TEST_F(connect_errors, EPERM_for_a_unix_datagram_socket_that_is_connected_to_another) {
    const temporary_directory directory;
    using datagram = local::datagram_protocol;
    datagram::socket taken{io, datagram::endpoint{directory / "taken"}};
    datagram::socket another{io, datagram::endpoint{directory / "another"}};
    ASSERT_EQ(answer(taken, another.local_endpoint()), success);
    datagram::socket socket{io};
    EXPECT_EQ(answer(socket, taken.local_endpoint()), system_error(EPERM));
}

TEST_F(connect_errors, EALREADY_where_anothers_attempt_is_pending_and_that_is_left_alone) {
    const silent_server silent;
    tcp::socket socket{io, tcp::v4()};
    socket.native_non_blocking(true);
    const auto peer = silent.endpoint();
    ASSERT_EQ(::connect(socket.native_handle(), peer.data(), static_cast<socklen_t>(peer.size())), -1);
    ASSERT_EQ(errno, EINPROGRESS);
    const auto bound_to = socket.local_endpoint();

    const tcp_server server;
    for (const auto& wanted : {peer, server.endpoint()}) EXPECT_EQ(answer(socket, wanted), system_error(EALREADY));
    EXPECT_EQ(tcp_state(socket.native_handle()), TCP_SYN_SENT);
    EXPECT_EQ(socket.local_endpoint(), bound_to);
    EXPECT_EQ(pending_error(socket.native_handle()), 0);

    const descriptor filler = silent.accept();  // the next SYN finds room
    const descriptor accepted = silent.accept();
    EXPECT_TRUE(is_connected(socket.native_handle()));
}

TEST_F(connect_errors, EAGAIN_of_a_full_unix_queue_is_never_heard) {
    const full_unix_server full;
    local::stream_protocol::socket socket{io};
    outcome is;
    dial::connect(socket, full.endpoint(), 20ms, record(is));
    run(io);
    expect(is, error::timeout);
    EXPECT_FALSE(is_connected(socket.native_handle()));
}

TEST_F(connect_errors, EINPROGRESS_is_never_heard) {
    const silent_server silent;
    tcp::socket socket{io};
    outcome is;
    dial::connect(socket, silent.endpoint(), 20ms, record(is));
    run(io);
    expect(is, error::timeout);
}

}  // namespace
}  // namespace dial::test
