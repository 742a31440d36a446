// The layers socks5, socks4a and http_tunnel over real sockets: each scenario of test/data/proxy.txt that they can be asked for, and
// what the layers promise beyond the exchange.
#include <dial/http_tunnel.hpp>
#include <dial/proxy_from_url.hpp>
#include <dial/resolved.hpp>
#include <dial/socks4a.hpp>
#include <dial/socks5.hpp>
#include <dial/timeout.hpp>
#include <support/loopback.hpp>
#include <support/resolvers.hpp>
#include <support/scripted_proxy.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;
using testing::HasSubstr;

const std::vector<proxy_case>& all_cases() {
    static const auto all = read_proxy_cases(DIAL_TEST_DATA "/proxy.txt");
    return all;
}

const proxy_case& find_case(const std::string& id) {
    return *std::ranges::find(all_cases(), id, &proxy_case::id);
}

// The same over any stream: the exchange reads byte by byte where it cannot peek.
struct no_peeking {
    explicit no_peeking(const asio::any_io_executor& executor) : socket{executor} {}
    explicit no_peeking(tcp::socket s) : socket{std::move(s)} {}

    using executor_type = asio::any_io_executor;
    executor_type get_executor() { return socket.get_executor(); }
    template <class Buffers, class Handler>
    auto async_read_some(const Buffers& buffers, Handler&& handler) {
        return socket.async_read_some(buffers, std::forward<Handler>(handler));
    }
    template <class Buffers, class Handler>
    auto async_write_some(const Buffers& buffers, Handler&& handler) {
        return socket.async_write_some(buffers, std::forward<Handler>(handler));
    }

    tcp::socket socket;
};

tcp::socket& socket_of(tcp::socket& s) {
    return s;
}
tcp::socket& socket_of(no_peeking& s) {
    return s.socket;
}

template <class Stream>
class proxies : public testing::Test {
protected:
    connector<Stream> direct() {
        if constexpr (std::is_same_v<Stream, tcp::socket>) {
            return dialer{io};
        } else {
            return {io, [d = dialer{io}](request what, auto handler) {
                        auto slot = asio::get_associated_cancellation_slot(handler);
                        d.connect(std::move(what),
                            asio::bind_cancellation_slot(
                                slot, [h = std::move(handler)](error_code ec, tcp::socket s) mutable {
                                    std::move(h)(ec, no_peeking{std::move(s)});
                                }));
                    }};
        }
    }

    connector<Stream> layer(const proxy_case& c, const std::string& proxy) {
        const credentials who = c.has_credentials ? credentials{c.user, c.password} : credentials{};
        if (c.protocol.starts_with("socks5")) return socks5(direct(), proxy, who);
        if (c.protocol.starts_with("socks4")) return socks4a(direct(), proxy, c.user);
        tunnel_options options{who};
        for (const auto& [name, value] : c.headers) options.header(name, value);
        if (c.max_head) options.max_head(*c.max_head);
        return http_tunnel(direct(), proxy, options);
    }

    struct result {
        int calls = 0;
        error_code ec;
        bool open = false;
        std::string leftover;
    };

    result connect(const connector<Stream>& from, const target& to, std::size_t leftover = 0) {
        result r;
        from.connect({to, &story}, [&](error_code ec, Stream stream) {
            ++r.calls;
            r.ec = ec;
            r.open = socket_of(stream).is_open();
            if (ec) return;
            r.leftover.resize(leftover);
            asio::read(socket_of(stream), asio::buffer(r.leftover), ec);
        });
        io.restart();
        io.run();
        return r;
    }

    asio::io_context io;
    report story;
};

using streams = testing::Types<tcp::socket, no_peeking>;
TYPED_TEST_SUITE(proxies, streams);

// In the file are also targets that cannot be parsed, which never get here, and SOCKS4 without names.
std::optional<target> target_of(const proxy_case& c) {
    if (c.host.find('\0') != std::string::npos || c.host.size() > 253) return {};
    try {
        return target{c.host, static_cast<long long>(c.port)};
    } catch (const std::invalid_argument&) {
        return {};
    }
}

TYPED_TEST(proxies, do_as_the_scenarios_say) {
    int run = 0;
    for (const proxy_case& c : all_cases()) {
        const auto to = target_of(c);
        if (!to || c.expected == "needs_local_resolution") continue;
        if (to->address() && to->address()->is_v6() && to->address()->to_v6().is_v4_mapped()) continue;
        for (const auto size : {scripted_proxy::segments::as_given, scripted_proxy::segments::byte_by_byte}) {
            SCOPED_TRACE(c.id + ' ' + c.title);
            scripted_proxy proxy{c, size};
            const auto limit = c.timeout ? duration{*c.timeout / 10} : duration{10s};   // what waits, waits for ever
            if (c.timeout && !c.moves.empty() && c.moves.back().wait != 0ms) continue;  // drips: below
            const auto r = this->connect(timeout(this->layer(c, proxy.target()), limit), *to, c.leftover.size());
            EXPECT_EQ(r.calls, 1);
            EXPECT_EQ(r.open, !r.ec);
            const bool may_differ = !c.also_right.empty();
            if (c.expected == "ok" && !r.ec) {
                EXPECT_EQ(r.leftover, c.leftover);
                EXPECT_EQ(proxy.received(), c.sent);
            } else if (!may_differ) {
                EXPECT_EQ(c.expected == "ok", !r.ec) << r.ec.message();
            }
            EXPECT_EQ(c.expected == "timeout", r.ec == error::timeout) << r.ec.message();
            EXPECT_EQ(c.expected == "proxy_reset", r.ec == asio::error::connection_reset) << r.ec.message();
            EXPECT_EQ(c.expected == "proxy_eof" && !may_differ, r.ec == error::proxy_closed) << r.ec.message();
            const bool has_code = c.code && r.ec && !may_differ && r.ec != error::proxy_authentication_required &&
                r.ec != error::proxy_authentication_failed;
            EXPECT_EQ(r.ec.value(), has_code ? *c.code : r.ec.value());
            if (!c.password.empty()) {
                EXPECT_THAT(this->story.to_json(), testing::Not(HasSubstr("\"" + c.password)));
                EXPECT_THAT(r.ec.message(), testing::Not(HasSubstr(c.password)));
            }
            ++run;
        }
    }
    EXPECT_GT(run, 150);
}

TYPED_TEST(proxies, a_drip_does_not_outlive_the_deadline) {
    for (const std::string id : {"W062", "W143"}) {
        const proxy_case& c = find_case(id);
        scripted_proxy proxy{c, scripted_proxy::segments::as_given};
        const auto r = this->connect(timeout(this->layer(c, proxy.target()), 250ms), target{"host.test:80"});
        EXPECT_EQ(r.ec, error::timeout) << id;
        EXPECT_LT(this->story.total(), 900ms);
        ASSERT_TRUE(this->story.failed_phase());
        EXPECT_EQ(this->story.failed_phase()->name, "proxy");
        EXPECT_EQ(this->story.failed_phase()->target, proxy.target());
    }
}

TYPED_TEST(proxies, can_be_cancelled_while_the_reply_is_out) {
    for (const std::string id : {"W060", "W061", "W142"}) {
        for (const auto kind :
            {asio::cancellation_type::terminal, asio::cancellation_type::partial, asio::cancellation_type::total}) {
            const proxy_case& c = find_case(id);
            scripted_proxy proxy{c, scripted_proxy::segments::as_given};
            asio::cancellation_signal signal;
            asio::steady_timer soon{this->io, 10ms};
            soon.async_wait([&](error_code) { signal.emit(kind); });
            error_code ended;
            this->layer(c, proxy.target())
                .connect({"host.test:80", &this->story},
                    asio::bind_cancellation_slot(signal.slot(), [&](error_code ec, TypeParam stream) {
                        ended = ec;
                        EXPECT_FALSE(socket_of(stream).is_open());
                    }));
            this->io.restart();
            this->io.run();
            EXPECT_EQ(ended, asio::error::operation_aborted) << id;
            EXPECT_LT(this->story.total(), 5s);
        }
    }
}

TYPED_TEST(proxies, the_io_context_may_go_away_during_the_exchange) {
    const proxy_case& c = find_case("W060");
    const auto alive = std::make_shared<int>();
    scripted_proxy proxy{c, scripted_proxy::segments::as_given};
    {
        asio::io_context own;
        const connector<tcp::socket> through = socks5(dialer{own}, proxy.target());
        through.connect("host.test:80", [alive](error_code, const tcp::socket&) { FAIL(); });
        own.run_for(30ms);
    }
    EXPECT_EQ(alive.use_count(), 1);
}

class proxy_layers : public proxies<tcp::socket> {};

TEST_F(proxy_layers, that_cannot_reach_the_proxy_fail_as_the_dial_to_it) {
    const refusing_port nobody;
    const std::string proxy = "127.0.0.1:" + std::to_string(nobody.endpoint().port());
    const auto r = connect(socks5(direct(), proxy), "host.test:80");
    EXPECT_EQ(r.ec, asio::error::connection_refused);
    ASSERT_TRUE(story.failed_phase());
    EXPECT_EQ(story.failed_phase()->name, "race");
    EXPECT_EQ(story.failed_phase()->target, proxy);
    EXPECT_THAT(story.to_string(1000), HasSubstr(proxy + " on the way: connection refused"));
}

TEST_F(proxy_layers, refuse_what_no_proxy_can_be_asked_for_before_any_system_call) {
    tcp_server proxy;
    const std::string at = "127.0.0.1:" + std::to_string(proxy.endpoint().port());
    for (const target& to : {target{}, target{"unix:/x"}, srv("_x._tcp.host.test"), target{"host.test:no-such-service"},
             target{"[fe80::1%1]:80"}})
        for (const auto& layer : {socks5(direct(), at), socks4a(direct(), at), http_tunnel(direct(), at)})
            EXPECT_EQ(connect(layer, to).ec, error::invalid_target) << to.to_string();
    EXPECT_EQ(connect(socks4a(direct(), at), "[::1]:80").ec, error::invalid_target);
    EXPECT_EQ(connect(socks5(direct(), at, {std::string(256, 'u'), "p"}), "host.test:80").ec, error::invalid_option);
    EXPECT_EQ(
        connect(http_tunnel(direct(), at, tunnel_options{{"us:er", "p"}}), "host.test:80").ec, error::invalid_option);
    EXPECT_EQ(
        connect(proxy_from_url(direct(), "nonsense://user:secret@" + at), "host.test:80").ec, error::invalid_option);
    EXPECT_THAT(story.to_json(), testing::Not(HasSubstr("secret")));
    EXPECT_EQ(proxy.accept_all(), 0u);
}

TEST_F(proxy_layers, resolve_the_port_of_a_service_here) {
    proxy_case c = find_case("W150");
    c.moves.clear();
    c.moves.push_back({proxy_case::move::kind::bytes, "HTTP/1.1 200 OK\r\n\r\n", 20, 0ms});
    scripted_proxy proxy{c, scripted_proxy::segments::as_given};
    EXPECT_EQ(connect(http_tunnel(direct(), proxy.target()), "host.test:http").ec, error_code{});
    EXPECT_THAT(proxy.received(), testing::StartsWith("CONNECT host.test:80 HTTP/1.1\r\n"));
}

TEST_F(proxy_layers, limits_of_the_exchange_do_not_outlive_it) {
    proxy_case c = find_case("W150");
    c.moves.assign(1, {proxy_case::move::kind::bytes, "HTTP/1.1 200 OK\r\n\r\n", 20, 0ms});
    c.moves.push_back({proxy_case::move::kind::bytes, "late", 20, 60ms});
    scripted_proxy proxy{c, scripted_proxy::segments::as_given};
    const auto r = connect(timeout(http_tunnel(direct(), proxy.target()), 50ms), "host.test:80", 4);
    EXPECT_EQ(r.ec, error_code{});
    EXPECT_EQ(r.leftover, "late");
}

// --- resolved ---

TEST_F(proxy_layers, resolved_asks_the_proxy_for_addresses_one_after_the_other) {
    std::vector<std::string> asked;
    const connector<tcp::socket> proxy{
        io, [&](const request& what, auto handler) {
            asked.push_back(what.to().to_string());
            const bool last = asked.size() == 3;
            std::move(handler)(last ? error_code{} : error_code{4, socks5_category()}, tcp::socket{io});
        }};
    const resolver names = static_resolver{{{"host.test",
        {asio::ip::make_address("192.0.2.1"), asio::ip::make_address("2001:db8::1"),
            asio::ip::make_address("192.0.2.2")}}}};
    EXPECT_EQ(connect(resolved(proxy, names), "host.test:80").ec, error_code{});
    EXPECT_THAT(asked, testing::ElementsAre("192.0.2.1:80", "192.0.2.2:80", "[2001:db8::1]:80"));
    ASSERT_EQ(story.lookups().size(), 2u);
    EXPECT_EQ(story.phases().front().name, "resolve");
}

TEST_F(proxy_layers, resolved_stops_at_what_is_not_about_the_address) {
    int asked = 0;
    const connector<tcp::socket> proxy{io, [&](const request&, auto handler) {
                                           ++asked;
                                           std::move(handler)(error::proxy_authentication_failed, tcp::socket{io});
                                       }};
    const resolver names =
        static_resolver{{{"host.test", {asio::ip::make_address("192.0.2.1"), asio::ip::make_address("192.0.2.2")}}}};
    EXPECT_EQ(connect(resolved(proxy, names), "host.test:80").ec, error::proxy_authentication_failed);
    EXPECT_EQ(asked, 1);
    EXPECT_EQ(connect(resolved(proxy, names), "nobody.test:80").ec, asio::error::host_not_found);
}

TEST_F(proxy_layers, resolved_lets_what_is_no_name_through_and_localhost_is_loopback) {
    std::vector<std::string> asked;
    const connector<tcp::socket> proxy{io, [&](const request& what, auto handler) {
                                           asked.push_back(what.to().to_string());
                                           std::move(handler)(error_code{}, tcp::socket{io});
                                       }};
    manual_resolver none;
    for (const char* const to : {"192.0.2.1:80", "[2001:db8::1]:80", "localhost:80", "unix:/x"})
        EXPECT_EQ(connect(resolved(proxy, none), to).ec, error_code{});
    EXPECT_THAT(asked, testing::ElementsAre("192.0.2.1:80", "[2001:db8::1]:80", "127.0.0.1:80", "unix:/x"));
}

TEST_F(proxy_layers, resolved_can_be_cancelled_and_keeps_the_deadline) {
    const connector<tcp::socket> proxy{io, [](const request&, const auto&) { FAIL(); }};
    manual_resolver silent;
    EXPECT_EQ(connect(timeout(resolved(proxy, silent), 20ms), "host.test:80").ec, error::timeout);
    asio::cancellation_signal signal;
    asio::steady_timer soon{io, 10ms};
    soon.async_wait([&](error_code) { signal.emit(asio::cancellation_type::total); });
    error_code ended;
    resolved(proxy, silent)
        .connect("host.test:80",
            asio::bind_cancellation_slot(signal.slot(), [&](error_code ec, const tcp::socket&) { ended = ec; }));
    io.restart();
    io.run();
    EXPECT_EQ(ended, asio::error::operation_aborted);
}

}  // namespace
}  // namespace dial::test
