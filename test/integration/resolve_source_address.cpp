// The source address that the kernel would use: on loopback, and where routes and addresses are the test's own.
#include <resolve/engine.hpp>
#include <resolve/source_address.hpp>

#include <support/loopback.hpp>
#include <support/network.hpp>

#include <gtest/gtest.h>
#include <net/if.h>
#include <boost/asio/ip/address.hpp>

#include <optional>
#include <ostream>
#include <string>
#include <vector>

namespace dial::resolve {

// For messages.
inline void PrintTo(const address& a, std::ostream* out) {
    boost::asio::ip::address_v6 v6{a.bytes, a.scope_id};
    if (v6.is_v4_mapped())
        *out << boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, v6);
    else
        *out << v6;
}

namespace {

using boost::asio::ip::make_address;
using test::in_network_namespace;
using test::network_namespace;
using test::open_descriptors;

std::optional<address> at(const std::string& text) {
    return from_asio(make_address(text));
}

struct source_prober : resolve::source_prober {
    std::optional<address> operator()(const std::string& to) { return source_for(*at(to)); }
};

bool has_ipv6_loopback() {
    return source_prober{}("::1").has_value();
}

// --- On loopback ---

TEST(source_address, an_ipv4_address_is_mapped_and_an_ipv6_address_keeps_its_scope_id) {
    EXPECT_TRUE(is_v4(from_asio(make_address("1.2.3.4"))));
    EXPECT_EQ(at("1.2.3.4"), at("::ffff:1.2.3.4"));
    boost::asio::ip::address_v6 link_local = boost::asio::ip::make_address_v6("fe80::1");
    link_local.scope_id(7);
    EXPECT_EQ(from_asio(link_local), (address{{0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 7}));
}

TEST(source_address, loopback_is_reached_from_loopback) {
    source_prober source_for;
    EXPECT_EQ(source_for("127.0.0.1"), at("127.0.0.1"));
    EXPECT_EQ(source_for("127.0.0.2"), at("127.0.0.1"));
    if (has_ipv6_loopback()) {
        EXPECT_EQ(source_for("::1"), at("::1"));
    }
}

TEST(source_address, a_mapped_address_is_reached_over_ipv4) {
    EXPECT_EQ(source_prober{}("::ffff:127.0.0.1"), at("127.0.0.1"));
}

TEST(source_address, one_socket_for_each_family_is_opened_when_needed_and_closed_at_the_end) {
    if (!has_ipv6_loopback()) GTEST_SKIP() << "no IPv6 here";
    const auto before = open_descriptors();
    {
        source_prober source_for;
        EXPECT_EQ(open_descriptors(), before);
        for (int i = 0; i != 10; ++i) source_for("127.0.0.1");
        EXPECT_EQ(open_descriptors(), before + 1);
        for (int i = 0; i != 10; ++i) source_for("::1");
        EXPECT_EQ(open_descriptors(), before + 2);
    }
    EXPECT_EQ(open_descriptors(), before);
}

// --- With addresses and routes of one's own ---

class source_address_namespace : public testing::Test {
protected:
    void SetUp() override {
        if (const std::string why = test::why_no_network_namespace(); !why.empty()) GTEST_SKIP() << why;
    }
};

// The names that network_namespace gives to its links.
unsigned first_link() {
    return ::if_nametoindex("near0");
}

address link_local(const std::string& text, unsigned interface) {
    address a = *at(text);
    a.scope_id = interface;
    return a;
}

TEST_F(source_address_namespace, without_a_route_there_is_no_source) {
    in_network_namespace([](network_namespace&) {
        source_prober source_for;
        EXPECT_EQ(source_for("198.51.100.1"), std::nullopt);
        EXPECT_EQ(source_for("2001:db8::1"), std::nullopt);
    });
}

TEST_F(source_address_namespace, a_route_that_refuses_is_no_route) {
    in_network_namespace([](network_namespace& network) {
        network.add_silent_link("10.1.0.1/24", "10.1.0.2");
        network.ip("route add default via 10.1.0.2");
        for (const char* type : {"unreachable", "prohibit", "blackhole"}) {
            network.ip(std::string{"route replace "} + type + " 198.51.100.1");
            EXPECT_EQ(source_prober{}("198.51.100.1"), std::nullopt) << type;
        }
        EXPECT_EQ(source_prober{}("198.51.100.2"), at("10.1.0.1"));
    });
}

TEST_F(source_address_namespace, each_ipv4_destination_has_the_source_of_its_route) {
    in_network_namespace([](network_namespace& network) {
        network.add_silent_link("10.1.0.1/24", "10.1.0.2");
        network.add_silent_link("10.2.0.1/24", "10.2.0.2");
        network.ip("route add 198.51.100.0/24 via 10.2.0.2 src 10.2.0.1");
        source_prober source_for;
        for (int round = 0; round != 2; ++round) {
            EXPECT_EQ(source_for("10.1.0.2"), at("10.1.0.1"));
            EXPECT_EQ(source_for("10.2.0.2"), at("10.2.0.1"));
            EXPECT_EQ(source_for("203.0.113.1"), std::nullopt);
            EXPECT_EQ(source_for("198.51.100.1"), at("10.2.0.1"));
            EXPECT_EQ(source_for("127.0.0.1"), at("127.0.0.1"));
        }
    });
}

TEST_F(source_address_namespace, each_ipv6_destination_has_the_source_of_its_route) {
    in_network_namespace([](network_namespace& network) {
        network.add_silent_link("2001:db8:1::1/64", "2001:db8:1::2");
        network.add_silent_link("fd00:2::1/64", "fd00:2::2");
        source_prober source_for;
        for (int round = 0; round != 2; ++round) {
            EXPECT_EQ(source_for("2001:db8:1::2"), at("2001:db8:1::1"));
            EXPECT_EQ(source_for("fd00:2::2"), at("fd00:2::1"));
            EXPECT_EQ(source_for("2001:db8:3::1"), std::nullopt);
            EXPECT_EQ(source_for("::1"), at("::1"));
        }
    });
}

TEST_F(source_address_namespace, a_link_local_destination_needs_its_interface_and_leaves_the_next_one_free_of_it) {
    in_network_namespace([](network_namespace& network) {
        network.add_silent_link("fe80::a/64", "fe80::b");
        network.add_silent_link("2001:db8:1::1/64", "2001:db8:1::2");
        source_prober source_for;
        EXPECT_EQ(source_for("fe80::b"), std::nullopt);
        const std::optional<address> source = source_for.source_for(link_local("fe80::b", first_link()));
        ASSERT_TRUE(source);
        EXPECT_EQ(scope_of(*source), 2);
        EXPECT_EQ(source->scope_id, first_link());
        EXPECT_EQ(source_for("2001:db8:1::2"), at("2001:db8:1::1"));
        EXPECT_EQ(source_for.source_for(link_local("fe80::b", 999)), std::nullopt);  // there is no such interface
        EXPECT_EQ(source_for("2001:db8:1::2"), at("2001:db8:1::1"));
    });
}

// What all of this is for.
TEST_F(source_address_namespace, what_the_kernel_says_puts_a_family_without_a_route_last) {
    in_network_namespace([](network_namespace& network) {
        network.add_silent_link("10.1.0.1/24", "10.1.0.2");
        network.ip("route add default via 10.1.0.2");
        source_prober source_for;
        std::vector<destination> all;
        for (const char* to : {"2001:db8::1", "198.51.100.2", "198.51.100.1"})
            all.push_back({.to = *at(to), .from = source_for(to)});
        EXPECT_EQ(order(all), (std::vector<std::size_t>{1, 2, 0}));

        network.add_silent_link("2001:db8:1::1/64", "2001:db8:1::2");
        network.ip("-6 route add default via 2001:db8:1::2");
        all[0].from = source_for("2001:db8::1");
        EXPECT_EQ(order(all), (std::vector<std::size_t>{0, 1, 2}));
    });
}

}  // namespace
}  // namespace dial::resolve
