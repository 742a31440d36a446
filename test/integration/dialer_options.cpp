// What a dialer sets on each socket before it connects, read back inside the hook and on the winner; and what becomes of
// an attempt whose options the kernel, or the hook, refuses.
#include <dial/dialer.hpp>

#include <support/loopback.hpp>
#include <support/network.hpp>
#include <support/resolvers.hpp>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <cerrno>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

constexpr int mptcp = 262;               // IPPROTO_MPTCP
constexpr int ip_local_port_range = 51;  // which glibc may lack

error_code from_errno(int error) {
    return {error, boost::system::system_category()};
}

std::string at(const std::string& host, const tcp::endpoint& server) {
    return host + ":" + std::to_string(server.port());
}

class dialer_options : public testing::Test {
protected:
    using question = std::function<int(int fd)>;

    error_code dial(const dialer& d, const std::string& to) {
        error_code result;
        int calls = 0;
        socket.reset();
        d.connect({to, &story}, [&](error_code ec, tcp::socket s) {
            ++calls;
            result = ec;
            socket.emplace(std::move(s));
        });
        run(io);
        EXPECT_EQ(calls, 1);
        EXPECT_EQ(socket && socket->is_open(), !result);
        return result;
    }
    dialer dialer_to(std::initializer_list<const char*> all, const options& with) {
        return dialer{io, with, static_resolver({{"db", addresses(all)}})};
    }

    // The answers of five sockets: in the hook for ::1, which is silent, in that for 127.0.0.1, which joins the race and
    // wins it, and after that; in the hook for ::1 where somebody listens, and after that.
    std::vector<int> in_each_socket(const socket_options& options, const question& ask) {
        const silent_server silent{"::1", server.endpoint().port()};
        const tcp_server server_v6{"::1"};
        std::vector<int> answers;
        dialer d = dialer_to({"::1", "127.0.0.1"}, {.attempt_delay = 1ms, .socket = options});
        d.before_connect([&](int fd, const tcp::endpoint&) -> error_code {
            answers.push_back(ask(fd));
            return {};
        });
        for (const auto& to : {at("db", server.endpoint()), at("[::1]", server_v6.endpoint())}) {
            EXPECT_EQ(dial(d, to), success) << story.to_string();
            if (!socket->is_open()) continue;
            answers.push_back(ask(socket->native_handle()));
            close_by_reset(socket->native_handle());
        }
        return answers;
    }
    std::vector<int> in_each_socket(const socket_options& options, int level, int name) {
        return in_each_socket(options, [=](int fd) { return option(fd, level, name); });
    }

    // Dials a server in a network of its own, where `setting` (if there is such a thing) is `value`.
    void dial_where(const std::string& setting, const std::string& value, const socket_options& options) {
        in_network_namespace([&](network_namespace& network) {
            if (::access(("/proc/sys/net/" + setting).c_str(), F_OK) == 0) network.sysctl(setting, value);
            const tcp_server peer;
            dial(dialer{io, {.socket = options}}, at("127.0.0.1", peer.endpoint()));
        });
    }

    asio::io_context io;
    tcp_server server;
    report story;
    std::optional<tcp::socket> socket;
};

auto five_times(int value) {
    return ElementsAre(value, value, value, value, value);
}

// --- Each option, on each attempt ---

TEST_F(dialer_options, no_delay_is_on_or_off) {
    EXPECT_THAT(in_each_socket({}, IPPROTO_TCP, TCP_NODELAY), five_times(1));
    EXPECT_THAT(in_each_socket({.no_delay = false}, IPPROTO_TCP, TCP_NODELAY), five_times(0));
}

TEST_F(dialer_options, keep_alive_is_on_with_its_values) {
    EXPECT_THAT(in_each_socket({}, SOL_SOCKET, SO_KEEPALIVE), five_times(1));
    EXPECT_THAT(in_each_socket({}, IPPROTO_TCP, TCP_KEEPIDLE), five_times(15));
    const socket_options own{.keep_alive = keep_alive{.idle = 20s, .interval = 2001ms, .count = 4}};
    EXPECT_THAT(in_each_socket(own, SOL_SOCKET, SO_KEEPALIVE), five_times(1));
    EXPECT_THAT(in_each_socket(own, IPPROTO_TCP, TCP_KEEPIDLE), five_times(20));
    EXPECT_THAT(in_each_socket(own, IPPROTO_TCP, TCP_KEEPINTVL), five_times(3)) << "rounded up";
    EXPECT_THAT(in_each_socket(own, IPPROTO_TCP, TCP_KEEPCNT), five_times(4));
}

TEST_F(dialer_options, keep_alive_may_be_off) {
    EXPECT_THAT(in_each_socket({.keep_alive = {}}, SOL_SOCKET, SO_KEEPALIVE), five_times(0));
}

TEST_F(dialer_options, user_timeout_is_in_milliseconds_rounded_up_and_never_is_the_longest_there_is) {
    EXPECT_THAT(in_each_socket({.user_timeout = 1500us}, IPPROTO_TCP, TCP_USER_TIMEOUT), five_times(2));
    EXPECT_THAT(in_each_socket({.user_timeout = never}, IPPROTO_TCP, TCP_USER_TIMEOUT), five_times(2'147'483'647));
}

TEST_F(dialer_options, syn_count_is_set) {
    EXPECT_THAT(in_each_socket({.syn_count = 2}, IPPROTO_TCP, TCP_SYNCNT), five_times(2));
}

TEST_F(dialer_options, buffers_are_set_and_doubled_by_the_kernel) {
    const socket_options options{.receive_buffer = 20'000, .send_buffer = 30'000};
    EXPECT_THAT(in_each_socket(options, SOL_SOCKET, SO_RCVBUF), five_times(40'000));
    EXPECT_THAT(in_each_socket(options, SOL_SOCKET, SO_SNDBUF), five_times(60'000));
}

TEST_F(dialer_options, mark_is_set_where_that_is_allowed) {
    const descriptor probe{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    const int mark = 7;
    if (::setsockopt(probe.get(), SOL_SOCKET, SO_MARK, &mark, sizeof mark) != 0)
        GTEST_SKIP() << "SO_MARK needs CAP_NET_ADMIN";
    EXPECT_THAT(in_each_socket({.mark = mark}, SOL_SOCKET, SO_MARK), five_times(mark));
}

TEST_F(dialer_options, traffic_class_is_that_of_the_family) {
    const auto ask = [](int fd) {
        return option(fd, SOL_SOCKET, SO_DOMAIN) == AF_INET ? option(fd, IPPROTO_IP, IP_TOS)
                                                            : option(fd, IPPROTO_IPV6, IPV6_TCLASS);
    };
    EXPECT_THAT(in_each_socket({.traffic_class = 0x28}, ask), five_times(0x28));
    EXPECT_THAT(in_each_socket({.traffic_class = 0}, ask), five_times(0));
}

TEST_F(dialer_options, the_source_address_is_that_of_the_family_and_bound_without_a_port) {
    std::vector<tcp::endpoint> sources;
    const socket_options options{
        .local_v4 = asio::ip::make_address_v4("127.0.0.2"), .local_v6 = asio::ip::address_v6::loopback()};
    const auto without_port = in_each_socket(options, [&](int fd) {
        sources.push_back(local_endpoint(fd));
        return option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);
    });
    EXPECT_THAT(without_port, five_times(1));
    ASSERT_THAT(sources, SizeIs(5));
    EXPECT_EQ(sources[0], (tcp::endpoint{asio::ip::make_address("::1"), 0}));
    EXPECT_EQ(sources[1], (tcp::endpoint{asio::ip::make_address("127.0.0.2"), 0}));
    EXPECT_EQ(sources[2].address().to_string(), "127.0.0.2");
    EXPECT_NE(sources[2].port(), 0);
    EXPECT_EQ(sources[4].address().to_string(), "::1");
    EXPECT_EQ(story.attempts()[0].local, sources[4]);
}

TEST_F(dialer_options, local_ports_are_kept_to) {
    const descriptor probe{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (option(probe.get(), IPPROTO_IP, ip_local_port_range) == -1)
        GTEST_SKIP() << "IP_LOCAL_PORT_RANGE needs Linux 6.3";
    const auto ports = in_each_socket(
        {.local_ports = port_range{40'000, 40'031}}, [&](int fd) { return int{local_endpoint(fd).port()}; });
    ASSERT_THAT(ports, SizeIs(5));
    EXPECT_THAT(ports, ElementsAre(0, 0, testing::_, 0, testing::_)) << "taken by connect";
    for (const int chosen : {ports[2], ports[4]}) EXPECT_TRUE(chosen >= 40'000 && chosen <= 40'031) << chosen;
}

TEST_F(dialer_options, sockets_are_bound_to_the_interface) {
    const auto ask = [](int fd) {
        std::array<char, 16> name{};
        socklen_t size = name.size();
        return static_cast<int>(::getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name.data(), &size) == 0 &&
            std::string_view{name.data()} == "lo");
    };
    EXPECT_THAT(in_each_socket({.interface = "lo"}, ask), five_times(1));
    EXPECT_THAT(in_each_socket({}, ask), five_times(0));
}

// --- Multipath TCP ---

TEST_F(dialer_options, multipath_is_spoken_where_the_kernel_does) {
    const descriptor probe{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, mptcp)};
    EXPECT_THAT(
        in_each_socket({.multipath = true}, SOL_SOCKET, SO_PROTOCOL), five_times(probe ? mptcp : int{IPPROTO_TCP}));
    EXPECT_THAT(in_each_socket({}, SOL_SOCKET, SO_PROTOCOL), five_times(IPPROTO_TCP));
}

TEST_F(dialer_options, all_are_set_on_multipath_sockets_too_or_else_on_plain_ones) {
    const socket_options all{.keep_alive = keep_alive{.idle = 20s, .count = 4},
        .user_timeout = 3s,
        .syn_count = 2,
        .receive_buffer = 20'000,
        .traffic_class = 0x28,
        .local_v4 = asio::ip::make_address_v4("127.0.0.2"),
        .interface = "lo",
        .multipath = true};
    EXPECT_THAT(in_each_socket(all, IPPROTO_TCP, TCP_NODELAY), five_times(1));
    EXPECT_THAT(in_each_socket(all, IPPROTO_TCP, TCP_KEEPIDLE), five_times(20));
    EXPECT_THAT(in_each_socket(all, IPPROTO_TCP, TCP_KEEPCNT), five_times(4));
    EXPECT_THAT(in_each_socket(all, IPPROTO_TCP, TCP_USER_TIMEOUT), five_times(3000));
    EXPECT_THAT(in_each_socket(all, IPPROTO_TCP, TCP_SYNCNT), five_times(2));
    EXPECT_THAT(in_each_socket(all, SOL_SOCKET, SO_RCVBUF), five_times(40'000));
}

TEST_F(dialer_options, plain_tcp_is_spoken_where_multipath_is_switched_off) {
    if (const auto why = why_no_network_namespace(); !why.empty()) GTEST_SKIP() << why;
    dial_where("mptcp/enabled", "0", {.multipath = true});
    ASSERT_TRUE(story.ok());
    EXPECT_EQ(option(socket->native_handle(), SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
}

// --- TCP Fast Open ---

class dialer_fast_open : public dialer_options {
protected:
    // What each hook sees of TCP_FASTOPEN_CONNECT.
    std::vector<int> seen(dialer d, const std::string& to) {
        std::vector<int> answers;
        d.before_connect([&](int fd, const tcp::endpoint&) -> error_code {
            answers.push_back(option(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT));
            return {};
        });
        EXPECT_EQ(dial(d, to), success);
        return answers;
    }

    options with{.attempt_delay = 1ms, .socket = {.fast_open = true}};
};

TEST_F(dialer_fast_open, is_asked_for_where_one_candidate_is_left) {
    EXPECT_THAT(seen(dialer{io, with}, at("127.0.0.1", server.endpoint())), ElementsAre(1));
    EXPECT_THAT(seen(dialer_to({"127.0.0.1"}, with), at("db", server.endpoint())), ElementsAre(1));
    EXPECT_THAT(seen(dialer_to({"127.0.0.9", "127.0.0.1"}, with), at("db", server.endpoint())), ElementsAre(0, 1))
        << "the other has failed";
}

TEST_F(dialer_fast_open, is_not_asked_for_while_another_address_waits_or_runs_or_may_still_come) {
    const silent_server silent{"127.0.0.2", server.endpoint().port()};
    EXPECT_THAT(seen(dialer_to({"127.0.0.2", "127.0.0.1"}, with), at("db", server.endpoint())), ElementsAre(0, 0));
    manual_resolver names;  // never answers for IPv6
    asio::steady_timer soon{io, 0ms};
    soon.async_wait([&](error_code) { names.answer_next(address_family::v4, answer{addresses({"127.0.0.1"})}); });
    with.resolution_delay = 1ms;
    EXPECT_THAT(seen(dialer{io, with, names}, at("db", server.endpoint())), ElementsAre(0));
}

TEST_F(dialer_fast_open, without_a_cookie_connects_as_ever) {
    EXPECT_EQ(dial(dialer{io, with}, at("127.0.0.1", server.endpoint())), success);
    EXPECT_EQ(story.attempts()[0].how, dial::outcome::done);
    EXPECT_TRUE(is_connected(socket->native_handle()));
    EXPECT_EQ(dial(dialer{io, with}, at("127.0.0.2", server.endpoint())), asio::error::connection_refused);
}

TEST_F(dialer_fast_open, with_a_cookie_is_told_as_deferred_and_only_the_first_write_tells) {
    if (const auto why = why_no_network_namespace(); !why.empty()) GTEST_SKIP() << why;
    in_network_namespace([](network_namespace& network) {
        network.sysctl("ipv4/tcp_fastopen", "3");
        tcp_server peer;
        const int queue = 16;
        ASSERT_EQ(::setsockopt(peer.fd(), IPPROTO_TCP, TCP_FASTOPEN, &queue, sizeof queue), 0);
        asio::io_context here;
        const dialer d{here, {.socket = {.fast_open = true}}};
        report told;
        std::optional<tcp::socket> made;
        const auto connect = [&] {
            d.connect({at("127.0.0.1", peer.endpoint()), &told}, [&](error_code ec, tcp::socket s) {
                EXPECT_EQ(ec, success);
                made.emplace(std::move(s));
            });
            run(here);
            ASSERT_THAT(told.attempts(), SizeIs(1));
        };
        connect();
        EXPECT_EQ(told.attempts()[0].how, dial::outcome::done) << "this one gets the cookie";
        EXPECT_TRUE(peer.accept());
        connect();
        EXPECT_EQ(told.attempts()[0].how, dial::outcome::deferred);
        EXPECT_TRUE(told.ok());
        EXPECT_EQ(told.winner(), &told.attempts()[0]);
        EXPECT_THAT(told.to_string(), HasSubstr("deferred"));
        EXPECT_EQ(tcp_state(made->native_handle()), TCP_SYN_SENT);
        EXPECT_EQ(peer.accept_all(), 0u);
        EXPECT_EQ(asio::write(*made, asio::buffer("hello", 5)), 5u);
        const descriptor accepted = peer.accept();
        std::array<char, 5> heard{};
        EXPECT_EQ(::recv(accepted.get(), heard.data(), heard.size(), MSG_WAITALL), 5);
        peer.close();
        connect();
        EXPECT_EQ(told.attempts()[0].how, dial::outcome::deferred);
        error_code ec;
        asio::write(*made, asio::buffer("hello", 5), ec);
        if (!ec) made->wait(tcp::socket::wait_read, ec);
        char none = 0;
        if (!ec) made->read_some(asio::buffer(&none, 1), ec);
        EXPECT_EQ(ec, asio::error::connection_refused);
    });
}

// --- What the kernel refuses ---

class dialer_refused_options : public dialer_options {
protected:
    // Both attempts fail with `error`, and the report names the option, in its first line too.
    void expect_refused(const socket_options& options, int error, const std::string& v6, const std::string& v4) {
        SCOPED_TRACE(v6);
        const auto before = open_descriptors();
        const dialer d = dialer_to({"::1", "127.0.0.1"}, {.attempt_delay = 1h, .socket = options});
        EXPECT_EQ(dial(d, at("db", server.endpoint())), from_errno(error));
        EXPECT_EQ(open_descriptors(), before);
        ASSERT_THAT(story.attempts(), SizeIs(2));
        for (const report::attempt& a : story.attempts()) {
            EXPECT_EQ(a.how, dial::outcome::failed);
            EXPECT_EQ(a.error, from_errno(error));
            EXPECT_EQ(a.note, a.peer.address().is_v6() ? v6 : v4);
        }
        const std::string text = story.to_string(1000);
        EXPECT_THAT(text.substr(0, text.find('\n')), HasSubstr(v6));
    }
    void expect_refused(const socket_options& options, int error, const std::string& name) {
        expect_refused(options, error, name, name);
    }

    tcp::socket starts_the_reactor{io, tcp::v4()};
};

TEST_F(dialer_refused_options, fail_each_attempt_with_the_errno_and_the_name_of_the_option) {
    expect_refused({.interface = "nosuch0"}, ENODEV, "SO_BINDTODEVICE");
    expect_refused({.keep_alive = keep_alive{.idle = 0s}}, EINVAL, "TCP_KEEPIDLE");
    expect_refused({.keep_alive = keep_alive{.interval = -1s}}, EINVAL, "TCP_KEEPINTVL");
    expect_refused({.keep_alive = keep_alive{.idle = never}}, EINVAL, "TCP_KEEPIDLE");
    expect_refused({.keep_alive = keep_alive{.count = 0}}, EINVAL, "TCP_KEEPCNT");
    expect_refused({.keep_alive = keep_alive{.count = 1000}}, EINVAL, "TCP_KEEPCNT");
    expect_refused({.user_timeout = -1ms}, EINVAL, "TCP_USER_TIMEOUT");
    expect_refused({.syn_count = 0}, EINVAL, "TCP_SYNCNT");
    expect_refused({.syn_count = 1000}, EINVAL, "TCP_SYNCNT");
    EXPECT_EQ(server.accept_all(), 0u);
}

TEST_F(dialer_refused_options, also_name_a_traffic_class_out_of_its_range_which_the_kernel_would_cut_for_ipv4) {
    for (const int out : {4000, 256, -1}) expect_refused({.traffic_class = out}, EINVAL, "IPV6_TCLASS", "IP_TOS");
}

TEST_F(dialer_refused_options, also_name_a_range_of_ports_that_ends_before_it_begins) {
    const descriptor probe{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    const int error = option(probe.get(), IPPROTO_IP, ip_local_port_range) == -1 ? ENOPROTOOPT : EINVAL;
    expect_refused({.local_ports = port_range{2, 1}}, error, "IP_LOCAL_PORT_RANGE");
}

TEST_F(dialer_refused_options, also_name_a_mark_without_the_privilege) {
    const uid_t before = ::geteuid();
    ASSERT_EQ(before == 0 ? ::seteuid(65534) : 0, 0);
    expect_refused({.mark = 7}, EPERM, "SO_MARK");
    expect_refused({.mark = 7, .multipath = true}, EPERM, "SO_MARK");
    ASSERT_EQ(::seteuid(before), 0);
}

TEST_F(dialer_refused_options, also_name_fast_open_where_it_is_switched_off) {
    if (const auto why = why_no_network_namespace(); !why.empty()) GTEST_SKIP() << why;
    dial_where("ipv4/tcp_fastopen", "0", {.fast_open = true});
    EXPECT_EQ(story.error(), from_errno(EOPNOTSUPP));
    EXPECT_EQ(story.attempts().at(0).note, "TCP_FASTOPEN_CONNECT");
}

TEST_F(dialer_refused_options, of_one_family_fail_only_its_attempts) {
    const silent_server silent{"127.0.0.2", server.endpoint().port()};
    const dialer d = dialer_to({"127.0.0.2", "::1", "127.0.0.1"},
        {.attempt_delay = 1ms, .socket = {.local_v6 = asio::ip::make_address_v6("2001:db8::1")}});  // bound, no more
    EXPECT_EQ(dial(d, at("db", server.endpoint())), success);
    ASSERT_THAT(story.attempts(), SizeIs(3));
    EXPECT_TRUE(story.attempts()[1].peer.address().is_v6());
    EXPECT_EQ(story.attempts()[1].error, from_errno(EADDRNOTAVAIL));
    EXPECT_EQ(story.attempts()[1].note, "bind");
}

// --- The hook ---

TEST_F(dialer_options, the_hook_gets_an_open_unconnected_non_blocking_socket_and_the_endpoint_of_each_attempt) {
    const silent_server silent{"::1", server.endpoint().port()};
    std::vector<tcp::endpoint> asked;
    dialer d = dialer_to({"::1", "127.0.0.1"}, {.attempt_delay = 1ms});
    d.before_connect([&](int fd, const tcp::endpoint& to) -> error_code {
        asked.push_back(to);
        EXPECT_TRUE(::fcntl(fd, F_GETFL) & O_NONBLOCK);
        EXPECT_TRUE(::fcntl(fd, F_GETFD) & FD_CLOEXEC);
        EXPECT_EQ(tcp_state(fd), TCP_CLOSE);
        EXPECT_FALSE(is_connected(fd));
        EXPECT_EQ(option(fd, SOL_SOCKET, SO_DOMAIN), to.protocol().family());
        const int priority = 3;
        EXPECT_EQ(::setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &priority, sizeof priority), 0);
        return {};
    });
    EXPECT_EQ(dial(d, at("db", server.endpoint())), success);
    EXPECT_THAT(asked, ElementsAre(silent.endpoint(), server.endpoint()));
    EXPECT_EQ(option(socket->native_handle(), SOL_SOCKET, SO_PRIORITY), 3) << "the very socket that connects";
}

TEST_F(dialer_options, an_error_of_the_hook_fails_that_attempt_alone_and_costs_no_wait) {
    for (const error_code refusal : {error_code{asio::error::access_denied},
             error_code{asio::error::connection_refused}, error_code{error::timeout}, error_code{asio::error::eof}}) {
        dialer d = dialer_to({"127.0.0.1", "127.0.0.2", "127.0.0.3"}, {.attempt_delay = 1h});
        const tcp_server last{"127.0.0.3", 16, server.endpoint().port()};
        d.before_connect([&](int, const tcp::endpoint& to) {
            return to.address().to_string() == "127.0.0.3" ? error_code{} : refusal;
        });
        EXPECT_EQ(dial(d, at("db", server.endpoint())), success);
        ASSERT_THAT(story.attempts(), SizeIs(3));
        for (const std::size_t i : {0u, 1u}) {
            EXPECT_EQ(story.attempts()[i].how, dial::outcome::failed);
            EXPECT_EQ(story.attempts()[i].error, refusal);
            EXPECT_EQ(story.attempts()[i].note, "before_connect");
            EXPECT_EQ(story.attempts()[i + 1].started, story.attempts()[0].started) << refusal.message();
        }
    }
    EXPECT_EQ(server.accept_all(), 0u);
}

TEST_F(dialer_options, an_error_of_the_hook_is_the_error_of_the_dial_when_there_is_no_other) {
    dialer d{io};
    d.before_connect([](int, const tcp::endpoint&) -> error_code { return asio::error::eof; });
    EXPECT_EQ(dial(d, at("127.0.0.1", server.endpoint())), asio::error::eof);
    EXPECT_THAT(story.to_string(1000), HasSubstr("before_connect"));
}

TEST_F(dialer_options, the_hook_may_cancel_the_dial) {
    const silent_server silent{"::1", server.endpoint().port()};
    const tcp::socket starts_the_reactor{io, tcp::v4()};
    const auto before = open_descriptors();
    for (const bool at_first : {true, false}) {
        asio::cancellation_signal signal;
        dialer d = dialer_to({"::1", "127.0.0.1"}, {.attempt_delay = 1ms});
        d.before_connect([&](int, const tcp::endpoint& to) -> error_code {
            if (to.address().is_v6() == at_first) signal.emit(asio::cancellation_type::terminal);
            return {};
        });
        int calls = 0;
        d.connect(
            at("db", server.endpoint()), asio::bind_cancellation_slot(signal.slot(), [&](error_code ec, tcp::socket s) {
                ++calls;
                EXPECT_EQ(ec, aborted);
                EXPECT_FALSE(s.is_open());
            }));
        run(io);
        EXPECT_EQ(calls, 1);
        EXPECT_EQ(open_descriptors(), before);
    }
}

TEST_F(dialer_options, the_hook_is_called_again_for_the_socket_that_replaces_one_connected_to_itself) {
    if (const auto why = why_no_network_namespace(); !why.empty()) GTEST_SKIP() << why;
    in_network_namespace([](network_namespace& network) {
        network.sysctl("ipv4/ip_local_port_range", "40000 40000");  // the only port: the peer's
        asio::io_context here;
        int sockets = 0;
        report told;
        dialer d{here};
        d.before_connect([&](int, const tcp::endpoint&) -> error_code {
            ++sockets;
            return {};
        });
        error_code result;
        d.connect({"127.0.0.1:40000", &told}, [&](error_code ec, tcp::socket) { result = ec; });
        run(here);
        EXPECT_EQ(result, from_errno(ECONNREFUSED));
        EXPECT_EQ(told.attempts().at(0).note, "connected to itself");
        EXPECT_EQ(sockets, 2);
    });
}

}  // namespace
}  // namespace dial::test
