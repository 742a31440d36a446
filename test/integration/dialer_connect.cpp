// What dialing comes to: which address, which error, which report.
#include <dial/dialer.hpp>
#include <support/loopback.hpp>
#include <support/resolvers.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_future.hpp>

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;

std::string at(const std::string& host, const tcp::endpoint& server) {
    return host + ":" + std::to_string(server.port());
}

struct result {
    int calls = 0;
    error_code ec;
    std::optional<tcp::socket> socket;

    auto handler() {
        return [this](error_code e, tcp::socket s) {
            ++calls;
            ec = e;
            socket.emplace(std::move(s));
        };
    }
};

class dialer_connect : public testing::Test {
protected:
    // Dials, runs the io_context until it is out of work, and expects one call.
    error_code dial_and_run(const dialer& d, request what) {
        outcome = {};
        io.restart();
        d.connect(std::move(what), outcome.handler());
        EXPECT_EQ(outcome.calls, 0) << "called inside the initiating call";
        run(io);
        EXPECT_EQ(outcome.calls, 1);
        EXPECT_EQ(outcome.socket && outcome.socket->is_open(), !outcome.ec) << "the socket is open only on success";
        return outcome.ec;
    }
    error_code dial_and_run(request what, options with = {}) { return dial_and_run(dialer{io, with}, std::move(what)); }
    asio::ip::address peer() const { return outcome.socket->remote_endpoint().address(); }

    dialer with_names(std::initializer_list<static_resolver::entry> entries, options with = {}) {
        return dialer{io, with, static_resolver(entries)};
    }

    asio::io_context io;
    result outcome;
    report story;
    tcp_server server;
    refusing_port refusing;
};

// --- Targets ---

TEST_F(dialer_connect, connects_to_an_address_literal) {
    EXPECT_EQ(dial_and_run(at("127.0.0.1", server.endpoint())), success);
    EXPECT_EQ(outcome.socket->remote_endpoint(), server.endpoint());
    EXPECT_TRUE(is_connected(outcome.socket->native_handle()));
}

TEST_F(dialer_connect, connects_to_an_ipv6_literal) {
    const tcp_server v6{"::1"};
    EXPECT_EQ(dial_and_run(at("[::1]", v6.endpoint())), success);
    EXPECT_EQ(outcome.socket->remote_endpoint(), v6.endpoint());
}

TEST_F(dialer_connect, connects_to_localhost_over_either_family) {
    EXPECT_EQ(dial_and_run(at("localhost", server.endpoint())), success);  // ::1 refuses
    EXPECT_EQ(outcome.socket->remote_endpoint(), server.endpoint());
    const tcp_server v6{"::1"};
    EXPECT_EQ(dial_and_run(at("db.localhost.", v6.endpoint())), success);
    EXPECT_EQ(outcome.socket->remote_endpoint(), v6.endpoint());
}

TEST_F(dialer_connect, connects_to_a_name) {
    const dialer d = with_names({{"db.example", addresses({"127.0.0.1"})}});
    EXPECT_EQ(dial_and_run(d, at("DB.example.", server.endpoint())), success);
    EXPECT_EQ(outcome.socket->remote_endpoint(), server.endpoint());
}

TEST_F(dialer_connect, a_unix_target_is_an_invalid_target) {
    EXPECT_EQ(dial_and_run("unix:/run/x"), error::invalid_target);
    EXPECT_EQ(dial_and_run(target{}), error::invalid_target);
}

TEST_F(dialer_connect, a_zone_that_is_no_interface_is_the_errno_of_the_lookup) {
    EXPECT_EQ(dial_and_run("[fe80::1%nosuch0]:80"), (error_code{ENODEV, boost::system::system_category()}));
}

TEST_F(dialer_connect, a_zone_that_is_no_interface_fails_at_once_also_behind_a_service) {
    EXPECT_EQ(dial_and_run({"[fe80::1%nosuch0]:http", &story}, {.timeout = 1h}),
        (error_code{ENODEV, boost::system::system_category()}));
    EXPECT_LT(story.total(), 10s);
}

TEST_F(dialer_connect, a_socket_that_has_connected_to_itself_is_replaced_once) {
    const auto own_port = tcp_server{}.endpoint().port();  // closed again
    for (const char* host : {"127.0.0.1", "0.0.0.0"}) {    // known at once; known to the reactor only
        int sockets = 0;
        dialer d{io, {.socket = {.local_ports = port_range{own_port, own_port}}}};
        d.before_connect([&](int, const tcp::endpoint&) -> error_code {
            ++sockets;
            return {};
        });
        EXPECT_EQ(dial_and_run(d, {target{host, own_port}, &story}), asio::error::connection_refused);
        EXPECT_EQ(sockets, 2) << host;
    }
}

TEST_F(dialer_connect, a_zone_by_name_and_by_number_is_the_scope_of_the_address) {
    for (const char* zone : {"lo", "1"}) {
        dialer d{io};
        std::optional<tcp::endpoint> tried;
        d.before_connect([&](int, const tcp::endpoint& peer) -> error_code {
            tried = peer;
            return asio::error::access_denied;  // nothing is to leave
        });
        dial_and_run(d, std::string{"[fe80::1%"} + zone + "]:80");
        ASSERT_TRUE(tried);
        EXPECT_EQ(tried->address().to_v6().scope_id(), 1u) << "lo is interface 1";
    }
}

TEST_F(dialer_connect, only_addresses_of_the_wanted_family_are_tried) {
    const tcp_server v6{"::1"};
    const dialer any = with_names({{"both", addresses({"::1", "127.0.0.1"})}}, {.family = address_family::v4});
    EXPECT_EQ(dial_and_run(any, {at("both", server.endpoint()), &story}), success);
    EXPECT_EQ(story.attempts().size(), 1u);
    EXPECT_TRUE(peer().is_v4());
    EXPECT_EQ(dial_and_run(at("[::1]", v6.endpoint()), {.family = address_family::v4}), error::no_addresses);
    EXPECT_EQ(dial_and_run(at("localhost", v6.endpoint()), {.family = address_family::v6}), success);
    EXPECT_TRUE(peer().is_v6());
}

TEST_F(dialer_connect, a_resolver_is_asked_only_for_the_wanted_family) {
    manual_resolver names;
    dialer{io, {.family = address_family::v6}, names}.connect("x:1", outcome.handler());
    EXPECT_EQ(names.asked(), 1u);
    EXPECT_TRUE(names.answer_next(address_family::v6, answer{addresses({})}));
    run(io);
    EXPECT_EQ(outcome.ec, error::no_addresses);
}

// --- Errors ---

TEST_F(dialer_connect, the_errno_of_the_only_address_is_the_error) {
    EXPECT_EQ(dial_and_run(at("127.0.0.1", refusing.endpoint())), asio::error::connection_refused);
}

TEST_F(dialer_connect, what_the_resolver_said_is_the_error) {
    const dialer d = with_names({});
    EXPECT_EQ(dial_and_run(d, "nobody.example:1"), asio::error::host_not_found);
}

TEST_F(dialer_connect, a_name_without_addresses_is_no_addresses) {
    const dialer d = with_names({{"empty", {}}});
    EXPECT_EQ(dial_and_run(d, "empty:1"), error::no_addresses);
}

TEST_F(dialer_connect, the_most_telling_error_is_reported_when_all_fail) {
    // One is refused by the peer, one is silent until the attempt's limit, one fails on this machine.
    const silent_server silent{"127.0.0.1"};
    dialer d{io, {.attempt_timeout = 20ms, .attempt_delay = 1ms},
        static_resolver({{"many", addresses({"127.0.0.2", "127.0.0.1", "127.0.0.3"})}})};
    d.before_connect([](int, const tcp::endpoint& to) {
        return to.address().to_string() == "127.0.0.3" ? error_code{asio::error::access_denied} : error_code{};
    });
    EXPECT_EQ(dial_and_run(d, {at("many", silent.endpoint()), &story}), asio::error::connection_refused);
    ASSERT_EQ(story.attempts().size(), 3u);
    EXPECT_EQ(story.attempts()[0].error, asio::error::connection_refused);
    EXPECT_EQ(story.attempts()[1].error, error::timeout);
    EXPECT_EQ(story.attempts()[2].error, asio::error::access_denied);
}

// --- Limits ---

TEST_F(dialer_connect, a_limit_that_has_passed_is_a_timeout_at_once_without_an_attempt) {
    for (const duration limit : {duration{0}, duration{-1s}, duration::min()}) {
        EXPECT_EQ(dial_and_run({at("127.0.0.1", server.endpoint()), &story}, {.timeout = limit}), error::timeout);
        EXPECT_TRUE(story.attempts().empty());
        EXPECT_EQ(dial_and_run(at("127.0.0.1", server.endpoint()), {.attempt_timeout = limit}), error::timeout);
    }
    const request late{at("127.0.0.1", server.endpoint()), nullptr, time_point::min()};
    EXPECT_EQ(dial_and_run(late), error::timeout);
    EXPECT_EQ(server.accept_all(), 0u);
    manual_resolver names;
    EXPECT_EQ(dial_and_run(dialer{io, {.timeout = 0s}, names}, "name:1"), error::timeout);
    EXPECT_EQ(names.asked(), 0u);
}

TEST_F(dialer_connect, the_timeout_ends_a_silent_attempt_and_a_lookup_that_hangs) {
    const silent_server silent;
    EXPECT_EQ(dial_and_run({at("127.0.0.1", silent.endpoint()), &story}, {.timeout = 20ms}), error::timeout);
    ASSERT_EQ(story.attempts().size(), 1u);
    EXPECT_EQ(story.attempts()[0].how, dial::outcome::timed_out);
    EXPECT_EQ(story.phases()[0].how, dial::outcome::timed_out);
    manual_resolver names;
    EXPECT_EQ(dial_and_run(dialer{io, {.timeout = 20ms}, names}, {"name:1", &story}), error::timeout);
    ASSERT_EQ(story.lookups().size(), 2u);
    EXPECT_EQ(story.lookups()[0].how, dial::outcome::timed_out);
}

TEST_F(dialer_connect, the_earlier_of_deadline_and_timeout_counts) {
    const silent_server silent;
    const auto dial_with = [&](duration timeout, duration deadline) {
        const auto begun = std::chrono::steady_clock::now();
        const request what{at("127.0.0.1", silent.endpoint()), nullptr, begun + deadline};
        EXPECT_EQ(dial_and_run(what, {.timeout = timeout}), error::timeout);
        return std::chrono::steady_clock::now() - begun;
    };
    EXPECT_LT(dial_with(30s, 20ms), 15s);
    EXPECT_LT(dial_with(20ms, 30s), 15s);
}

TEST_F(dialer_connect, every_limit_may_be_never) {
    const options unlimited{
        .timeout = never, .attempt_timeout = never, .attempt_delay = never, .resolution_delay = never};
    EXPECT_EQ(dial_and_run(at("localhost", server.endpoint()), unlimited), success);
}

// --- The report ---

TEST_F(dialer_connect, the_report_tells_lookups_attempts_and_phases_of_a_success) {
    const dialer d = with_names({{"db", addresses({"127.0.0.2", "127.0.0.1", "::1"})}});
    EXPECT_EQ(dial_and_run(d, {at("db", server.endpoint()), &story}), success);
    EXPECT_TRUE(story.ok());
    EXPECT_EQ(story.target(), at("db", server.endpoint()));
    ASSERT_EQ(story.lookups().size(), 2u);
    EXPECT_EQ(story.lookups()[0].family, address_family::v6);
    EXPECT_EQ(story.lookups()[1].addresses, addresses({"127.0.0.2", "127.0.0.1"}));
    ASSERT_EQ(story.attempts().size(), 3u);  // ::1, 127.0.0.2 refuse
    EXPECT_EQ(story.attempts()[0].how, dial::outcome::failed);
    EXPECT_EQ(story.attempts()[1].how, dial::outcome::failed);
    EXPECT_EQ(story.attempts()[2].how, dial::outcome::done);
    EXPECT_EQ(story.attempts()[2].local, outcome.socket->local_endpoint());
    EXPECT_EQ(story.winner(), &story.attempts()[2]);
    ASSERT_EQ(story.phases().size(), 2u);
    EXPECT_EQ(story.phases()[0].name, "resolve");
    EXPECT_EQ(story.phases()[0].how, dial::outcome::done);
    EXPECT_EQ(story.phases()[1].name, "race");
    EXPECT_EQ(story.phases()[1].how, dial::outcome::done);
    EXPECT_GE(story.total(), story.attempts()[2].ended);
}

TEST_F(dialer_connect, the_report_names_addresses_that_were_not_tried) {
    const dialer d = with_names({{"db", addresses({"127.0.0.1", "127.0.0.2"})}});
    EXPECT_EQ(dial_and_run(d, {at("db", server.endpoint()), &story}), success);
    ASSERT_EQ(story.attempts().size(), 2u);
    EXPECT_EQ(story.attempts()[1].how, dial::outcome::not_started);
    EXPECT_EQ(story.attempts()[1].peer.address().to_string(), "127.0.0.2");
}

TEST_F(dialer_connect, the_report_of_a_failure_is_kept) {
    EXPECT_EQ(dial_and_run({at("127.0.0.1", refusing.endpoint()), &story}), asio::error::connection_refused);
    EXPECT_TRUE(story.over());
    EXPECT_FALSE(story.ok());
    EXPECT_EQ(story.error(), asio::error::connection_refused);
    ASSERT_EQ(story.attempts().size(), 1u);
    EXPECT_EQ(story.attempts()[0].error, asio::error::connection_refused);
    EXPECT_EQ(dial_and_run({"unix:/x", &story}), error::invalid_target);
    EXPECT_EQ(story.error(), error::invalid_target);
    EXPECT_TRUE(story.attempts().empty());
}

TEST_F(dialer_connect, the_report_is_written_right_before_the_handler_is_called_and_never_on_destruction) {
    story.begin("as it was", {});
    {
        asio::io_context never_run;
        dial::connect(never_run, {at("127.0.0.1", server.endpoint()), &story}, outcome.handler());
    }
    EXPECT_EQ(story.target(), "as it was");
    bool written = false;
    dial::connect(
        io, {at("127.0.0.1", server.endpoint()), &story}, [&](error_code, tcp::socket) { written = story.ok(); });
    EXPECT_EQ(story.target(), "as it was");
    run(io);
    EXPECT_TRUE(written);
}

// --- Observers ---

TEST_F(dialer_connect, an_observer_hears_everything_in_order_on_the_executor) {
    auto strand = asio::make_strand(io);
    dialer d{strand, {}, static_resolver({{"db", addresses({"::1", "127.0.0.1"})}})};
    std::vector<std::string> heard;
    d.observe([&](const event& e) {
        EXPECT_TRUE(strand.running_in_this_thread());
        const std::string what = e.what == event::subject::phase ? std::string{e.phase}
            : e.what == event::subject::lookup                   ? (e.family == address_family::v6 ? "AAAA" : "A")
                                                                 : e.peer.address().to_string();
        heard.push_back(what + (e.ended ? " ended" : " started"));
    });
    EXPECT_EQ(dial_and_run(d, at("db", server.endpoint())), success);
    const std::vector<std::string> expected{"resolve started", "AAAA started", "AAAA ended", "A started", "A ended",
        "resolve ended", "race started", "::1 started", "::1 ended", "127.0.0.1 started", "127.0.0.1 ended",
        "race ended"};
    EXPECT_EQ(heard, expected);
}

TEST_F(dialer_connect, an_observer_can_tell_dials_apart) {
    dialer d{io, {}, static_resolver({{"db", addresses({"127.0.0.1"})}})};
    std::map<std::uint64_t, int> heard;
    d.observe([&](const event& e) { ++heard[e.dial]; });
    result other;
    d.connect(at("db", server.endpoint()), other.handler());
    dialer{d}.connect(at("db", server.endpoint()), outcome.handler());  // a copy
    run(io);
    ASSERT_EQ(heard.size(), 2u);
    EXPECT_EQ(heard[1], heard[2]);
}

TEST_F(dialer_connect, a_report_that_an_observer_feeds_is_the_same_story) {
    dialer d{io, {}, static_resolver({{"db", addresses({"::1", "127.0.0.1", "127.0.0.2"})}})};
    report own;
    own.begin(at("db", server.endpoint()), std::chrono::steady_clock::now());
    d.observe([&](const event& e) { own.on_event(e); });
    EXPECT_EQ(dial_and_run(d, {at("db", server.endpoint()), &story}), success);
    ASSERT_EQ(own.attempts().size(), story.attempts().size());
    EXPECT_TRUE(std::ranges::equal(own.attempts(), story.attempts(), {}, &report::attempt::how, &report::attempt::how));
    EXPECT_EQ(own.lookups().size(), story.lookups().size());
}

TEST_F(dialer_connect, an_observer_may_cancel_the_dial) {
    for (const auto subject : {event::subject::phase, event::subject::lookup, event::subject::attempt}) {
        asio::cancellation_signal signal;
        dialer d{io, {}, static_resolver({{"db", addresses({"127.0.0.1"})}})};
        d.observe([&](const event& e) {
            if (e.what == subject) signal.emit(asio::cancellation_type::all);
        });
        result r;
        io.restart();
        d.connect(at("db", server.endpoint()), asio::bind_cancellation_slot(signal.slot(), r.handler()));
        run(io);
        EXPECT_EQ(r.calls, 1);
        EXPECT_EQ(r.ec, aborted);
    }
}

}  // namespace
}  // namespace dial::test
