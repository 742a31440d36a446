// Where attempts start from: source addresses in turn, the ports that they share, and what is said when ports run out.
#include <dial/dialer.hpp>

#include <support/loopback.hpp>
#include <support/network.hpp>
#include <support/resolvers.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cerrno>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

error_code from_errno(int error) {
    return {error, boost::system::system_category()};
}

std::string at(const std::string& host, const tcp::endpoint& server) {
    return host + ":" + std::to_string(server.port());
}

socket_options from(const char* v4) {
    return {.local_v4 = asio::ip::make_address_v4(v4)};
}

// Dials, one after the other, and keeps what it gets.
class dials {
public:
    error_code operator()(const dialer& d, const std::string& to) {
        error_code result;
        int calls = 0;
        d.connect({to, &story}, [&](error_code ec, tcp::socket s) {
            ++calls;
            result = ec;
            if (!ec) sockets.push_back(std::move(s));
        });
        run(io);
        EXPECT_EQ(calls, 1);
        return result;
    }
    dialer dialer_to(std::initializer_list<const char*> all, const options& with = {}) {
        return dialer{io, with, static_resolver({{"db", addresses(all)}})};
    }
    // The source of the newest connection.
    std::string source() const { return sockets.back().local_endpoint().address().to_string(); }
    std::string first_line() const {
        const std::string text = story.to_string(1000);
        return text.substr(0, text.find('\n'));
    }

    asio::io_context io;
    report story;
    std::vector<tcp::socket> sockets;
};

class dialer_sources : public testing::Test {
protected:
    tcp_server server;
    tcp_server server_v6{"::1"};
    dials dial;
};

// --- In turn ---

TEST_F(dialer_sources, are_used_in_turn_by_one_dial_after_the_other) {
    dialer d{dial.io};
    d.sources(addresses({"127.0.0.2", "127.0.0.3", "127.0.0.4"}));
    const dialer copy = d;  // shares the turn
    std::vector<std::string> used;
    for (int i = 0; i != 7; ++i) {
        EXPECT_EQ(dial(i % 2 ? copy : d, at("127.0.0.1", server.endpoint())), success);
        used.push_back(dial.source());
        EXPECT_EQ(dial.story.winner()->local.address().to_string(), used.back());
    }
    EXPECT_THAT(
        used, ElementsAre("127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.2"));
}

TEST_F(dialer_sources, are_used_in_turn_by_the_attempts_of_a_race_each_for_its_family) {
    const silent_server one{"127.0.0.9", server.endpoint().port()}, two{"127.0.0.8", server.endpoint().port()},
        v6{"::1", server.endpoint().port()};
    dialer d = dial.dialer_to({"127.0.0.9", "::1", "127.0.0.8", "127.0.0.1"}, {.attempt_delay = 1ms});
    d.sources(addresses({"127.0.0.2", "::1", "127.0.0.3"}));
    std::vector<std::pair<std::string, std::string>> used;
    d.before_connect([&](int fd, const tcp::endpoint& to) -> error_code {
        used.emplace_back(to.address().to_string(), local_endpoint(fd).address().to_string());
        EXPECT_EQ(local_endpoint(fd).port(), 0) << "taken before connect";
        return {};
    });
    EXPECT_EQ(dial(d, at("db", server.endpoint())), success);
    ASSERT_THAT(used, SizeIs(4));
    std::vector<std::string> v4_sources;
    for (const auto& [peer, source] : used) {
        if (peer == "::1")
            EXPECT_EQ(source, "::1");
        else
            v4_sources.push_back(source);
    }
    EXPECT_THAT(v4_sources, ElementsAre("127.0.0.2", "127.0.0.3", "127.0.0.2"));
}

TEST_F(dialer_sources, of_one_family_leave_the_other_alone) {
    dialer d{dial.io, {.socket = from("127.0.0.5")}};
    d.sources(addresses({"::1"}));
    EXPECT_EQ(dial(d, at("127.0.0.1", server.endpoint())), success);
    EXPECT_EQ(dial.source(), "127.0.0.5") << "as socket_options say";
    EXPECT_EQ(dial(d, at("[::1]", server_v6.endpoint())), success);
    EXPECT_EQ(dial.source(), "::1");
}

TEST_F(dialer_sources, go_before_those_of_socket_options) {
    dialer d{dial.io, {.socket = from("127.0.0.5")}};
    d.sources(addresses({"127.0.0.2"}));
    EXPECT_EQ(dial(d, at("127.0.0.1", server.endpoint())), success);
    EXPECT_EQ(dial.source(), "127.0.0.2");
    d.sources({});
    EXPECT_EQ(dial(d, at("127.0.0.1", server.endpoint())), success);
    EXPECT_EQ(dial.source(), "127.0.0.5");
}

TEST_F(dialer_sources, that_are_not_ours_fail_by_bind_and_not_in_the_words_for_ports) {
    for (const bool as_option : {true, false}) {
        dialer d{dial.io, {.socket = as_option ? from("192.0.2.1") : socket_options{}}};  // bound, never connected to
        if (!as_option) d.sources(addresses({"192.0.2.1", "127.0.0.2"}));
        EXPECT_EQ(dial(d, at("127.0.0.1", server.endpoint())), from_errno(EADDRNOTAVAIL));
        ASSERT_THAT(dial.story.attempts(), SizeIs(1));
        EXPECT_EQ(dial.story.attempts()[0].note, "bind");
        EXPECT_THAT(dial.first_line(), AllOf(HasSubstr("bind"), Not(HasSubstr("no local port"))));
    }
    EXPECT_EQ(server.accept_all(), 0u);
}

TEST_F(dialer_sources, that_are_not_ours_fail_only_the_attempts_of_their_family) {
    const silent_server silent{"127.0.0.9", server.endpoint().port()};  // the last of three wins, in either order
    dialer d = dial.dialer_to({"127.0.0.9", "::1", "127.0.0.1"}, {.attempt_delay = 1ms});
    d.sources(addresses({"2001:db8::1", "127.0.0.2"}));
    EXPECT_EQ(dial(d, at("db", server.endpoint())), success);
    EXPECT_EQ(dial.source(), "127.0.0.2");
    ASSERT_THAT(dial.story.attempts(), SizeIs(3));
    for (const report::attempt& a : dial.story.attempts()) {
        const bool v6 = a.peer.address().is_v6();
        EXPECT_EQ(a.how == dial::outcome::failed, v6);
        EXPECT_EQ(a.error, v6 ? from_errno(EADDRNOTAVAIL) : error_code{});
        EXPECT_EQ(a.note, v6 ? "bind" : "");
    }
}

// --- Ports. The namespace has a few, so that they are soon out ---

class dialer_ports : public testing::Test {
protected:
    void SetUp() override {
        if (const auto why = why_no_network_namespace(); !why.empty()) GTEST_SKIP() << why;
    }
};

TEST_F(dialer_ports, of_one_source_serve_each_destination_anew) {
    in_network_namespace([](network_namespace& network) {
        network.sysctl("ipv4/ip_local_port_range", "30000 30999");  // of the servers
        const tcp_server one, two;
        const tcp_server one_v6{"::1"}, two_v6{"::1"};
        network.sysctl("ipv4/ip_local_port_range", "40000 40199");
        dials dial;
        dialer d{dial.io, {.socket = from("127.0.0.2")}};
        d.sources(addresses({"::1"}));
        for (const auto& [first, second] : {std::pair{at("127.0.0.1", one.endpoint()), at("127.0.0.1", two.endpoint())},
                 std::pair{at("[::1]", one_v6.endpoint()), at("[::1]", two_v6.endpoint())}}) {
            std::multiset<unsigned short> used;
            for (int i = 0; i != 200; ++i) {
                for (const auto& to : {first, second}) {
                    ASSERT_EQ(dial(d, to), success) << i;
                    used.insert(dial.sockets.back().local_endpoint().port());
                }
            }
            for (unsigned short port = 40'000; port != 40'200; ++port) EXPECT_EQ(used.count(port), 2u) << port;
            for (const auto& to : {first, second}) EXPECT_EQ(dial(d, to), from_errno(EADDRNOTAVAIL));
            dial.sockets.clear();
        }
    });
}

TEST_F(dialer_ports, that_a_source_has_not_are_those_of_the_next) {
    in_network_namespace([](network_namespace& network) {
        const tcp_server server;
        const std::string to = at("127.0.0.1", server.endpoint());
        network.sysctl("ipv4/ip_local_port_range", "40000 40000");
        dials dial;
        for (const char* taken : {"127.0.0.2", "127.0.0.4"})
            ASSERT_EQ(dial(dialer{dial.io, {.socket = from(taken)}}, to), success);
        dialer d{dial.io};
        d.sources(addresses({"127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"}));
        int sockets = 0;
        d.before_connect([&](int, const tcp::endpoint&) -> error_code {
            ++sockets;
            return {};
        });
        const auto before = open_descriptors();
        EXPECT_EQ(dial(d, to), success);
        EXPECT_EQ(dial.source(), "127.0.0.3");
        EXPECT_EQ(sockets, 2) << "each socket is shown to the hook";
        EXPECT_EQ(open_descriptors(), before + 1);
        ASSERT_THAT(dial.story.attempts(), SizeIs(1)) << "one address, one attempt";
        EXPECT_EQ(dial.story.attempts()[0].note, "");
        EXPECT_EQ(dial(d, to), success);
        EXPECT_EQ(dial.source(), "127.0.0.5") << "round the end of the list";
        EXPECT_EQ(dial(d, to), from_errno(EADDRNOTAVAIL));
        EXPECT_EQ(open_descriptors(), before + 2);
    });
}

TEST_F(dialer_ports, that_run_out_everywhere_fail_the_attempt_in_words_and_the_race_goes_on) {
    in_network_namespace([](network_namespace& network) {
        const tcp_server server;
        const tcp_server elsewhere{"127.0.0.9", 16, server.endpoint().port()};
        network.sysctl("ipv4/ip_local_port_range", "40000 40000");
        dials dial;
        dialer d = dial.dialer_to({"127.0.0.1", "127.0.0.9"}, {.attempt_delay = 1h});
        d.sources(addresses({"127.0.0.2", "127.0.0.3"}));
        for (int i = 0; i != 2; ++i) ASSERT_EQ(dial(d, at("127.0.0.1", server.endpoint())), success);

        EXPECT_EQ(dial(d, at("db", server.endpoint())), success);
        EXPECT_EQ(dial.sockets.back().remote_endpoint(), elsewhere.endpoint());
        ASSERT_THAT(dial.story.attempts(), SizeIs(2));
        EXPECT_EQ(dial.story.attempts()[0].error, from_errno(EADDRNOTAVAIL));
        EXPECT_EQ(dial.story.attempts()[0].note,
            "no local port is free from 127.0.0.2, 127.0.0.3 to " + at("127.0.0.1", server.endpoint()) +
                " in 40000-40000 (net.ipv4.ip_local_port_range): add source addresses, widen the range, or reuse "
                "connections");
        EXPECT_EQ(dial.story.attempts()[1].started, dial.story.attempts()[0].started) << "nothing was sent: no wait";

        EXPECT_EQ(dial(d, at("127.0.0.1", server.endpoint())), from_errno(EADDRNOTAVAIL));
        EXPECT_THAT(dial.first_line(), HasSubstr(dial.story.attempts()[0].note));
    });
}

TEST_F(dialer_ports, that_run_out_name_the_source_there_is) {
    in_network_namespace([](network_namespace& network) {
        const tcp_server server;
        const tcp_server server_v6{"::1"};
        network.sysctl("ipv4/ip_local_port_range", "40000 40000");
        dials dial;
        const auto note_of = [&](const socket_options& options, const std::string& to) {
            const dialer d{dial.io, {.socket = options}};
            EXPECT_EQ(dial(d, to), success);
            EXPECT_EQ(dial(d, to), from_errno(EADDRNOTAVAIL));
            EXPECT_THAT(dial.first_line(), HasSubstr(dial.story.attempts().at(0).note));
            return dial.story.attempts().at(0).note;
        };
        const std::string v4 = at("127.0.0.1", server.endpoint()), v6 = at("[::1]", server_v6.endpoint());
        EXPECT_THAT(note_of({}, v4), HasSubstr("from this host to " + v4 + " in 40000-40000"));
        EXPECT_THAT(note_of(from("127.0.0.2"), v4), HasSubstr("from 127.0.0.2 to " + v4));
        EXPECT_THAT(note_of({.local_v6 = asio::ip::address_v6::loopback()}, v6), HasSubstr("from ::1 to " + v6));
        EXPECT_THAT(
            note_of(
                {.local_v4 = asio::ip::make_address_v4("127.0.0.3"), .local_v6 = asio::ip::make_address_v6("::1")}, v4),
            HasSubstr("from 127.0.0.3 to " + v4));
    });
}

// --- local_ports ---

class dialer_local_ports : public dialer_ports {
protected:
    void SetUp() override {
        const descriptor probe{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        constexpr int ip_local_port_range = 51;  // which glibc may lack
        if (option(probe.get(), IPPROTO_IP, ip_local_port_range) == -1)
            GTEST_SKIP() << "IP_LOCAL_PORT_RANGE needs Linux 6.3";
        dialer_ports::SetUp();
    }

    // Connects until the ports are out; how often, and what the note says then.
    static std::pair<int, std::string> exhaust(const port_range& range, const std::string& to) {
        dials dial;
        const dialer d{dial.io, {.socket = {.local_ports = range}}};
        int connected = 0;
        while (connected != 100 && !dial(d, to)) ++connected;
        EXPECT_EQ(dial.story.error(), from_errno(EADDRNOTAVAIL));
        EXPECT_THAT(dial.first_line(), HasSubstr(dial.story.attempts().at(0).note));
        for (auto& s : dial.sockets) close_by_reset(s.native_handle());
        return {connected, dial.story.attempts().at(0).note};
    }
};

TEST_F(dialer_local_ports, that_run_out_are_told_as_such) {
    in_network_namespace([](network_namespace&) {
        const tcp_server server;
        const auto [connected, note] = exhaust({40'000, 40'003}, at("127.0.0.1", server.endpoint()));
        EXPECT_EQ(connected, 4);
        EXPECT_THAT(note, HasSubstr("in 40000-40003 (local_ports): add source addresses, widen the range"));
    });
}

TEST_F(dialer_local_ports, only_narrow_the_range_of_the_system_and_the_words_say_what_counted) {
    in_network_namespace([](network_namespace& network) {
        const tcp_server server;
        const std::string to = at("127.0.0.1", server.endpoint());
        network.sysctl("ipv4/ip_local_port_range", "40000 40007");
        const auto half = exhaust({40'004, 50'000}, to);
        EXPECT_EQ(half.first, 4);
        EXPECT_THAT(half.second,
            HasSubstr("in 40004-40007 (local_ports 40004-50000 within net.ipv4.ip_local_port_range 40000-40007)"));
        const auto outside = exhaust({50'000, 50'001}, to);
        EXPECT_EQ(outside.first, 8) << "the kernel leaves out what is outside";
        EXPECT_THAT(outside.second,
            HasSubstr("in 40000-40007 (local_ports 50000-50001 within net.ipv4.ip_local_port_range 40000-40007)"));
        const auto open = exhaust({0, 40'001}, to);
        EXPECT_EQ(open.first, 2) << "0 is no limit";
        EXPECT_THAT(open.second, HasSubstr("in 40000-40001 (local_ports"));
    });
}

// --- EADDRNOTAVAIL for another reason ---

TEST_F(dialer_ports, are_not_blamed_where_the_host_has_no_address_of_the_family) {
    in_network_namespace([](network_namespace& network) {
        network.sysctl("ipv6/conf/lo/disable_ipv6", "1");
        dials dial;
        EXPECT_EQ(dial(dialer{dial.io}, "[::1]:9"), from_errno(EADDRNOTAVAIL));
        ASSERT_THAT(dial.story.attempts(), SizeIs(1));
        EXPECT_EQ(dial.story.attempts()[0].note,
            "no address of this host can be the source for [::1]:9: add one, or is IPv6 switched off "
            "(net.ipv6.conf.*.disable_ipv6)?");
        EXPECT_EQ(dial(dialer{dial.io}, "localhost:9"), asio::error::connection_refused) << "says 127.0.0.1";
    });
}

TEST_F(dialer_sources, are_not_blamed_for_a_port_that_the_hook_has_bound_and_that_is_taken) {
    dialer d{dial.io};
    tcp::endpoint own{asio::ip::make_address("127.0.0.2"), 0};
    d.before_connect([&](int fd, const tcp::endpoint&) -> error_code {
        const int on = 1;
        EXPECT_EQ(::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
        EXPECT_EQ(::bind(fd, own.data(), static_cast<socklen_t>(own.size())), 0);
        return {};
    });
    ASSERT_EQ(dial(d, at("127.0.0.1", server.endpoint())), success);
    own = dial.sockets.back().local_endpoint();
    EXPECT_EQ(dial(d, at("127.0.0.1", server.endpoint())), from_errno(EADDRNOTAVAIL));
    EXPECT_EQ(dial.story.attempts().at(0).note, "");
}

TEST_F(dialer_ports, are_blamed_also_where_the_source_is_an_ipv6_address_of_the_host) {
    in_network_namespace([](network_namespace& network) {
        network.ip("-6 address add fd00:7::1/128 dev lo nodad");
        const tcp_server server{"::1"};
        network.sysctl("ipv4/ip_local_port_range", "40000 40000");
        dials dial;
        dialer d{dial.io};
        d.sources(addresses({"fd00:7::1", "::1"}));
        const std::string to = at("[::1]", server.endpoint());
        for (int i = 0; i != 2; ++i) EXPECT_EQ(dial(d, to), success);
        EXPECT_EQ(dial(d, to), from_errno(EADDRNOTAVAIL));
        EXPECT_THAT(dial.first_line(), HasSubstr("no local port is free from fd00:7::1, ::1 to " + to));
    });
}

}  // namespace
}  // namespace dial::test
