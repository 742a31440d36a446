// What dns_resolver makes of what servers say.
#include <dial/dialer.hpp>
#include <support/dns_lookups.hpp>
#include <support/resolvers.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;

class dns_resolver : public dns_lookups {
protected:
    // "c1.test" to the address by as many CNAMEs.
    void has_chain(int links) {
        for (int i = 1; i <= links; ++i) server.has({cname(link(i), link(i + 1))});
        server.has({a(link(links + 1), "127.0.0.1")});
    }
    static std::string link(int i) { return "c" + std::to_string(i) + ".test"; }
};

// --- Addresses ---

TEST_F(dns_resolver, gives_the_addresses_of_the_family_their_ttl_and_who_said_so) {
    server.has({a("name.test", "127.0.0.1", 77), a("name.test", "127.0.0.2", 77), aaaa("name.test", "::1", 50)});
    const answer of_v4 = ask("name.test", v4);
    EXPECT_EQ(of_v4.error(), success);
    EXPECT_EQ(of_v4.addresses(), addresses({"127.0.0.1", "127.0.0.2"}));
    EXPECT_EQ(of_v4.ttl(), 77s);
    EXPECT_EQ(of_v4.source(), server.address());
    const answer of_v6 = ask("name.test", v6);
    EXPECT_EQ(of_v6.error(), success);
    EXPECT_EQ(of_v6.addresses(), addresses({"::1"}));
    EXPECT_EQ(of_v6.ttl(), 50s);
    EXPECT_EQ(of_v6.source(), server.address());
}

TEST_F(dns_resolver, answers_whole_dials) {
    const tcp_server four, six{"::1", 4096, four.endpoint().port()};
    server.has({a("four.test", "127.0.0.1"), aaaa("six.test", "::1"), cname("alias.test", "four.test")});
    const auto dialed = [&](const std::string& host) {
        error_code heard = try_again;
        tcp::endpoint peer;
        dialer{io, {}, dial::dns_resolver{asking(server)}}.connect(
            host + ":" + std::to_string(four.endpoint().port()), [&](error_code ec, const tcp::socket& s) {
                heard = ec;
                if (!ec) peer = s.remote_endpoint();
            });
        run(io);
        EXPECT_EQ(heard, peer == tcp::endpoint{} ? not_found : success) << host;
        return peer;
    };
    EXPECT_EQ(dialed("four.test"), four.endpoint());
    EXPECT_EQ(dialed("six.test"), six.endpoint());
    EXPECT_EQ(dialed("alias.test"), four.endpoint());
    EXPECT_EQ(dialed("nobody.test"), tcp::endpoint{});
}

TEST_F(dns_resolver, knows_names_in_any_case_and_with_a_dot_at_the_end) {
    server.has({a("name.test", "127.0.0.1")});
    for (const std::string name : {"name.test.", "NAME.Test", "Name.TEST."}) {
        const answer found = ask(name);
        EXPECT_EQ(found.error(), success) << name;
        EXPECT_EQ(found.addresses(), addresses({"127.0.0.1"})) << name;
    }
}

TEST_F(dns_resolver, takes_64_addresses_of_500) {
    std::vector<asio::ip::address> all;
    for (int i = 0; i != 500; ++i)
        all.push_back(asio::ip::make_address("127.1." + std::to_string(i / 250) + "." + std::to_string(1 + i % 250)));
    for (const auto& each : all) server.has({a("many.test", each.to_string())});
    const answer found = ask("many.test");
    EXPECT_EQ(found.error(), success);
    EXPECT_EQ(found.addresses().size(), 64u);
    for (const auto& each : found.addresses()) EXPECT_EQ(std::ranges::count(all, each), 1) << each;
    EXPECT_GE(server.asked_by_tcp(), 1u) << "they do not fit into a datagram";
}

TEST_F(dns_resolver, takes_an_address_once) {
    for (int i = 0; i != 30; ++i)
        server.has({aaaa("twice.test", "::1"), aaaa("twice.test", "::2"), aaaa("twice.test", "::1")});
    EXPECT_EQ(ask("twice.test", v6).addresses(), addresses({"::1", "::2"}));
}

TEST_F(dns_resolver, counts_each_address_once_towards_the_64) {
    for (int i = 0; i != 100; ++i) server.has({a("twice.test", "127.0.0.1")});
    for (int i = 1; i <= 64; ++i) server.has({a("twice.test", "127.0.1." + std::to_string(i))});
    EXPECT_EQ(ask("twice.test").addresses().size(), 64u);
}

TEST_F(dns_resolver, reads_names_that_are_not_compressed) {
    server.has({cname("alias.test", "name.test"), a("name.test", "127.0.0.1", 7)});
    server.on("alias.test", [&](const dns_question& q) {
        dns_message m = server.usual(q);
        m.compressed = false;
        return dns_replies{m};
    });
    EXPECT_EQ(ask("alias.test").addresses(), addresses({"127.0.0.1"}));
}

TEST_F(dns_resolver, lets_a_slow_server_take_its_time) {
    server.has({a("name.test", "127.0.0.1")});
    server.on("name.test", [&](const dns_question& q) { return dns_replies{{server.usual(q), 100ms}}; });
    EXPECT_EQ(ask("name.test").addresses(), addresses({"127.0.0.1"}));
    EXPECT_EQ(server.asked("name.test", v4), 1u);
}

// --- No addresses ---

TEST_F(dns_resolver, gives_an_answer_without_addresses_where_there_are_none_of_the_family) {
    server.has({a("four.test", "127.0.0.1")});
    const answer none = ask("four.test", v6);
    EXPECT_EQ(none.error(), success);
    EXPECT_TRUE(none.empty());
    EXPECT_EQ(none.ttl(), 30s) << "as the zone says (RFC 2308)";
    EXPECT_EQ(none.source(), server.address());
}

TEST_F(dns_resolver, says_host_not_found_where_there_is_no_such_name) {
    const answer none = ask("nobody.test");
    EXPECT_EQ(none.error(), not_found);
    EXPECT_TRUE(none.empty());
    EXPECT_EQ(none.ttl(), 30s);
    EXPECT_EQ(none.source(), server.address());
}

TEST_F(dns_resolver, keeps_a_negative_answer_for_the_lesser_of_the_soas_two_times) {
    for (const rcode code : {rcode::none, rcode::no_such_name}) {
        dns_message m = failing(code);
        m.authority = {soa("test", 300, 5)};
        server.on("x.test", [m](const dns_question&) { return dns_replies{m}; });
        EXPECT_EQ(ask("x.test").ttl(), 5s);
        m.authority = {};
        server.on("y.test", [m](const dns_question&) { return dns_replies{m}; });
        EXPECT_FALSE(ask("y.test").ttl().value_or(0s) > 0s) << "it says nothing about that";
    }
}

// --- CNAMEs ---

TEST_F(dns_resolver, follows_a_chain_of_cnames_and_takes_the_lowest_ttl) {
    server.has(
        {cname("one.test", "two.test", 40), cname("two.test", "three.test", 20), a("three.test", "127.0.0.1", 60)});
    const answer found = ask("one.test");
    EXPECT_EQ(found.addresses(), addresses({"127.0.0.1"}));
    EXPECT_EQ(found.ttl(), 20s);
    const answer none = ask("one.test", v6);
    EXPECT_EQ(none.error(), success);
    EXPECT_TRUE(none.empty());
}

TEST_F(dns_resolver, says_host_not_found_where_a_chain_leads_to_no_name) {
    server.has({cname("alias.test", "nobody.test")});
    EXPECT_EQ(ask("alias.test").error(), not_found);
}

TEST_F(dns_resolver, follows_a_chain_of_16_names_in_any_order) {
    has_chain(16);
    EXPECT_EQ(ask(link(1)).addresses(), addresses({"127.0.0.1"}));
    server.on(link(1), [&](const dns_question& q) {
        dns_message m = server.usual(q);
        std::ranges::reverse(m.answers);
        return dns_replies{m};
    });
    EXPECT_EQ(ask(link(1)).addresses(), addresses({"127.0.0.1"}));
}

TEST_F(dns_resolver, refuses_a_chain_of_more_than_16_names) {
    has_chain(17);
    const answer refused = ask(link(1));
    EXPECT_EQ(refused.error(), no_recovery);
    EXPECT_TRUE(refused.empty());
}

TEST_F(dns_resolver, refuses_loops_of_cnames) {
    server.has({cname("loop.test", "loop.test"), cname("to.test", "fro.test"), cname("fro.test", "to.test")});
    for (const auto* name : {"loop.test", "to.test"}) EXPECT_EQ(ask(name).error(), no_recovery) << name;
}

TEST_F(dns_resolver, takes_no_address_of_a_name_that_it_did_not_ask_for) {
    server.on("name.test", [](const dns_question&) {
        dns_message m;
        m.answers = {a("evil.test", "127.0.0.66"), a("name.test", "127.0.0.1"), a("name.test.evil.test", "127.0.0.66")};
        return dns_replies{m};
    });
    EXPECT_EQ(ask("name.test").addresses(), addresses({"127.0.0.1"}));
}

// --- Records ---

TEST_F(dns_resolver, gives_srv_records) {
    const std::vector<service_record> services{{10, 60, 5060, "big.test"}, {20, 0, 5061, "."}};
    for (const auto& s : services) server.has({srv("_sip._tcp.test", s, 90)});
    const answer found = ask("_sip._tcp.test", record_type::srv);
    EXPECT_EQ(found.error(), success);
    EXPECT_EQ(found.services(), services);
    EXPECT_EQ(found.ttl(), 90s);
    EXPECT_EQ(found.source(), server.address());
}

TEST_F(dns_resolver, gives_https_and_svcb_records) {
    using namespace std::string_literals;
    const auto of_type = [](dns_record r, record_type type) {
        r.type = type;
        return r;
    };
    const dns_record alias = https("web.test", 0, "cdn.test", {}, 90);
    const dns_record service = https("web.test", 1, ".",
        {{1, "\2h2\2h3"s}, {3, two_bytes(8443)}, {4, "\x7f\0\0\1"s}, {6, std::string(15, '\0') + '\1'}}, 80);
    for (const auto type : {record_type::https, record_type::svcb}) {
        server.has({of_type(alias, type), of_type(service, type)});
        const answer found = ask("web.test", type);
        EXPECT_EQ(found.error(), success);
        EXPECT_EQ(found.ttl(), 80s);
        ASSERT_EQ(found.bindings().size(), 2u);
        auto is_alias = std::ranges::find(found.bindings(), 0, &service_binding::priority);
        auto is_service = std::ranges::find(found.bindings(), 1, &service_binding::priority);
        ASSERT_TRUE(is_alias != found.bindings().end() && is_service != found.bindings().end());
        EXPECT_EQ(is_alias->host, "cdn.test");
        EXPECT_EQ(is_service->host, ".");
        EXPECT_EQ(is_service->alpn, (std::vector<std::string>{"h2", "h3"}));
        EXPECT_EQ(is_service->port, 8443);
        EXPECT_EQ(is_service->hints, addresses({"127.0.0.1", "::1"}));
        EXPECT_TRUE(is_service->understood);
    }
}

TEST_F(dns_resolver, says_of_records_that_there_are_none_as_of_addresses) {
    server.has(
        {a("name.test", "127.0.0.1"), cname("alias.test", "_x._tcp.test"), srv("_x._tcp.test", {1, 2, 3, "h.test"})});
    for (const auto type : {record_type::srv, record_type::svcb, record_type::https}) {
        const answer none = ask("name.test", type);
        EXPECT_EQ(none.error(), success);
        EXPECT_TRUE(none.empty());
        EXPECT_EQ(none.ttl(), 30s);
        EXPECT_EQ(ask("nobody.test", type).error(), not_found);
    }
    EXPECT_EQ(ask("alias.test", record_type::srv).services().size(), 1u);
}

TEST_F(dns_resolver, refuses_records_that_make_no_sense) {
    using namespace std::string_literals;
    server.has({dns_record{"srv.test", record_type::srv, "\0\1\0"s},
        dns_record{
            "web.test", record_type::https, two_bytes(1) + uncompressed(".") + two_bytes(3) + two_bytes(9) + "x"},
        dns_record{"name.test", record_type::a, "\x7f\0\0"s},
        dns_record{"name.test", record_type::aaaa, "\x7f\0\0\1"s}});
    for (const auto& [name, type] : {std::pair{"srv.test", record_type::srv}, {"web.test", record_type::https},
             {"name.test", record_type::a}, {"name.test", record_type::aaaa}}) {
        const answer refused = ask(name, type);
        EXPECT_EQ(refused.error(), no_recovery) << name;
        EXPECT_TRUE(refused.empty()) << name;
    }
}

// --- Bad names ---

TEST_F(dns_resolver, says_host_not_found_of_what_is_no_name) {
    const std::string label(63, 'x');
    std::string too_long;
    while (too_long.size() <= 253) too_long += label + ".";
    const std::string bad[] = {"", ".", "..", ".name.test", "name..test", label + "x.test", too_long + "test",
        std::string(100'000, 'x'), std::string(100'000, '.'), "name\\.test\\", "\\", "\\999.test", "name\\"};
    for (const auto& name : bad) {
        for (const auto type : {v4, v6, record_type::srv}) {
            const answer none = ask(name, type);
            EXPECT_TRUE(none.error()) << name.substr(0, 80);
            EXPECT_TRUE(none.empty()) << name.substr(0, 80);
        }
    }
}

TEST_F(dns_resolver, takes_a_name_of_253_bytes) {
    const std::string label(63, 'x');
    const std::string longest = label + "." + label + "." + label + "." + std::string(56, 'y') + ".test";
    ASSERT_EQ(longest.size(), 253u);
    server.has({a(longest, "127.0.0.1")});
    EXPECT_EQ(ask(longest).addresses(), addresses({"127.0.0.1"}));
    EXPECT_TRUE(ask("z" + longest).error());
}

TEST_F(dns_resolver, says_host_not_found_of_names_with_bytes_that_no_host_name_has) {
    for (const std::string name : {"na\xc3\xafve.test", "\xff\xfe.test", "new\nline.test", "back\\slash.test",
             "back\\.slash.test", "\\110ame.test", "sp ace.test", "\x7f.test"})
        EXPECT_TRUE(ask(name).error()) << name;
    EXPECT_TRUE(ask(std::string("nul\0.test", 9)).error());
    EXPECT_TRUE(ask(std::string("name.test\0", 10)).error());
}

}  // namespace
}  // namespace dial::test
