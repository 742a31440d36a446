// The data of SVCB and HTTPS records: RFC 9460, its test vectors (appendix D), and what must not be in one.
#include <dns/svcb.hpp>
#include <support/dns_message_builder.hpp>
#include <support/resolvers.hpp>

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dial::test {
namespace {

using namespace std::string_literals;
using dns::read_binding;

dns_bytes param(std::uint16_t key, const dns_bytes& value) {
    return u16(key) + u16(static_cast<std::uint32_t>(value.size())) + value;
}

// In ServiceMode, of the host b.
std::optional<service_binding> with(const dns_bytes& params) {
    return read_binding(u16(1) + wire("b") + params);
}

std::string text_of(const dns_bytes& data) {
    const auto found = read_binding(data);
    return found ? found->to_string() : "malformed";
}
std::string text_with(const dns_bytes& params) {
    return text_of(u16(1) + wire("b") + params);
}

const auto h2 = param(1, label("h2"));
const auto four = address_data("192.0.2.1"), sixteen = address_data("2001:db8::1");

constexpr auto foo_example_com = "03 66 6f 6f 07 65 78 61 6d 70 6c 65 03 63 6f 6d 00 ";
constexpr auto foo_example_org = "03 66 6f 6f 07 65 78 61 6d 70 6c 65 03 6f 72 67 00 ";

// --- RFC 9460 appendix D ---

TEST(dns_svcb, figure_2_alias_mode) {
    const auto b = read_binding(hex("00 00"s + foo_example_com));
    ASSERT_TRUE(b);
    EXPECT_EQ(b->priority, 0);
    EXPECT_EQ(b->host, "foo.example.com");
    EXPECT_EQ(b->to_string(), "0 foo.example.com.");
}

TEST(dns_svcb, figure_3_the_root_as_host) {
    const auto b = read_binding(hex("00 01 00"));
    ASSERT_TRUE(b);
    EXPECT_EQ(b->priority, 1);
    EXPECT_EQ(b->host, ".");
    EXPECT_EQ(b->to_string(), "1 .");
}

TEST(dns_svcb, figure_4_a_port) {
    const auto b = read_binding(hex("00 10"s + foo_example_com + "00 03 00 02 00 35"));
    ASSERT_TRUE(b);
    EXPECT_EQ(b->priority, 16);
    EXPECT_EQ(b->port, 53);
    EXPECT_EQ(b->to_string(), "16 foo.example.com. port=53");
}

TEST(dns_svcb, figures_5_and_6_keys_that_nobody_knows_are_passed_over) {
    for (const auto params : {"02 9b 00 05 68 65 6c 6c 6f", "02 9b 00 09 68 65 6c 6c 6f d2 71 6f 6f"}) {
        const auto b = read_binding(hex("00 01"s + foo_example_com + params));
        ASSERT_TRUE(b);
        EXPECT_TRUE(b->understood);
        EXPECT_EQ(b->to_string(), "1 foo.example.com.");
    }
}

TEST(dns_svcb, figures_7_and_8_ipv6_hints) {
    const auto two = read_binding(hex("00 01"s + foo_example_com +
        "00 06 00 20 20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01 20 01 0d b8 00 00 00 00 00 00 00 00 00 53 00 01"));
    ASSERT_TRUE(two);
    EXPECT_EQ(two->hints, addresses({"2001:db8::1", "2001:db8::53:1"}));
    EXPECT_EQ(two->to_string(), "1 foo.example.com. ipv6hint=2001:db8::1,2001:db8::53:1");

    EXPECT_EQ(text_of(hex("00 01 07 65 78 61 6d 70 6c 65 03 63 6f 6d 00"
                          "00 06 00 10 20 01 0d b8 01 22 03 44 00 00 00 00 c0 00 02 21")),
        "1 example.com. ipv6hint=2001:db8:122:344::c000:221");
}

TEST(dns_svcb, figure_9_mandatory_keys) {
    const auto b = read_binding(hex("00 10"s + foo_example_org +
        "00 00 00 04 00 01 00 04 00 01 00 09 02 68 32 05 68 33 2d 31 39 00 04 00 04 c0 00 02 01"));
    ASSERT_TRUE(b);
    EXPECT_TRUE(b->understood);
    EXPECT_EQ(b->alpn, (std::vector{"h2"s, "h3-19"s}));
    EXPECT_EQ(b->to_string(), "16 foo.example.org. alpn=h2,h3-19 ipv4hint=192.0.2.1");
}

TEST(dns_svcb, figure_10_a_comma_and_a_backslash_in_a_protocol_id) {
    const auto b = read_binding(hex("00 10"s + foo_example_org + "00 01 00 0c 08 66 5c 6f 6f 2c 62 61 72 02 68 32"));
    ASSERT_TRUE(b);
    EXPECT_EQ(b->alpn, (std::vector{"f\\oo,bar"s, "h2"s}));
    EXPECT_EQ(b->to_string(), "16 foo.example.org. alpn=f\\\\\\\\oo\\\\,bar,h2");
}

TEST(dns_svcb, figures_11_to_16_are_malformed) {
    const struct {
        std::string_view figure;
        dns_bytes params;
    } table[] = {
        {"11: a key twice", param(123, raw("abc")) + param(123, raw("def"))},
        {"12: mandatory without a value", param(0, {})},
        {"12: alpn without a value", param(1, {})},
        {"12: port without a value", param(3, {})},
        {"12: ipv4hint without a value", param(4, {})},
        {"12: ipv6hint without a value", param(6, {})},
        {"13: no-default-alpn with a value", param(2, raw("abc"))},
        {"13: no-default-alpn with a value, beside alpn", h2 + param(2, raw("abc"))},
        {"14: a mandatory key is missing", param(0, u16(123))},
        {"15: mandatory is mandatory", param(0, u16(0))},
        {"16: a mandatory key twice", param(0, u16(123) + u16(123)) + param(123, raw("abc"))},
    };
    for (const auto& [figure, params] : table) EXPECT_FALSE(with(params)) << figure;
}

// --- Malformed ---

TEST(dns_svcb, data_that_ends_too_early_anywhere_is_malformed) {
    const auto whole = u16(1) + wire("b.example") + param(0, u16(1)) + h2 + param(2, {}) + param(3, u16(80)) +
        param(4, four) + param(6, sixteen) + param(7, raw("x"));
    ASSERT_TRUE(read_binding(whole));
    std::size_t well_formed = 0;
    for (std::size_t size = 0; size != whole.size(); ++size) {
        const dns_bytes part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
        well_formed += read_binding(part).has_value();
    }
    EXPECT_EQ(well_formed, 6u) << "between its parameters, but not after mandatory=alpn";
}

TEST(dns_svcb, keys_that_do_not_rise_are_malformed) {
    EXPECT_TRUE(with(h2 + param(3, u16(80)) + param(100, {}) + param(0xffff, {})));
    EXPECT_FALSE(with(param(3, u16(80)) + h2));
    EXPECT_FALSE(with(h2 + h2));
    EXPECT_FALSE(with(param(100, {}) + param(99, {})));
    EXPECT_FALSE(with(param(4, four) + param(0, u16(4))));
}

TEST(dns_svcb, a_host_that_is_compressed_or_no_name_is_malformed) {
    EXPECT_FALSE(read_binding(u16(1) + pointer(0)));
    EXPECT_FALSE(read_binding(u16(1) + label("b") + pointer(2)));
    EXPECT_FALSE(read_binding(u16(0) + raw("\x40" + std::string(64, 'a')) + dns_bytes{0}));
    EXPECT_FALSE(read_binding(u16(1)));
    EXPECT_FALSE(read_binding({}));
}

TEST(dns_svcb, mandatory_keys_are_there_in_rising_order_and_not_the_key_itself) {
    const auto two = param(98, {}) + param(99, raw("x"));
    EXPECT_TRUE(with(param(0, u16(98) + u16(99)) + two));
    EXPECT_TRUE(with(param(0, u16(99)) + two));
    EXPECT_FALSE(with(param(0, u16(99) + u16(98)) + two));
    EXPECT_FALSE(with(param(0, u16(97) + u16(99)) + two));
    EXPECT_FALSE(with(param(0, u16(98) + u16(100)) + two));
    EXPECT_FALSE(with(param(0, u16(0) + u16(98)) + two));
    EXPECT_FALSE(with(param(0, u16(98) + dns_bytes{0}) + two)) << "half a key";
}

TEST(dns_svcb, protocol_ids_have_a_byte_at_least_and_fill_their_value) {
    EXPECT_FALSE(with(param(1, label(""))));
    EXPECT_FALSE(with(param(1, label("h2") + label(""))));
    EXPECT_FALSE(with(param(1, label("h2") + raw("\3h3"))));
    const std::string longest(255, '\xff');
    EXPECT_EQ(with(param(1, label(longest)))->alpn, std::vector{longest});
}

TEST(dns_svcb, no_default_alpn_needs_alpn) {
    EXPECT_FALSE(with(param(2, {})));
    const auto b = with(h2 + param(2, {}));
    ASSERT_TRUE(b);
    EXPECT_TRUE(b->no_default_alpn);
    EXPECT_FALSE(with(h2)->no_default_alpn);
}

TEST(dns_svcb, a_port_has_two_bytes) {
    EXPECT_EQ(with(param(3, u16(65535)))->port, 65535);
    EXPECT_EQ(with(param(3, u16(0)))->port, 0);
    EXPECT_EQ(with({})->port, std::nullopt);
    EXPECT_FALSE(with(param(3, raw("x"))));
    EXPECT_FALSE(with(param(3, raw("xyz"))));
}

TEST(dns_svcb, hints_are_whole_addresses) {
    EXPECT_EQ(
        with(param(4, four + four) + param(6, sixteen))->hints, addresses({"192.0.2.1", "192.0.2.1", "2001:db8::1"}));
    EXPECT_FALSE(with(param(4, four + raw("x"))));
    EXPECT_FALSE(with(param(6, four)));
    EXPECT_FALSE(with(param(6, sixteen + four)));
}

// --- What is made of it ---

TEST(dns_svcb, is_not_understood_where_a_key_that_dial_does_not_know_is_mandatory) {
    const auto all_known = h2 + param(2, {}) + param(3, u16(80)) + param(4, four) + param(6, sixteen);
    EXPECT_TRUE(with(param(0, u16(1) + u16(2) + u16(3) + u16(4) + u16(6)) + all_known)->understood);
    EXPECT_FALSE(with(param(0, u16(1) + u16(7)) + h2 + param(7, raw("/dns-query{?dns}")))->understood);
    EXPECT_FALSE(with(param(0, u16(5)) + param(5, raw("ech")))->understood) << "dial encrypts no ClientHello";
    EXPECT_TRUE(with(h2 + param(5, raw("ech")) + param(7, raw("x")))->understood);
}

TEST(dns_svcb, in_alias_mode_what_follows_the_host_is_ignored) {
    const auto b = read_binding(u16(0) + wire("b.example") + param(0, u16(9)) + h2 + raw("x"));
    ASSERT_TRUE(b);
    EXPECT_TRUE(b->understood);
    EXPECT_EQ(b->to_string(), "0 b.example.");
    EXPECT_EQ(text_of(u16(0) + wire("")), "0 .");
}

TEST(dns_svcb, has_64_protocol_ids_and_64_hints_at_most) {
    dns_bytes ids, v4, v6;
    for (int i = 0; i != 100; ++i) {
        ids = ids + label("h" + std::to_string(i));
        v4 = v4 + four;
        v6 = v6 + sixteen;
    }
    const auto b = with(param(1, ids) + param(4, v4) + param(6, v6));
    ASSERT_TRUE(b);
    EXPECT_EQ(b->alpn.size(), 64u);
    EXPECT_EQ(b->hints.size(), 64u);
    EXPECT_FALSE(with(param(1, ids + label("")))) << "what is not taken is looked at all the same";
}

// --- As text ---

TEST(dns_svcb, to_string_is_as_zone_files_have_it) {
    EXPECT_EQ(text_with({}), "1 b.");
    EXPECT_EQ(text_with(param(1, label("h2") + label("h3")) + param(2, {}) + param(3, u16(8443)) +
                  param(4, four + address_data("192.0.2.2")) + param(6, sixteen)),
        "1 b. alpn=h2,h3 no-default-alpn port=8443 ipv4hint=192.0.2.1,192.0.2.2 ipv6hint=2001:db8::1");
}

TEST(dns_svcb, to_string_has_escapes_for_what_is_not_printable_or_has_a_meaning) {
    EXPECT_EQ(text_with(param(1, label("a b\n\x7f\xff"))), "1 b. alpn=a\\032b\\010\\127\\255");
    EXPECT_EQ(text_with(param(1, label("\"();"))), "1 b. alpn=\\\"\\(\\)\\;");
    EXPECT_EQ(text_with(param(1, dns_bytes{1, 0})), "1 b. alpn=\\000");
    EXPECT_EQ(text_of(u16(1) + label("a.\xc3\xa4;") + wire("b")), "1 a\\046\\195\\164\\059.b.");
    service_binding odd;
    odd.host = "a b\"";
    EXPECT_EQ(odd.to_string(), "0 a\\032b\\034.");
    EXPECT_EQ(service_binding{}.to_string(), "0 .");
}

}  // namespace
}  // namespace dial::test
