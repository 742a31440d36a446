// Dials of services: SRV targets, and HTTPS records.
#include <dial/dialer.hpp>
#include <support/loopback.hpp>
#include <support/resolvers.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;

class dialer_services : public testing::Test {
protected:
    error_code dial_to(const target& to, options with = {}) {
        error_code heard;
        int calls = 0;
        dialer{io, with, names}.connect({to, &story}, [&](error_code ec, tcp::socket s) {
            ++calls;
            heard = ec;
            peer = s.is_open() ? s.remote_endpoint() : tcp::endpoint{};
        });
        run(io);
        EXPECT_EQ(calls, 1);
        return heard;
    }
    service_record at(const tcp::endpoint& where, std::uint16_t priority, std::string host) {
        return {priority, 0, where.port(), std::move(host)};
    }
    std::vector<std::string> attempts() const {
        std::vector<std::string> all;
        for (const auto& a : story.attempts())
            all.push_back(a.peer.address().to_string() + ' ' + std::string{to_string(a.how)});
        return all;
    }

    asio::io_context io;
    records_resolver names;
    tcp_server server;
    refusing_port refuses;
    report story;
    tcp::endpoint peer;
    const target service = srv("_x._tcp.test");
};

using strings = std::vector<std::string>;

// --- SRV ---

TEST_F(dialer_services, hosts_of_a_service_are_dialed_in_order_until_one_is_connected) {
    names.has("_x._tcp.test", record_type::srv,
        std::vector{
            at(server.endpoint(), 3, "third"), at(refuses.endpoint(), 1, "first"), at(server.endpoint(), 2, "second")});
    names.has("first.", record_type::a, addresses({"127.0.0.1"}));
    names.has("second.", record_type::a, addresses({"127.0.0.1"}));
    EXPECT_EQ(dial_to(service), success);
    EXPECT_EQ(peer, server.endpoint());
    EXPECT_EQ(names.asked(), (strings{"SRV _x._tcp.test", "AAAA first.", "A first.", "AAAA second.", "A second."}));
    EXPECT_EQ(attempts(), (strings{"127.0.0.1 failed", "127.0.0.1 done"}));
    ASSERT_EQ(story.lookups().size(), 5u);
    EXPECT_EQ(story.lookups()[0].services.size(), 3u);
    EXPECT_EQ(story.lookups()[1].name, "first.");
    EXPECT_EQ(story.lookups()[1].how, dial::outcome::failed);
}

TEST_F(dialer_services, a_host_without_addresses_gives_way_to_the_next) {
    names.has("_x._tcp.test", record_type::srv,
        std::vector{at(server.endpoint(), 1, "none"), at(server.endpoint(), 2, "some")});
    names.has("some.", record_type::a, addresses({"127.0.0.1"}));
    EXPECT_EQ(dial_to(service), success);
}

TEST_F(dialer_services, whose_hosts_all_fail_says_why) {
    names.has("_x._tcp.test", record_type::srv,
        std::vector{at(refuses.endpoint(), 1, "first"), at(server.endpoint(), 2, "none")});
    names.has("first.", record_type::a, addresses({"127.0.0.1"}));
    EXPECT_EQ(dial_to(service), asio::error::connection_refused) << "what an attempt came to tells more";
}

TEST_F(dialer_services, that_are_not_there_are_told_apart) {
    EXPECT_EQ(dial_to(service), asio::error::host_not_found);
    names.has("_x._tcp.test", record_type::srv, std::vector{service_record{0, 0, 0, "."}});
    EXPECT_EQ(dial_to(service), asio::error::service_not_found);
    dialer{io, {}, static_resolver({})}.connect(service, [](error_code ec, const tcp::socket&) {
        EXPECT_EQ(ec, asio::error::no_data) << "a resolver that knows no such records";
    });
    run(io);
}

TEST_F(dialer_services, share_one_deadline) {
    const silent_server silent;
    names.has("_x._tcp.test", record_type::srv,
        std::vector{at(refuses.endpoint(), 1, "first"), at(silent.endpoint(), 2, "first")});
    names.has("first.", record_type::a, addresses({"127.0.0.1"}));
    EXPECT_EQ(dial_to(service, {.timeout = 100ms}), error::timeout);
    EXPECT_GE(story.total(), 100ms);
    EXPECT_LT(story.total(), 5s);
}

TEST_F(dialer_services, are_cancelled_whatever_host_it_is_at) {
    const silent_server silent;
    names.has("_x._tcp.test", record_type::srv,
        std::vector{at(refuses.endpoint(), 1, "first"), at(silent.endpoint(), 2, "first")});
    names.has("first.", record_type::a, addresses({"127.0.0.1"}));
    asio::cancellation_signal signal;
    error_code heard;
    dialer d{io, {}, names};
    d.observe([&](const event& e) {
        if (e.what == event::subject::attempt && !e.ended && e.peer == silent.endpoint())
            signal.emit(asio::cancellation_type::terminal);
    });
    d.connect(
        service, asio::bind_cancellation_slot(signal.slot(), [&](error_code ec, const tcp::socket&) { heard = ec; }));
    run(io);
    EXPECT_EQ(heard, aborted);
}

TEST_F(dialer_services, of_other_dialers_are_invalid_targets) {
    error_code heard;
    local_dialer{io}.connect(service, [&](error_code ec, const asio::local::stream_protocol::socket&) { heard = ec; });
    run(io);
    EXPECT_EQ(heard, error::invalid_target);
}

// --- HTTPS records ---

service_binding binding(std::uint16_t priority, std::string host, std::uint16_t port) {
    service_binding b;
    b.priority = priority;
    b.host = std::move(host);
    b.port = port;
    return b;
}

TEST_F(dialer_services, a_record_leads_to_its_port_and_falls_back_to_the_host) {
    names.has("name", record_type::https, std::vector{binding(1, ".", server.endpoint().port())});
    names.has("name", record_type::a, addresses({"127.0.0.1"}));
    EXPECT_EQ(dial_to("name:443", {.https_records = true}), success);
    EXPECT_EQ(peer, server.endpoint());
    EXPECT_EQ(names.asked(), (strings{"HTTPS name", "AAAA name", "A name"}));
    ASSERT_FALSE(story.lookups().empty());
    EXPECT_EQ(story.lookups()[0].bindings.size(), 1u);

    records_resolver dead;
    dead.has("_" + std::to_string(server.endpoint().port()) + "._https.name", record_type::https,
        std::vector{binding(1, ".", refuses.endpoint().port())});
    dead.has("name", record_type::a, addresses({"127.0.0.1"}));
    names = dead;
    EXPECT_EQ(dial_to(target{"name", server.endpoint().port()}, {.https_records = true}), success);
    EXPECT_EQ(attempts(), (strings{"127.0.0.1 failed", "127.0.0.1 done"}));
}

TEST_F(dialer_services, records_are_asked_for_on_request_only) {
    names.has("name", record_type::a, addresses({"127.0.0.1"}));
    EXPECT_EQ(dial_to(target{"name", server.endpoint().port()}), success);
    EXPECT_EQ(names.asked(), (strings{"AAAA name", "A name"}));
}

TEST_F(dialer_services, a_record_that_never_comes_costs_the_resolution_delay) {
    names.hangs("_" + std::to_string(server.endpoint().port()) + "._https.name", record_type::https);
    names.has("name", record_type::a, addresses({"127.0.0.1"}));
    EXPECT_EQ(
        dial_to(target{"name", server.endpoint().port()}, {.resolution_delay = 30ms, .https_records = true}), success);
    EXPECT_GE(story.total(), 30ms);
    EXPECT_LT(story.total(), 5s);
    EXPECT_EQ(story.lookups()[0].how, dial::outcome::another_won) << "it is no longer waited for";
}

}  // namespace
}  // namespace dial::test
