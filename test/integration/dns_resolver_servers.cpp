// Servers that say nothing, say no, or lie; and how often they are asked.
#include <dial/dialer.hpp>
#include <support/dns_lookups.hpp>
#include <support/resolvers.hpp>

#include <gtest/gtest.h>
#include <boost/asio/ip/udp.hpp>

#include <chrono>
#include <string>
#include <vector>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using asio::ip::udp;

class dns_resolver_servers : public dns_lookups {
protected:
    void SetUp() override { server.has({a("name.test", "127.0.0.1")}); }
    dns_options hurried() const { return asking(server).timeout(50ms).tries(2); }

    static dns_message forged() {
        dns_message m;
        m.answers = {a("name.test", "127.0.0.66")};
        return m;
    }
    // One that answers each question about an address with 127.0.0.`n`.
    static void always_answers(dns_server& s, int n) {
        s.on_others([n](const dns_question& q) {
            dns_message m;
            m.answers = {a(q.name, "127.0.0." + std::to_string(n))};
            return dns_replies{m};
        });
    }
};

// A UDP port on loopback where everything is refused: it listens to one peer alone, which is silent.
class refusing_udp_port {
public:
    refusing_udp_port() { socket_.connect({asio::ip::address_v4::loopback(), 9}); }
    std::string address() const { return "127.0.0.1:" + std::to_string(socket_.local_endpoint().port()); }

private:
    asio::io_context io_;
    udp::socket socket_{io_, udp::endpoint{asio::ip::address_v4::loopback(), 0}};
};

// --- Silence ---

TEST_F(dns_resolver_servers, that_say_nothing_are_asked_as_often_as_told_then_try_again) {
    server.on("silent.test", [](const dns_question&) { return silence(); });
    for (const std::size_t tries : {1u, 2u, 4u}) {
        const std::size_t before = server.asked("silent.test", v4);
        answer none{success};
        const auto took =
            time_of([&] { none = ask(dial::dns_resolver{hurried().tries(static_cast<int>(tries))}, "silent.test"); });
        EXPECT_EQ(none.error(), try_again);
        EXPECT_EQ(server.asked("silent.test", v4) - before, tries);
        EXPECT_GE(took, 50ms * static_cast<int>(tries)) << "each try has its time, or more";
        EXPECT_FALSE(none.ttl()) << "that is nothing to keep";
    }
}

TEST_F(dns_resolver_servers, that_are_silent_once_are_asked_again) {
    server.on(
        "name.test", [&](const dns_question& q) { return q.before == 0 ? silence() : dns_replies{server.usual(q)}; });
    const answer found = ask(dial::dns_resolver{hurried()}, "name.test");
    EXPECT_EQ(found.addresses(), addresses({"127.0.0.1"}));
    EXPECT_EQ(server.asked("name.test", v4), 2u);
}

TEST_F(dns_resolver_servers, that_say_nothing_do_not_hold_a_dial_that_is_out_of_time) {
    server.on("silent.test", [](const dns_question&) { return silence(); });
    error_code heard;
    dialer{io, {.timeout = 50ms}, dial::dns_resolver{asking(server)}}.connect(
        "silent.test:1", [&](error_code ec, const asio::ip::tcp::socket&) { heard = ec; });
    EXPECT_LT(time_of([&] { run(io); }), 5s);
    EXPECT_EQ(heard, error::timeout);
}

// --- Several ---

TEST_F(dns_resolver_servers, come_in_the_order_given) {
    const dns_server second;
    const dial::dns_resolver names{asking(server).server(second.address())};
    for (int i = 0; i != 5; ++i) EXPECT_EQ(ask(names, "name.test").source(), server.address());
    EXPECT_EQ(second.asked(), 0u);
}

TEST_F(dns_resolver_servers, are_asked_in_turn_when_those_before_do_not_answer) {
    dns_server second;
    always_answers(second, 2);
    server.on("silent.test", [](const dns_question&) { return silence(); });
    const answer by_second = ask(dial::dns_resolver{hurried().server(second.address())}, "silent.test");
    EXPECT_EQ(by_second.addresses(), addresses({"127.0.0.2"}));
    EXPECT_EQ(by_second.source(), second.address());
    EXPECT_EQ(server.asked("silent.test", v4), 1u);
    EXPECT_EQ(second.asked("silent.test", v4), 1u);
}

TEST_F(dns_resolver_servers, are_asked_in_turn_when_those_before_are_not_there) {
    const refusing_udp_port nobody;
    const dial::dns_resolver names{bare().server(nobody.address()).server(server.address())};
    answer found{not_found};
    EXPECT_LT(time_of([&] { found = ask(names, "name.test"); }), 5s) << "the kernel says so at once";
    EXPECT_EQ(found.addresses(), addresses({"127.0.0.1"}));
    EXPECT_EQ(found.source(), server.address());
    EXPECT_EQ(ask(dial::dns_resolver{bare().server(nobody.address())}, "name.test").error(), try_again);
}

TEST_F(dns_resolver_servers, are_asked_in_turn_when_those_before_have_failed) {
    for (const rcode code : {rcode::server_failure, rcode::refused, rcode::not_implemented}) {
        dns_server second;
        always_answers(second, 2);
        server.on("fails.test", [code](const dns_question&) { return dns_replies{failing(code)}; });
        const answer found = ask(dial::dns_resolver{asking(server).server(second.address())}, "fails.test");
        EXPECT_EQ(found.addresses(), addresses({"127.0.0.2"})) << static_cast<int>(code);
        EXPECT_EQ(found.source(), second.address());
    }
}

TEST_F(dns_resolver_servers, that_know_there_is_no_such_name_are_the_last_that_are_asked) {
    dns_server second;
    always_answers(second, 2);
    EXPECT_EQ(ask(dial::dns_resolver{asking(server).server(second.address())}, "nobody.test").error(), not_found);
    EXPECT_EQ(second.asked(), 0u);
}

TEST_F(dns_resolver_servers, have_addresses_of_either_family) {
    dns_server six{by_tcp::answers, "::1"};
    always_answers(six, 6);
    const answer found = ask(dial::dns_resolver{asking(six)}, "name.test");
    EXPECT_EQ(found.addresses(), addresses({"127.0.0.6"}));
    EXPECT_EQ(found.source(), six.address());
}

// --- What they say instead of an answer ---

TEST_F(dns_resolver_servers, that_fail_mean_try_again_and_those_that_refuse_no_recovery) {
    const std::pair<rcode, error_code> all[] = {{rcode::server_failure, try_again}, {rcode::refused, no_recovery},
        {rcode::not_implemented, no_recovery}, {rcode::format_error, no_recovery}};
    for (const auto& [code, ec] : all) {
        server.on("fails.test", [said = code](const dns_question&) { return dns_replies{failing(said)}; });
        const answer none = ask("fails.test");
        EXPECT_EQ(none.error(), ec) << static_cast<int>(code);
        EXPECT_TRUE(none.empty());
        EXPECT_FALSE(none.ttl());
    }
}

TEST_F(dns_resolver_servers, that_fail_in_haste_are_not_asked_for_ever) {
    server.on("fails.test", [](const dns_question&) { return dns_replies{failing(rcode::server_failure)}; });
    ask(dial::dns_resolver{asking(server).tries(3)}, "fails.test");
    EXPECT_LE(server.asked("fails.test", v4), 6u);
}

TEST_F(dns_resolver_servers, that_know_no_edns_are_asked_without) {
    server.on("name.test",
        [&](const dns_question& q) { return dns_replies{q.edns ? failing(rcode::format_error) : server.usual(q)}; });
    EXPECT_EQ(ask("name.test").addresses(), addresses({"127.0.0.1"}));
}

// --- Lies ---

TEST_F(dns_resolver_servers, are_not_confused_with_who_does_not_know_the_question) {
    for (const lie wrong : {lie::id, lie::question, lie::type, lie::port, lie::runt, lie::garbage}) {
        server.on("name.test", [&, wrong](const dns_question& q) {
            return dns_replies{{forged(), {}, wrong}, {forged(), {}, wrong}, {server.usual(q), 20ms}};
        });
        const answer found = ask("name.test");
        EXPECT_EQ(found.error(), success) << static_cast<int>(wrong);
        EXPECT_EQ(found.addresses(), addresses({"127.0.0.1"})) << static_cast<int>(wrong);
    }
}

TEST_F(dns_resolver_servers, from_which_only_lies_come_have_not_answered) {
    for (const lie wrong : {lie::id, lie::question, lie::type, lie::port, lie::runt, lie::garbage}) {
        server.on("name.test", [wrong](const dns_question&) { return dns_replies{{forged(), {}, wrong}}; });
        const std::size_t before = server.asked("name.test", v4);
        const answer none = ask(dial::dns_resolver{hurried()}, "name.test");
        EXPECT_EQ(none.error(), try_again) << static_cast<int>(wrong);
        EXPECT_TRUE(none.empty());
        EXPECT_EQ(server.asked("name.test", v4) - before, 2u) << static_cast<int>(wrong);
    }
}

TEST_F(dns_resolver_servers, that_send_the_query_back_have_said_nothing) {
    server.on("name.test", [&](const dns_question& q) {
        return dns_replies{{server.usual(q), {}, lie::echo}, {server.usual(q), 20ms}};
    });
    EXPECT_NE(ask("name.test").error(), success) << "an echo is no answer: least of all that there is no address";
}

TEST_F(dns_resolver_servers, whose_answers_are_broken_mean_no_recovery) {
    server.on("name.test", [&](const dns_question& q) { return dns_replies{{server.usual(q), {}, lie::cut}}; });
    const answer none = ask("name.test");
    EXPECT_EQ(none.error(), no_recovery);
    EXPECT_TRUE(none.empty());
}

TEST_F(dns_resolver_servers, that_repeat_themselves_are_heard_once) {
    server.on("name.test", [&](const dns_question& q) {
        return dns_replies{server.usual(q), server.usual(q), forged()};
    });
    const dial::dns_resolver names{asking(server)};
    for (int i = 0; i != 20; ++i) EXPECT_EQ(ask(names, "name.test").addresses(), addresses({"127.0.0.1"}));
}

// --- TCP ---

// A name with an answer that does not fit into a datagram.
void has_large(dns_server& s) {
    for (int i = 0; i != 100; ++i) s.has({aaaa("large.test", "::" + std::to_string(i + 1))});
}

TEST_F(dns_resolver_servers, that_truncate_are_asked_by_tcp) {
    has_large(server);
    const answer found = ask("large.test", v6);
    EXPECT_EQ(found.error(), success);
    EXPECT_EQ(found.addresses().size(), 64u);
    EXPECT_EQ(found.source(), server.address());
    EXPECT_EQ(server.asked("large.test", v6), 2u);
    EXPECT_GE(server.asked_by_tcp(), 1u);
}

TEST_F(dns_resolver_servers, may_send_single_bytes_by_tcp) {
    dns_server slow{by_tcp::sends_single_bytes};
    has_large(slow);
    EXPECT_EQ(ask(dial::dns_resolver{asking(slow)}, "large.test", v6).addresses().size(), 64u);
}

TEST_F(dns_resolver_servers, that_truncate_and_do_not_answer_by_tcp_mean_try_again) {
    for (const by_tcp how : {by_tcp::refuses, by_tcp::closes, by_tcp::says_nothing}) {
        dns_server cripple{how};
        has_large(cripple);
        const answer none = ask(dial::dns_resolver{asking(cripple).timeout(50ms).tries(2)}, "large.test", v6);
        EXPECT_EQ(none.error(), try_again) << static_cast<int>(how);
        EXPECT_TRUE(none.empty()) << static_cast<int>(how);
    }
}

TEST_F(dns_resolver_servers, that_do_not_answer_by_tcp_go_on_answering_by_udp) {
    dns_server cripple{by_tcp::closes};
    has_large(cripple);
    cripple.has({a("name.test", "127.0.0.1")});
    const dial::dns_resolver names{asking(cripple).timeout(200ms)};
    heard_answer large, small;
    dial::resolve(io, names, {"large.test", v6}, large.handler());
    dial::resolve(io, names, {"name.test", v4}, small.handler());
    run(io);
    EXPECT_EQ(large.ec, try_again);
    EXPECT_EQ(small.given.addresses(), addresses({"127.0.0.1"}));
    EXPECT_EQ(ask(names, "name.test").addresses(), addresses({"127.0.0.1"}));
}

// --- Many ---

TEST_F(dns_resolver_servers, are_asked_for_a_thousand_names_at_a_time) {
    server.on_others([](const dns_question& q) {
        dns_message m;
        if (q.type == record_type::a) m.answers = {a(q.name, "127.0.0.1")};
        return dns_replies{{m, 5ms}};
    });
    const dial::dns_resolver names{asking(server).timeout(2s).tries(4)};
    std::vector<heard_answer> heard(1000);
    for (std::size_t i = 0; i != heard.size(); ++i)
        dial::resolve(io, names, {"n" + std::to_string(i) + ".test", v4}, heard[i].handler());
    run(io);
    for (const auto& each : heard) {
        EXPECT_EQ(each.calls, 1);
        EXPECT_EQ(each.given.addresses(), addresses({"127.0.0.1"})) << each.ec;
    }
    EXPECT_LE(server.most_at_once(), 250u) << "the default";
    EXPECT_GE(server.most_at_once(), 10u);
}

TEST_F(dns_resolver_servers, have_at_most_max_queries_to_answer_at_a_time) {
    server.on_others([](const dns_question&) { return dns_replies{{failing(rcode::no_such_name), 5ms}}; });
    for (const std::size_t most : {1u, 7u}) {
        const std::size_t before = server.asked();
        const dial::dns_resolver names{asking(server).max_queries(most)};
        std::vector<heard_answer> heard(50);
        for (std::size_t i = 0; i != heard.size(); ++i)
            dial::resolve(io, names, {"n" + std::to_string(i) + ".test", i % 2 ? v6 : v4}, heard[i].handler());
        run(io);
        for (const auto& each : heard) EXPECT_EQ(each.ec, not_found);
        EXPECT_LE(server.most_at_once(), most);
        EXPECT_GE(server.most_at_once(), (most + 1) / 2);
        EXPECT_GE(server.asked() - before, heard.size());
    }
}

TEST_F(dns_resolver_servers, are_asked_once_by_many_who_want_the_same) {
    server.on("name.test", [&](const dns_question& q) { return dns_replies{{server.usual(q), 20ms}}; });
    const dial::dns_resolver names{asking(server)};
    std::vector<heard_answer> heard(100);
    for (std::size_t i = 0; i != heard.size(); ++i)
        dial::resolve(
            io, i % 2 ? names : dial::dns_resolver{names}, {i % 3 ? "name.test" : "NAME.test", v4}, heard[i].handler());
    run(io);
    for (const auto& each : heard) EXPECT_EQ(each.given.addresses(), addresses({"127.0.0.1"}));
    EXPECT_EQ(server.asked("name.test", v4), 1u);
    EXPECT_EQ(ask(names, "name.test").error(), success);
    EXPECT_EQ(server.asked("name.test", v4), 2u) << "nothing is kept: that is for caching_resolver";
}

}  // namespace
}  // namespace dial::test
