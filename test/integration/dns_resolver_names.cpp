// Which names dns_resolver asks for, and where it has that from: its options, resolv.conf, the hosts file.
#include <dial/dialer.hpp>
#include <support/dns_lookups.hpp>
#include <support/network.hpp>
#include <support/resolvers.hpp>
#include <support/temporary_directory.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;

class dns_resolver_names : public dns_lookups {
protected:
    dns_options searching(std::vector<std::string> domains) const { return asking(server).search(std::move(domains)); }
    answer search(const std::string& name, record_type type = v4) {
        return ask(dial::dns_resolver{searching({"one.test", "two.test"})}, name, type);
    }
    std::size_t asked(const std::string& name) const { return server.asked(name, v4) + server.asked(name, v6); }

    temporary_directory files;
};

// --- Search domains ---

TEST_F(dns_resolver_names, with_few_dots_are_looked_for_in_the_search_domains_in_turn) {
    server.has({a("db.two.test", "127.0.0.2")});
    EXPECT_EQ(search("db").addresses(), addresses({"127.0.0.2"}));
    EXPECT_EQ(server.asked("db.one.test", v4), 1u);
    EXPECT_EQ(server.asked("db.two.test", v4), 1u);
    EXPECT_EQ(asked("db"), 0u) << "it was found";
    server.has({a("db.one.test", "127.0.0.1")});
    EXPECT_EQ(search("db").addresses(), addresses({"127.0.0.1"}));
    EXPECT_EQ(server.asked("db.two.test", v4), 1u);
}

TEST_F(dns_resolver_names, that_are_in_no_search_domain_are_asked_for_as_they_are) {
    server.has({a("db", "127.0.0.1")});
    EXPECT_EQ(search("db").addresses(), addresses({"127.0.0.1"}));
    EXPECT_EQ(search("web").error(), not_found);
    for (const auto* name : {"web.one.test", "web.two.test", "web"}) EXPECT_EQ(server.asked(name, v4), 1u) << name;
}

TEST_F(dns_resolver_names, with_as_many_dots_as_ndots_are_first_asked_for_as_they_are) {
    server.has({a("a.b", "127.0.0.1"), a("a.b.one.test", "127.0.0.2")});
    EXPECT_EQ(search("a.b").addresses(), addresses({"127.0.0.1"}));
    EXPECT_EQ(asked("a.b.one.test"), 0u);
    const auto by_ndots = [&](int n) { return dial::dns_resolver{searching({"one.test"}).ndots(n)}; };
    EXPECT_EQ(ask(by_ndots(2), "a.b").addresses(), addresses({"127.0.0.2"}));
    server.has({a("db", "127.0.0.1"), a("db.one.test", "127.0.0.2")});
    EXPECT_EQ(ask(by_ndots(0), "db").addresses(), addresses({"127.0.0.1"}));
    EXPECT_EQ(ask(by_ndots(1), "db").addresses(), addresses({"127.0.0.2"}));
}

TEST_F(dns_resolver_names, with_a_dot_at_the_end_are_not_looked_for_elsewhere) {
    server.has({a("db.one.test", "127.0.0.1")});
    EXPECT_EQ(search("db.").error(), not_found);
    EXPECT_EQ(asked("db.one.test"), 0u);
}

TEST_F(dns_resolver_names, are_looked_for_nowhere_else_by_an_empty_list) {
    server.has({a("db.one.test", "127.0.0.1")});
    const std::string file = files.write("resolv.conf", "search one.test\n");
    EXPECT_EQ(ask(dial::dns_resolver{searching({}).resolv_conf(file)}, "db").error(), not_found);
    EXPECT_EQ(server.asked(), server.asked("db", v4) + server.asked("db", v6));
}

// Otherwise a dial could go to the IPv4 address of one host or the IPv6 address of another, as it happens.
TEST_F(dns_resolver_names, mean_the_first_that_has_an_address_of_any_family) {
    server.has({aaaa("db.one.test", "::1"), a("db.two.test", "127.0.0.2"), aaaa("db.two.test", "::2")});
    const answer none = search("db", v4);
    EXPECT_EQ(none.error(), success);
    EXPECT_TRUE(none.empty()) << "the host has no IPv4";
    EXPECT_EQ(search("db", v6).addresses(), addresses({"::1"}));

    const tcp_server six{"::1"};
    error_code heard = try_again;
    dialer{io, {}, dial::dns_resolver{searching({"one.test", "two.test"})}}.connect(
        "db:" + std::to_string(six.endpoint().port()), [&](error_code ec, const tcp::socket&) { heard = ec; });
    run(io);
    EXPECT_EQ(heard, success);
}

TEST_F(dns_resolver_names, that_have_other_records_alone_are_passed_over) {
    server.has({srv("db.one.test", {1, 2, 3, "h.test"}), a("db.two.test", "127.0.0.2")});
    EXPECT_EQ(search("db").addresses(), addresses({"127.0.0.2"}));
    EXPECT_EQ(search("db", v6).error(), success) << "it has another address";
}

TEST_F(dns_resolver_names, are_not_looked_for_further_where_no_server_answers) {
    server.has({a("db.two.test", "127.0.0.2")});
    server.on("db.one.test", [](const dns_question&) { return dns_replies{failing(rcode::refused)}; });
    EXPECT_EQ(search("db").error(), asio::error::no_recovery) << "it may well be there: another would be the wrong one";
}

TEST_F(dns_resolver_names, are_looked_for_further_where_the_servers_fail_as_by_the_system) {
    server.has({a("db.two.test", "127.0.0.2")});
    server.on("db.one.test", [](const dns_question&) { return dns_replies{failing(rcode::server_failure)}; });
    EXPECT_EQ(search("db").addresses(), addresses({"127.0.0.2"}));
    server.on("db.two.test", [](const dns_question&) { return dns_replies{failing(rcode::no_such_name)}; });
    EXPECT_EQ(search("db").error(), try_again);
}

TEST_F(dns_resolver_names, of_services_are_asked_for_as_they_are) {
    server.has({srv("db.two.test", {1, 2, 3, "h.test"})});
    EXPECT_EQ(search("db", record_type::srv).error(), asio::error::host_not_found);
    EXPECT_EQ(search("db.two.test", record_type::srv).services().size(), 1u);
}

TEST_F(dns_resolver_names, do_not_become_too_long_by_a_search_domain) {
    const std::string label(63, 'x'), longest = label + "." + label + "." + label + "." + std::string(61, 'y');
    server.has({a(longest, "127.0.0.1")});
    EXPECT_EQ(ask(dial::dns_resolver{searching({"one.test"}).ndots(9)}, longest).addresses(), addresses({"127.0.0.1"}));
}

// --- resolv.conf ---

TEST_F(dns_resolver_names, are_looked_for_as_resolv_conf_says) {
    server.has({a("db.one.test", "127.0.0.1"), a("a.b.one.test", "127.0.0.2")});
    const std::string file =
        files.write("resolv.conf", "# a comment\nnameserver 127.0.0.1\nsearch one.test two.test\noptions ndots:2\n");
    dns_options with = dns_options().server(server.address()).hosts_file(false).resolv_conf(file);
    EXPECT_EQ(ask(dial::dns_resolver{with}, "db").addresses(), addresses({"127.0.0.1"}));
    EXPECT_EQ(ask(dial::dns_resolver{with}, "a.b").addresses(), addresses({"127.0.0.2"}));
    EXPECT_EQ(ask(dial::dns_resolver{with.ndots(1)}, "a.b").addresses(), addresses({"127.0.0.2"}))
        << "not as it is, so in the search domains";
    EXPECT_EQ(server.asked("a.b", v4), 1u) << "options go before";
}

TEST_F(dns_resolver_names, are_asked_for_as_often_as_resolv_conf_says) {
    server.on("silent.test", [](const dns_question&) { return silence(); });
    const std::string file = files.write("resolv.conf", "options timeout:1 attempts:1\n");
    const dial::dns_resolver names{
        dns_options().server(server.address()).hosts_file(false).search({}).resolv_conf(file)};
    answer none{success};
    const auto took = time_of([&] { none = ask(names, "silent.test"); });
    EXPECT_EQ(none.error(), try_again);
    EXPECT_EQ(server.asked("silent.test", v4), 1u);
    EXPECT_GE(took, 990ms);
    EXPECT_LT(took, 1900ms);
}

TEST_F(dns_resolver_names, are_looked_for_as_a_changed_resolv_conf_says) {
    server.has({a("db.one.test", "127.0.0.1"), a("db.two.test", "127.0.0.2")});
    const std::string file = files.write("resolv.conf", "search one.test\n");
    const dial::dns_resolver names{dns_options().server(server.address()).hosts_file(false).resolv_conf(file)};
    for (int i = 0; i != 5; ++i) {  // of the same size, within one tick of the file system's clock
        files.write("resolv.conf", "search one.test\n");
        EXPECT_EQ(ask(names, "db").addresses(), addresses({"127.0.0.1"}));
        files.write("resolv.conf", "search two.test\n");
        EXPECT_EQ(ask(names, "db").addresses(), addresses({"127.0.0.2"}));
    }
    std::filesystem::rename(files.write("new", "search one.test\n"), file);
    EXPECT_EQ(ask(names, "db").addresses(), addresses({"127.0.0.1"}));
    std::filesystem::remove(file);
    EXPECT_EQ(ask(names, "db.two.test").addresses(), addresses({"127.0.0.2"}));
}

TEST_F(dns_resolver_names, that_are_being_looked_up_survive_a_change_of_resolv_conf) {
    server.has({a("db.one.test", "127.0.0.1"), a("db.two.test", "127.0.0.2")});
    server.on("db.one.test", [&](const dns_question& q) { return dns_replies{{server.usual(q), 30ms}}; });
    const std::string file = files.write("resolv.conf", "search one.test\n");
    const dial::dns_resolver names{dns_options().server(server.address()).hosts_file(false).resolv_conf(file)};
    heard_answer first, second;
    dial::resolve(io, names, {"db", v4}, first.handler());
    ASSERT_TRUE(run_until_asked("db.one.test", v4));
    files.write("resolv.conf", "search two.test\n");
    dial::resolve(io, names, {"db", v4}, second.handler());
    run(io);
    EXPECT_EQ(first.given.addresses(), addresses({"127.0.0.1"}));
    EXPECT_EQ(second.given.addresses(), addresses({"127.0.0.2"}));
}

TEST_F(dns_resolver_names, need_no_resolv_conf) {
    server.has({a("name.test", "127.0.0.1")});
    for (const auto& path : {(files.path() / "missing").string(), files.path().string(), std::string{}}) {
        const dial::dns_resolver names{dns_options().server(server.address()).hosts_file(false).resolv_conf(path)};
        EXPECT_EQ(ask(names, "name.test").addresses(), addresses({"127.0.0.1"})) << path;
    }
}

TEST_F(dns_resolver_names, survive_a_resolv_conf_that_makes_no_sense) {
    server.has({a("name.test", "127.0.0.1")});
    for (const std::string& text :
        {std::string(100'000, 'x'), std::string(1000, '\0'), std::string{"search"},
            std::string{"nameserver\nnameserver x\noptions\noptions ndots: timeout:-1 attempts:0 ndots:999999999999\n"},
            "search " + std::string(70'000, 'x') + "\n", std::string{"\xff\xfe\n;\n#"}}) {
        const std::string file = files.write("resolv.conf", text);
        const dial::dns_resolver names{dns_options().server(server.address()).hosts_file(false).resolv_conf(file)};
        EXPECT_EQ(ask(names, "name.test.").addresses(), addresses({"127.0.0.1"})) << text.substr(0, 50);
    }
}

// The port of a nameserver in resolv.conf is 53, where a test can listen in a network of its own.
TEST_F(dns_resolver_names, are_asked_of_the_servers_in_resolv_conf) {
    if (const std::string why = why_no_network_namespace(); !why.empty()) GTEST_SKIP() << why;
    in_network_namespace([&](network_namespace&) {
        dns_server here{by_tcp::answers, "127.0.0.1", 53}, next{by_tcp::answers, "127.0.0.2", 53};
        here.has({a("db.one.test", "127.0.0.1")});
        next.has({a("db.one.test", "127.0.0.2")});
        asio::io_context own;
        const auto look_up = [&](const dial::dns_resolver& names) {
            heard_answer heard;
            dial::resolve(own, names, {"db", v4}, heard.handler());
            run(own);
            return heard.given;
        };
        const std::string file = files.write("resolv.conf", "nameserver 127.0.0.1\nsearch one.test\n");
        const dial::dns_resolver names{dns_options().hosts_file(false).resolv_conf(file)};
        EXPECT_EQ(look_up(names).source(), "127.0.0.1:53");
        files.write("resolv.conf", "nameserver 127.0.0.2\nsearch one.test\n");
        const answer changed = look_up(names);
        EXPECT_EQ(changed.source(), "127.0.0.2:53");
        EXPECT_EQ(changed.addresses(), addresses({"127.0.0.2"}));
        files.write("resolv.conf", "nameserver 127.0.0.9\nnameserver 127.0.0.2\nsearch one.test\n");
        EXPECT_EQ(look_up(names).source(), "127.0.0.2:53") << "nobody is at the first";
        files.write("resolv.conf", "search one.test\n");
        EXPECT_EQ(look_up(names).source(), "127.0.0.1:53") << "as resolv.conf(5) has it";
        EXPECT_EQ(look_up(dial::dns_resolver{dns_options().server("127.0.0.2").search({"one.test"}).resolv_conf(file)})
                      .source(),
            "127.0.0.2:53")
            << "a server without a port";
    });
}

// --- The hosts file ---

// A name that /etc/hosts has for 127.0.0.1.
std::optional<std::string> name_in_hosts_file() {
    std::ifstream file{"/etc/hosts"};
    for (std::string line; std::getline(file, line);) {
        std::istringstream words{line};
        std::string address, name;
        if (words >> address >> name && address == "127.0.0.1") return name;
    }
    return {};
}

TEST_F(dns_resolver_names, in_the_hosts_file_come_first) {
    const auto name = name_in_hosts_file();
    if (!name) GTEST_SKIP() << "/etc/hosts has no name for 127.0.0.1";
    const dial::dns_resolver names{asking(server).hosts_file(true).search({"one.test"})};
    const answer found = ask(names, *name);
    EXPECT_EQ(found.error(), success);
    ASSERT_FALSE(found.empty());
    EXPECT_EQ(found.addresses()[0], asio::ip::make_address("127.0.0.1"));
    EXPECT_EQ(found.source(), "hosts file");
    EXPECT_EQ(ask(names, *name, v6).error(), success);
    EXPECT_EQ(server.asked(), 0u);
}

TEST_F(dns_resolver_names, in_the_hosts_file_are_asked_for_where_that_is_off) {
    const auto name = name_in_hosts_file();
    if (!name) GTEST_SKIP() << "/etc/hosts has no name for 127.0.0.1";
    server.on(*name, [](const dns_question& q) {
        dns_message m;
        if (q.type == record_type::a) m.answers = {a(q.name, "127.0.0.9")};
        return dns_replies{m};
    });
    EXPECT_EQ(ask(*name).addresses(), addresses({"127.0.0.9"}));
}

TEST_F(dns_resolver_names, that_are_not_in_the_hosts_file_are_asked_for) {
    server.has({a("name.test", "127.0.0.1")});
    const answer found = ask(dial::dns_resolver{asking(server).hosts_file(true)}, "name.test");
    EXPECT_EQ(found.source(), server.address());
}

// --- dns_options ---

TEST(dns_options, takes_a_server_as_an_address_with_or_without_a_port) {
    EXPECT_EQ(dns_options()
                  .server("192.0.2.53")
                  .server("192.0.2.53:5300")
                  .server("2001:db8::53")
                  .server("[2001:db8::53]")
                  .server("[2001:db8::53]:5300")
                  .servers(),
        (std::vector<std::string>{
            "192.0.2.53:53", "192.0.2.53:5300", "[2001:db8::53]:53", "[2001:db8::53]:53", "[2001:db8::53]:5300"}));
    EXPECT_EQ(dns_options().server("[fe80::1%eth0]:53").servers(), std::vector<std::string>{"[fe80::1%eth0]:53"});
}

TEST(dns_options, throws_for_any_other_text) {
    const std::string bad[] = {"", ":", ":53", "name", "name:53", "192.0.2.53:", "192.0.2.53:0", "192.0.2.53:65536",
        "192.0.2.53:-1", "192.0.2.53:+1", "192.0.2.53:5x", "192.0.2.53: 53", " 192.0.2.53", "192.0.2", "192.0.2.256",
        "[192.0.2.53]:53", "[2001:db8::53", "2001:db8::53]", "[2001:db8::53]53", "[2001:db8::53]:", "[]:53", "[]", "[",
        "192.0.2.53,192.0.2.54", "fe80::1%", "[fe80::1%]:53", std::string("192.0.2.53\0", 11),
        std::string(100'000, '1')};
    for (const auto& text : bad) {
        dns_options with;
        EXPECT_THROW(with.server(text), std::invalid_argument) << text.substr(0, 50);
        EXPECT_TRUE(with.servers().empty());
    }
}

}  // namespace
}  // namespace dial::test
