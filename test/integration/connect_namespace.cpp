// What needs a network of its own: routes, links that swallow everything, a single local port. And connections of a
// socket to itself, forced every time.
#include <dial/connect.hpp>

#include <support/loopback.hpp>
#include <support/network.hpp>

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>

#include <cerrno>
#include <chrono>
#include <string>
#include <system_error>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using asio::ip::make_address;
using asio::ip::tcp;
using asio::ip::udp;
using generic_stream = asio::generic::stream_protocol;

constexpr int ipproto_mptcp = 262;

error_code system_error(int error) {
    return {error, boost::system::system_category()};
}

// What dial::connect says: never inside the call, and once.
template <class Handle, class Endpoint>
error_code answer(asio::io_context& io, Handle& handle, const Endpoint& peer) {
    outcome is;
    dial::connect(handle, peer, record(is));
    EXPECT_EQ(is.calls, 0);
    run(io);
    EXPECT_EQ(is.calls, 1);
    return is.ec;
}

// The same for a socket of dial's own, which leaves nothing behind unless it is connected.
template <class Endpoint>
error_code answer_owned(asio::io_context& io, const Endpoint& peer, connect_options options = {}) {
    const typename Endpoint::protocol_type::socket reactor_has_its_own{io, peer.protocol()};
    const auto before = open_descriptors();
    int calls = 0;
    error_code answer;
    dial::connect(io, peer, options, [&](error_code ec, auto socket) {
        ++calls;
        answer = ec;
        EXPECT_EQ(socket.is_open(), !ec);
    });
    EXPECT_EQ(calls, 0);
    run(io);
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(open_descriptors(), before);
    return answer;
}

tcp::endpoint at(const std::string& address, unsigned short port = 9) {
    return {make_address(address), port};
}

class connect_namespace : public testing::Test {
protected:
    void SetUp() override {
        if (const auto why = why_no_network_namespace(); !why.empty()) GTEST_SKIP() << why;
    }

    // Both kinds of sockets hear `error` from `peer`.
    static void expect_error(const tcp::endpoint& peer, int error) {
        asio::io_context io;
        tcp::socket socket{io};
        EXPECT_EQ(answer(io, socket, peer), system_error(error)) << peer;
        EXPECT_TRUE(socket.is_open());
        EXPECT_EQ(answer_owned(io, peer), system_error(error)) << peer;
    }
};

// --- Routes ---

TEST_F(connect_namespace, ENETUNREACH_without_a_route) {
    in_network_namespace([](network_namespace&) {
        expect_error(at("10.5.0.1"), ENETUNREACH);
        expect_error(at("2001:db8::1"), ENETUNREACH);
        expect_error(at("255.255.255.255"), ENETUNREACH);
    });
}

TEST_F(connect_namespace, EHOSTUNREACH_for_a_route_of_type_unreachable) {
    in_network_namespace([](network_namespace& network) {
        network.ip("route add unreachable 10.1.0.0/16");
        network.ip("-6 route add unreachable 2001:db8:1::/48");
        expect_error(at("10.1.0.1"), EHOSTUNREACH);
        expect_error(at("2001:db8:1::1"), EHOSTUNREACH);
    });
}

TEST_F(connect_namespace, EACCES_for_a_route_of_type_prohibit) {
    in_network_namespace([](network_namespace& network) {
        network.ip("route add prohibit 10.2.0.0/16");
        network.ip("-6 route add prohibit 2001:db8:2::/48");
        expect_error(at("10.2.0.1"), EACCES);
        expect_error(at("2001:db8:2::1"), EACCES);
    });
}

TEST_F(connect_namespace, EINVAL_for_a_route_of_type_blackhole) {
    in_network_namespace([](network_namespace& network) {
        network.ip("route add blackhole 10.3.0.0/16");
        network.ip("-6 route add blackhole 2001:db8:3::/48");
        expect_error(at("10.3.0.1"), EINVAL);
        expect_error(at("2001:db8:3::1"), EINVAL);
    });
}

TEST_F(connect_namespace, EINVAL_for_a_link_local_address_without_its_link) {
    in_network_namespace([](network_namespace& network) {
        network.add_silent_link("fd00:9::1/64", "fd00:9::2");
        expect_error(at("fe80::1"), EINVAL);
    });
}

TEST_F(connect_namespace, EHOSTUNREACH_when_nobody_has_the_address) {
    in_network_namespace([](network_namespace& network) {
        network.add_silent_link("10.9.0.1/24", "10.9.0.2");
        network.sysctl("ipv4/neigh/near0/mcast_solicit", "1");
        network.sysctl("ipv4/neigh/near0/retrans_time_ms", "50");
        expect_error(at("10.9.0.77"), EHOSTUNREACH);  // asked for by ARP, in vain
    });
}

TEST_F(connect_namespace, an_address_beyond_loopback_is_waited_for_in_the_reactor_and_connects) {
    in_network_namespace([](network_namespace& network) {
        network.add_silent_link("10.9.0.1/24", "10.9.0.2");
        const tcp_server server{"10.9.0.1"};
        asio::io_context io;
        tcp::socket socket{io};
        EXPECT_EQ(answer(io, socket, server.endpoint()), success);
        EXPECT_EQ(answer_owned(io, server.endpoint()), success);
    });
}

TEST_F(connect_namespace, a_socket_that_was_refused_beyond_loopback_may_connect_elsewhere) {
    in_network_namespace([](network_namespace& network) {
        network.add_silent_link("10.9.0.1/24", "10.9.0.2");
        const refusing_port nobody{"10.9.0.1"};
        const tcp_server server{"10.9.0.1"};
        expect_error(nobody.endpoint(), ECONNREFUSED);
        asio::io_context io;
        tcp::socket socket{io};
        for (int i = 0; i != 3; ++i) EXPECT_EQ(answer(io, socket, nobody.endpoint()), system_error(ECONNREFUSED));
        EXPECT_EQ(answer(io, socket, server.endpoint()), success);
    });
}

// --- Ports ---

TEST_F(connect_namespace, EADDRNOTAVAIL_when_every_local_port_is_taken) {
    in_network_namespace([](network_namespace& network) {
        const tcp_server server;
        network.sysctl("ipv4/ip_local_port_range", "40000 40000");
        asio::io_context io;
        tcp::socket first{io};
        ASSERT_EQ(answer(io, first, server.endpoint()), success);
        expect_error(server.endpoint(), EADDRNOTAVAIL);
    });
}

TEST_F(connect_namespace, EAGAIN_of_udp_without_a_free_port_is_no_full_queue_and_passes) {
    in_network_namespace([](network_namespace& network) {
        network.sysctl("ipv4/ip_local_port_range", "40000 40000");
        asio::io_context io;
        const udp::socket holder{io, udp::endpoint{asio::ip::address_v4::loopback(), 40000}};
        udp::socket socket{io};
        const udp::endpoint peer{asio::ip::address_v4::loopback(), 9};
        EXPECT_EQ(answer(io, socket, peer), system_error(EAGAIN));
        EXPECT_EQ(answer_owned(io, peer), system_error(EAGAIN));
    });
}

// --- Silence ---

TEST_F(connect_namespace, a_peer_that_never_answers_is_left_when_the_time_is_up) {
    in_network_namespace([](network_namespace& network) {
        network.add_silent_link("10.9.0.1/24", "10.9.0.2");
        network.add_silent_link("fd00:9::1/64", "fd00:9::2");
        for (const auto& peer : {at("10.9.0.2"), at("fd00:9::2")}) {
            asio::io_context io;
            tcp::socket socket{io};
            outcome is;
            dial::connect(socket, peer, 30ms, record(is));
            run(io);
            expect(is, error::timeout);
            ASSERT_TRUE(socket.is_open());
            EXPECT_EQ(tcp_state(socket.native_handle()), TCP_CLOSE);
            EXPECT_EQ(pending_error(socket.native_handle()), 0);
            EXPECT_EQ(answer_owned(io, peer, {.timeout = 30ms}), error::timeout);
        }
    });
}

TEST_F(connect_namespace, a_cancelled_socket_connects_elsewhere_at_once) {
    in_network_namespace([](network_namespace& network) {
        network.add_silent_link("10.9.0.1/24", "10.9.0.2");
        const tcp_server server{"10.9.0.1"};
        asio::io_context io;
        tcp::socket socket{io};
        asio::cancellation_signal signal;
        outcome is;
        dial::connect(socket, at("10.9.0.2"), record(is, signal));
        run_ready(io);
        EXPECT_EQ(is.calls, 0);
        EXPECT_EQ(tcp_state(socket.native_handle()), TCP_SYN_SENT);
        signal.emit(asio::cancellation_type::total);
        run(io);
        expect(is, aborted);
        EXPECT_EQ(tcp_state(socket.native_handle()), TCP_CLOSE);
        EXPECT_EQ(answer(io, socket, server.endpoint()), success);
    });
}

TEST_F(connect_namespace, ETIMEDOUT_is_the_kernels_own_when_its_SYNs_stay_unanswered) {
    in_network_namespace([](network_namespace& network) {
        network.add_silent_link("10.9.0.1/24", "10.9.0.2");
        asio::io_context io;
        tcp::socket socket{io, tcp::v4()};
        const int retries = 1, milliseconds = 500;
        ASSERT_EQ(::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_SYNCNT, &retries, sizeof retries), 0);
        ASSERT_EQ(
            ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_USER_TIMEOUT, &milliseconds, sizeof milliseconds), 0);
        const error_code ec = answer(io, socket, at("10.9.0.2"));
        EXPECT_EQ(ec, system_error(ETIMEDOUT));
        EXPECT_NE(ec, make_error_code(error::timeout)) << "two different authors";
        EXPECT_EQ(ec, std::errc::timed_out);
    });
}

TEST_F(connect_namespace, ETIMEDOUT_comes_from_options_of_dials_own_socket) {
    in_network_namespace([](network_namespace& network) {
        network.add_silent_link("10.9.0.1/24", "10.9.0.2");
        asio::io_context io;
        const connect_options options{.socket = {.user_timeout = 500ms, .syn_count = 1}};
        EXPECT_EQ(answer_owned(io, at("10.9.0.2"), options), system_error(ETIMEDOUT));
    });
}

// --- A socket that connects to itself: bound to its peer's address, it does so every time ---

// Binds to a free port of `address` by its number: a port that bind(2) itself has chosen would be given up on withdrawal.
template <class Socket>
void bind_by_number(Socket& socket, const asio::ip::address& address) {
    using endpoint = typename Socket::endpoint_type;
    for (int tries = 0; tries != 100; ++tries) {
        const auto free = refusing_port{address.to_string()}.endpoint();
        error_code ec;
        if (!socket.bind(endpoint{free}, ec)) return;
    }
    FAIL() << "no free port";
}

// Refused, unconnected, its bind kept; and then connected elsewhere.
template <class Protocol>
void expect_refuses_itself(const Protocol& protocol, const tcp_server& server) {
    asio::io_context io;
    for (int i = 0; i != 50; ++i) {
        typename Protocol::socket socket{io, protocol};
        bind_by_number(socket, server.endpoint().address());
        const auto itself = local_endpoint(socket.native_handle());
        const typename Protocol::endpoint peer{itself};
        ASSERT_EQ(answer(io, socket, peer), system_error(ECONNREFUSED));
        ASSERT_TRUE(socket.is_open());
        ASSERT_FALSE(is_connected(socket.native_handle()));
        ASSERT_EQ(pending_error(socket.native_handle()), 0);
        ASSERT_EQ(local_endpoint(socket.native_handle()), itself);

        const typename Protocol::endpoint elsewhere{server.endpoint()};
        ASSERT_EQ(answer(io, socket, elsewhere), success);
        ASSERT_EQ(local_endpoint(socket.native_handle()), itself);
        close_by_reset(socket.native_handle());
    }
}

TEST(connect_to_itself, is_refused_on_a_callers_socket) {
    expect_refuses_itself(tcp::v4(), tcp_server{});
}

TEST(connect_to_itself, is_refused_on_a_callers_ipv6_socket) {
    asio::io_context io;
    tcp::socket probe{io};
    error_code ec;
    if (probe.open(tcp::v6(), ec) || probe.bind(at("::1", 0), ec)) GTEST_SKIP() << "no ::1 here: " << ec.message();
    expect_refuses_itself(tcp::v6(), tcp_server{"::1"});
}

TEST(connect_to_itself, is_refused_on_a_callers_multipath_socket) {
    const descriptor probe{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, ipproto_mptcp)};
    if (!probe) GTEST_SKIP() << "no MPTCP here: " << system_error(errno).message();
    expect_refuses_itself(generic_stream{AF_INET, ipproto_mptcp}, tcp_server{});
}

TEST_F(connect_namespace, a_connection_to_itself_beyond_loopback_is_refused_on_a_callers_socket) {
    in_network_namespace([](network_namespace& network) {
        network.add_silent_link("10.9.0.1/24", "10.9.0.2");
        network.add_silent_link("fd00:9::1/64", "fd00:9::2");
        expect_refuses_itself(tcp::v4(), tcp_server{"10.9.0.1"});
        expect_refuses_itself(tcp::v6(), tcp_server{"fd00:9::1"});
    });
}

TEST_F(connect_namespace, a_connection_to_itself_is_refused_on_dials_own_socket) {
    in_network_namespace([](network_namespace& network) {
        network.add_silent_link("10.9.0.1/24", "10.9.0.2");
        network.sysctl("ipv4/ip_local_port_range", "40000 40000");  // the only port that connect can choose
        for (const auto& itself : {at("127.0.0.1", 40000), at("::1", 40000), at("10.9.0.1", 40000)}) {
            asio::io_context io;
            for (int i = 0; i != 20; ++i)
                ASSERT_EQ(answer_owned(io, itself), system_error(ECONNREFUSED)) << itself << ", round " << i;
        }
    });
}

TEST_F(connect_namespace, a_socket_of_dials_own_that_connected_to_itself_is_replaced_and_never_handed_out) {
    in_network_namespace([](network_namespace& network) {
        network.sysctl("ipv4/ip_local_port_range", "40000 40001");  // one of two: the second try meets nobody
        asio::io_context io;
        for (int i = 0; i != 20; ++i) {
            ASSERT_EQ(answer_owned(io, at("127.0.0.1", 40000)), system_error(ECONNREFUSED));
            ASSERT_EQ(answer_owned(io, at("127.0.0.1", 40001)), system_error(ECONNREFUSED));
        }
    });
}

}  // namespace
}  // namespace dial::test
