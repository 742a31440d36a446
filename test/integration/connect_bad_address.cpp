// Addresses that are none: the kernel's answer, and never a crash, an exception or a success.
#include <dial/connect.hpp>

#include <support/loopback.hpp>

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>

namespace dial::test {
namespace {

using asio::ip::tcp;
using generic_stream = asio::generic::stream_protocol;

error_code system_error(int error) {
    return {error, boost::system::system_category()};
}

generic_stream::endpoint first_bytes(const sockaddr_storage& address, std::size_t size) {
    return {&address, size};
}

sockaddr_storage address_of(const tcp::endpoint& peer) {
    sockaddr_storage address{};
    std::memcpy(&address, peer.data(), peer.size());
    return address;
}

class connect_bad_address : public testing::Test {
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

    // The same address on an open socket, and on a descriptor that Asio knows nothing about.
    void expect_answer(int family, const generic_stream::endpoint& peer, int error) {
        generic_stream::socket socket{io, generic_stream{family, 0}};
        EXPECT_EQ(answer(socket, peer), system_error(error));
        EXPECT_FALSE(is_connected(socket.native_handle()));

        asio::posix::stream_descriptor handle{io, ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        EXPECT_EQ(answer(handle, peer), system_error(error));
        EXPECT_FALSE(is_connected(handle.native_handle()));
    }

    asio::io_context io;
};

TEST_F(connect_bad_address, an_empty_address_is_EINVAL) {
    for (const int family : {AF_INET, AF_UNIX}) expect_answer(family, generic_stream::endpoint{}, EINVAL);
}

TEST_F(connect_bad_address, an_empty_address_does_not_open_a_socket) {
    generic_stream::socket socket{io};
    EXPECT_EQ(answer(socket, generic_stream::endpoint{}), system_error(EAFNOSUPPORT));
    EXPECT_FALSE(socket.is_open());
}

TEST_F(connect_bad_address, a_part_of_an_address_is_EINVAL) {
    const tcp_server server;
    const auto address = address_of(server.endpoint());
    for (std::size_t size = 1; size != sizeof(sockaddr_in); ++size)
        expect_answer(AF_INET, first_bytes(address, size), EINVAL);
    expect_answer(AF_UNIX, first_bytes(address, 1), EINVAL);
}

TEST_F(connect_bad_address, a_longer_address_than_needed_is_taken_as_the_kernel_takes_it) {
    const tcp_server server;
    const auto address = address_of(server.endpoint());
    generic_stream::socket socket{io};
    EXPECT_EQ(answer(socket, first_bytes(address, sizeof address)), success);
}

TEST_F(connect_bad_address, no_family_at_all_is_EAFNOSUPPORT_and_never_a_success) {
    // To connect(2) it means: take the connection away; the call says 0.
    const sockaddr_storage nobody{};
    for (const std::size_t size : {sizeof(sa_family_t), sizeof(sockaddr_in), sizeof(sockaddr_storage)})
        for (const int family : {AF_INET, AF_UNIX}) expect_answer(family, first_bytes(nobody, size), EAFNOSUPPORT);
}

TEST_F(connect_bad_address, no_family_at_all_leaves_a_connection_alone) {
    const tcp_server server;
    const sockaddr_storage nobody{};
    generic_stream::socket socket{io};
    ASSERT_EQ(answer(socket, generic_stream::endpoint{server.endpoint()}), success);
    EXPECT_EQ(answer(socket, first_bytes(nobody, sizeof(sockaddr_in))), system_error(EAFNOSUPPORT));
    EXPECT_TRUE(is_connected(socket.native_handle()));
}

TEST_F(connect_bad_address, a_family_that_does_not_exist_is_EAFNOSUPPORT) {
    sockaddr_storage nowhere{};
    nowhere.ss_family = 200;
    expect_answer(AF_INET, first_bytes(nowhere, sizeof nowhere), EAFNOSUPPORT);
    generic_stream::socket socket{io};
    EXPECT_EQ(answer(socket, first_bytes(nowhere, sizeof nowhere)), system_error(EAFNOSUPPORT));
    EXPECT_FALSE(socket.is_open());
}

// A unix address of exactly `length` bytes of path, with no NUL behind it.
generic_stream::endpoint unix_path(const std::string& path) {
    sockaddr_storage address{};
    address.ss_family = AF_UNIX;
    std::memcpy(reinterpret_cast<char*>(&address) + offsetof(sockaddr_un, sun_path), path.data(), path.size());
    return first_bytes(address, offsetof(sockaddr_un, sun_path) + path.size());
}

std::string path_of_length(std::size_t length) {
    std::string path = "/tmp/dial-test-" + std::to_string(::getpid()) + "-";
    path.append(length - path.size(), 'x');
    return path;
}

TEST_F(connect_bad_address, a_unix_path_of_108_bytes_without_a_nul_is_taken_whole) {
    const std::string path = path_of_length(108);
    const auto peer = unix_path(path);
    generic_stream::socket missing{io};
    EXPECT_EQ(answer(missing, peer), system_error(ENOENT));

    const descriptor listener{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    ASSERT_EQ(::bind(listener.get(), peer.data(), static_cast<socklen_t>(peer.size())), 0);
    ASSERT_EQ(::listen(listener.get(), 1), 0);
    generic_stream::socket socket{io};
    EXPECT_EQ(answer(socket, peer), success);
    ::unlink(path.c_str());
}

TEST_F(connect_bad_address, a_unix_path_over_108_bytes_is_EINVAL) {
    for (const std::size_t length : {109u, 120u, 126u})
        expect_answer(AF_UNIX, unix_path(path_of_length(length)), EINVAL);
}

TEST_F(connect_bad_address, port_zero_is_refused) {
    tcp::socket socket{io};
    EXPECT_EQ(answer(socket, tcp::endpoint{asio::ip::address_v4::loopback(), 0}), system_error(ECONNREFUSED));
}

TEST_F(connect_bad_address, a_socket_of_dials_own_is_closed_again) {
    const tcp::socket reactor_has_its_own{io, tcp::v4()};
    const sockaddr_storage nobody{};
    const auto overlong = unix_path(path_of_length(120));
    for (const auto& peer : {generic_stream::endpoint{}, first_bytes(nobody, sizeof nobody), overlong}) {
        const auto before = open_descriptors();
        error_code ec;
        bool open = true;
        dial::connect(io, peer, [&](error_code e, generic_stream::socket socket) {
            ec = e;
            open = socket.is_open();
        });
        run(io);
        EXPECT_TRUE(ec == system_error(EAFNOSUPPORT) || ec == system_error(EINVAL)) << ec.message();
        EXPECT_FALSE(open);
        EXPECT_EQ(open_descriptors(), before);
    }
}

}  // namespace
}  // namespace dial::test
