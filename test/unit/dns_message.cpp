// What a DNS server's reply says.
#include <dns/message.hpp>
#include <dns/name.hpp>
#include <support/dns_message_builder.hpp>
#include <support/resolvers.hpp>

#include <boost/asio/error.hpp>

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dial::test {
namespace {

namespace netdb = boost::asio::error;
using namespace std::chrono_literals;
using namespace std::string_literals;
using dns::read_answer;
using dns::read_header;
using ttl = std::optional<duration>;

const auto at_question = pointer(12);
const auto ten_dot_one = address_data("10.0.0.1");

answer read_a(const dns_bytes& message, std::string_view name = "a.example") {
    return read_answer(message, name, record_type::a);
}

// A reply to the question for the IPv4 addresses of a.example.
dns_message reply() {
    return {"a.example", record_type::a};
}

void expect_addresses(const answer& got, std::initializer_list<const char*> texts, ttl kept) {
    EXPECT_EQ(got.error(), error_code{});
    EXPECT_EQ(got.addresses(), addresses(texts));
    EXPECT_EQ(got.ttl(), kept);
}

void expect_error(const answer& got, netdb::netdb_errors error, ttl kept = {}) {
    EXPECT_EQ(got.error(), error);
    EXPECT_TRUE(got.empty());
    EXPECT_EQ(got.ttl(), kept);
}

void expect_nothing(const answer& got, ttl kept = {}) {
    EXPECT_EQ(got.error(), error_code{});
    EXPECT_TRUE(got.empty());
    EXPECT_EQ(got.ttl(), kept);
}

service_binding binding(std::uint16_t priority, std::string host) {
    service_binding b;
    b.priority = priority;
    b.host = std::move(host);
    return b;
}

// --- Messages as another program (dnspython) writes them ---

TEST(dns_message, addresses_behind_a_cname_come_with_the_smallest_ttl) {
    expect_addresses(read_a(hex("12348180000100030000000103777777076578616d706c650000010001c00c000500010000025800"
                                "0a037765620363646ec010c029000100010000003c0004c0000201c029000100010000003c0004c0"
                                "00020200002904d0000000000000"),
                         "www.example"),
        {"192.0.2.1", "192.0.2.2"}, 60s);
}

TEST(dns_message, ipv6_addresses) {
    expect_addresses(read_answer(hex("12348180000100010000000103777777076578616d706c6500001c0001c00c001c00010000003c00"
                                     "1020010db800000000000000000000000100002904d0000000000000"),
                         "www.example", record_type::aaaa),
        {"2001:db8::1"}, 60s);
}

TEST(dns_message, srv_records_and_their_compressed_hosts) {
    const auto got = read_answer(hex("123481800001000200000001055f696d6170045f746370076578616d706c650000210001c00c0021"
                                     "00010000012c000f000a003c008f0161046d61696cc017c00c002100010000012c000a0014000000"
                                     "8f0162c03800002904d0000000000000"),
        "_imap._tcp.example", record_type::srv);
    EXPECT_EQ(
        got.services(), (std::vector<service_record>{{10, 60, 143, "a.mail.example"}, {20, 0, 143, "b.mail.example"}}));
    EXPECT_EQ(got.ttl(), ttl{300s});
}

TEST(dns_message, https_and_svcb_records) {
    const auto https =
        read_answer(hex("123481800001000200000001076578616d706c650000410001c00c004100010000012c0029000100"
                        "0001000602683202683300040004c00002010006001020010db80000000000000000000000"
                        "01c00c004100010000012c0020000203616c74076578616d706c65000001000302683200020000000"
                        "3000220fb00002904d0000000000000"),
            "example", record_type::https);
    ASSERT_EQ(https.bindings().size(), 2u);
    EXPECT_EQ(https.bindings()[0].to_string(), "1 . alpn=h2,h3 ipv4hint=192.0.2.1 ipv6hint=2001:db8::1");
    EXPECT_EQ(https.bindings()[1].to_string(), "2 alt.example. alpn=h2 no-default-alpn port=8443");
    EXPECT_EQ(https.ttl(), ttl{300s});

    const auto svcb = read_answer(hex("123481800001000100000001045f646e73076578616d706c650000400001c00c0040000100001c20"
                                      "000f000003737663076578616d706c650000002904d0000000000000"),
        "_dns.example", record_type::svcb);
    EXPECT_EQ(svcb.bindings(), (std::vector{binding(0, "svc.example")}));
    EXPECT_EQ(svcb.ttl(), ttl{7200s});
}

TEST(dns_message, no_such_name_is_kept_as_long_as_the_soa_record_says) {
    expect_error(read_a(hex("123481830001000000010001026e78076578616d706c650000010001c00f0006000100000e100021"
                            "026e73c00f0561646d696ec00f0000000100001c2000000384000151800000012c00002904d00000"
                            "00000000"),
                     "nx.example"),
        netdb::host_not_found, 300s);
}

TEST(dns_message, none_of_this_type_is_no_error_and_kept_as_the_soa_record_says) {
    expect_nothing(read_answer(hex("1234818000010000000100010276340765786"
                                   "16d706c6500001c0001c00f0006000100000e100021026e73c00f0561646d696ec00f000000010000"
                                   "1c2000000384000151800000012c00002904d0000000000000"),
                       "v4.example", record_type::aaaa),
        300s);
}

TEST(dns_message, what_a_dname_makes_of_a_name_is_there_as_a_cname) {
    expect_addresses(read_a(hex("1234818000010003000000010178036f6c64076578616d706c650000010001c00e00270001000001"
                                "f4000d036e6577076578616d706c6500c00c00050001000001f400080178036e6577c012c0440001"
                                "0001000001900004c000020900002904d0000000000000"),
                         "x.old.example"),
        {"192.0.2.9"}, 400s);
}

// --- TTL ---

TEST(dns_message, ttl_is_the_smallest_of_what_the_answer_is_made_of) {
    expect_addresses(read_a(reply()
                                .answer(wire("other.example"), dns_type::a, 1, ten_dot_one)
                                .answer(at_question, dns_type::txt, 1, label("t"))
                                .answer(at_question, dns_type::cname, 50, wire("b.example"))
                                .answer(wire("b.example"), dns_type::a, 70, ten_dot_one)
                                .answer(wire("b.example"), dns_type::a, 60, address_data("10.0.0.2"))
                                .build()),
        {"10.0.0.1", "10.0.0.2"}, 50s);
    expect_addresses(read_a(reply().answer(at_question, dns_type::a, 0, ten_dot_one).build()), {"10.0.0.1"}, 0s);
    expect_addresses(
        read_a(reply().answer(at_question, dns_type::a, 0x7fffffff, ten_dot_one).build()), {"10.0.0.1"}, 2147483647s);
}

TEST(dns_message, ttl_with_the_top_bit_set_is_zero) {
    expect_addresses(
        read_a(reply().answer(at_question, dns_type::a, 0x80000000, ten_dot_one).build()), {"10.0.0.1"}, 0s);
    expect_addresses(
        read_a(reply().answer(at_question, dns_type::a, 0xffffffff, ten_dot_one).build()), {"10.0.0.1"}, 0s);
    expect_nothing(read_a(reply().soa(300, 0x80000000).build()), 0s);
    expect_nothing(read_a(reply().soa(0xffffffff, 300).build()), 0s);
}

TEST(dns_message, negative_ttl_is_the_smaller_of_the_soa_records_ttl_and_its_minimum) {
    expect_nothing(read_a(reply().soa(300, 60).build()), 60s);
    expect_nothing(read_a(reply().soa(60, 300).build()), 60s);
    expect_nothing(read_a(reply().soa(60, 300).soa(10, 10).build()), 60s);  // there should be one
    expect_error(read_a(reply().rcode(3).soa(300, 60).build()), netdb::host_not_found, 60s);
    expect_error(read_a(reply().rcode(3).soa(60, 300).build()), netdb::host_not_found, 60s);
}

TEST(dns_message, negative_ttl_is_none_without_a_soa_record_in_the_authority_section) {
    expect_nothing(read_a(reply().build()));
    expect_nothing(read_a(reply().authority(wire("example"), dns_type::ns, 60, wire("ns.example")).build()));
    expect_nothing(read_a(reply().answer(wire("example"), dns_type::soa, 60, soa_data(60)).build()));
    expect_nothing(read_a(reply().additional(wire("example"), dns_type::soa, 60, soa_data(60)).build()));
    expect_nothing(read_a(reply().answer(at_question, dns_type::cname, 60, wire("b.example")).build()));
    expect_error(read_a(reply().rcode(3).build()), netdb::host_not_found);
}

TEST(dns_message, negative_ttl_counts_the_cnames_on_the_way) {
    const auto cname = [](std::uint32_t t) {
        return reply().answer(at_question, dns_type::cname, t, wire("b.example")).soa(300, 300);
    };
    expect_nothing(read_a(cname(60).build()), 60s);
    expect_nothing(read_a(cname(600).build()), 300s);
    expect_error(read_a(cname(60).rcode(3).build()), netdb::host_not_found, 60s);
}

// --- Errors ---

TEST(dns_message, rcodes_are_errors) {
    for (unsigned code = 0; code != 16; ++code) {
        const auto got = read_a(reply().rcode(code).answer(at_question, dns_type::a, 60, ten_dot_one).build());
        if (code == 0)
            expect_addresses(got, {"10.0.0.1"}, 60s);
        else
            expect_error(got,
                code == 2       ? netdb::host_not_found_try_again
                    : code == 3 ? netdb::host_not_found
                                : netdb::no_recovery);
    }
}

TEST(dns_message, rcodes_have_more_bits_in_the_opt_record) {
    const auto bad_version = reply().additional(wire(""), dns_type::opt, 0x01000000, {}, 1232).build();
    expect_error(read_a(bad_version), netdb::no_recovery);
    const auto with_do_bit = reply().additional(wire(""), dns_type::opt, 0x00008000, {}, 1232);
    expect_nothing(read_a(with_do_bit.build()));
}

TEST(dns_message, no_such_name_behind_a_cname_is_no_such_name) {
    expect_error(read_a(reply()
                            .rcode(3)
                            .answer(at_question, dns_type::cname, 60, wire("b.example"))
                            .answer(wire("b.example"), dns_type::a, 60, ten_dot_one)
                            .build()),
        netdb::host_not_found);
}

TEST(dns_message, that_is_no_reply_to_the_question_is_refused) {
    const auto a = [](dns_message m) { return m.answer(wire("a.example"), dns_type::a, 60, ten_dot_one).build(); };
    expect_error(read_a(a(reply().flags(0x0180))), netdb::no_recovery);  // a query
    expect_error(read_a(a(reply().flags(0xa180))), netdb::no_recovery);  // opcode NOTIFY
    expect_error(read_a(a({"b.example", record_type::a})), netdb::no_recovery);
    expect_error(read_a(a({"a.example.example", record_type::a})), netdb::no_recovery);
    expect_error(read_a(a({"a.example", record_type::aaaa})), netdb::no_recovery);
    const auto question = wire("a.example") + u16(1) + u16(1);
    expect_error(read_a(a(reply().questions(wire("a.example") + u16(1) + u16(3), 1))), netdb::no_recovery);  // class CH
    expect_error(read_a(a(reply().questions(question + question, 2))), netdb::no_recovery);
    expect_error(read_a(a(reply().questions(question, 0))), netdb::no_recovery);
    expect_addresses(read_a(a(reply().questions(question, 1))), {"10.0.0.1"}, 60s);
}

TEST(dns_message, may_leave_out_the_question) {
    expect_error(read_a(reply().questions({}, 0).rcode(2).build()), netdb::host_not_found_try_again);
    expect_error(read_a(reply().questions({}, 0).rcode(5).build()), netdb::no_recovery);
    expect_nothing(read_a(reply().questions({}, 0).build()));
}

TEST(dns_message, that_is_truncated_before_any_record_says_nothing) {
    expect_error(read_a(reply().flags(0x8380).build()), netdb::host_not_found_try_again);
    expect_error(read_a(reply().flags(0x8383).build()), netdb::host_not_found);
    expect_addresses(
        read_a(reply().flags(0x8380).answer(at_question, dns_type::a, 60, ten_dot_one).build()), {"10.0.0.1"}, 60s);
}

TEST(dns_message, a_name_that_is_none_has_no_answer) {
    const auto message = reply().questions({}, 0).answer(wire("a.example"), dns_type::a, 60, ten_dot_one).build();
    for (const auto& name :
        {""s, ".a.example"s, "a..example"s, "a.example.."s, std::string(64, 'a'), "a\\"s, "a\\25"s, "a\\256"s})
        expect_error(read_a(message, name), netdb::no_recovery);
    EXPECT_EQ(read_answer(message, "a.example", static_cast<record_type>(16)).error(), netdb::no_recovery);
}

// --- Chains ---

TEST(dns_message, names_differ_not_by_case_nor_by_a_final_dot) {
    const auto message = reply()
                             .answer(wire("A.Example"), dns_type::cname, 60, wire("B.eXample"))
                             .answer(wire("b.EXAMPLE"), dns_type::a, 60, ten_dot_one)
                             .build();
    for (const auto name : {"a.example", "A.EXAMPLE", "a.example.", "\\097.ex\\ample"})
        expect_addresses(read_a(message, name), {"10.0.0.1"}, 60s);
}

TEST(dns_message, cnames_may_come_in_any_order) {
    expect_addresses(read_a(reply()
                                .answer(wire("d.example"), dns_type::a, 60, ten_dot_one)
                                .answer(wire("c.example"), dns_type::cname, 60, wire("d.example"))
                                .answer(at_question, dns_type::cname, 60, wire("b.example"))
                                .answer(wire("b.example"), dns_type::cname, 60, wire("c.example"))
                                .build()),
        {"10.0.0.1"}, 60s);
}

// The names n0 to n`aliases`, each a CNAME for the next, which has the address.
dns_message chain(std::size_t aliases) {
    dns_message m{"n0", record_type::a};
    for (std::size_t i = aliases; i-- != 0;)
        m.answer(wire("n" + std::to_string(i)), dns_type::cname, 60, wire("n" + std::to_string(i + 1)));
    return m.answer(wire("n" + std::to_string(aliases)), dns_type::a, 60, ten_dot_one);
}

TEST(dns_message, cnames_over_16_and_loops_are_refused) {
    expect_addresses(read_a(chain(16).build(), "n0"), {"10.0.0.1"}, 60s);
    expect_error(read_a(chain(17).build(), "n0"), netdb::no_recovery);
    expect_error(read_a(chain(17).rcode(3).build(), "n0"), netdb::no_recovery);
    expect_error(read_a(reply().answer(at_question, dns_type::cname, 60, at_question).build()), netdb::no_recovery);
    expect_error(read_a(reply()
                            .answer(at_question, dns_type::cname, 60, wire("b.example"))
                            .answer(wire("b.example"), dns_type::cname, 60, at_question)
                            .answer(wire("b.example"), dns_type::a, 60, ten_dot_one)
                            .build()),
        netdb::no_recovery);
}

TEST(dns_message, records_of_other_names_types_and_classes_are_passed_over) {
    expect_addresses(read_a(reply()
                                .answer(wire("b.example"), dns_type::a, 60, ten_dot_one)
                                .answer(wire("b.example"), dns_type::a, 60, raw("not four bytes"))
                                .answer(wire("b.example"), dns_type::cname, 60, wire("a.example"))
                                .answer(at_question, dns_type::aaaa, 60, address_data("::1"))
                                .answer(at_question, dns_type::a, 60, address_data("10.0.0.3"), 3)
                                .answer(at_question, dns_type::cname, 60, wire("c.example"), 3)
                                .answer(at_question, 0xff01, 60, raw("what is that"))
                                .answer(at_question, dns_type::a, 60, address_data("10.0.0.2"))
                                .authority(at_question, dns_type::a, 60, ten_dot_one)
                                .additional(at_question, dns_type::a, 60, ten_dot_one)
                                .build()),
        {"10.0.0.2"}, 60s);
}

TEST(dns_message, has_64_records_at_most_and_each_once) {
    dns_message many{"a.example", record_type::a};
    for (std::uint32_t i = 0; i != 200; ++i) many.answer(at_question, dns_type::a, 60, u32(0x0a000000 + i / 2));
    const auto got = read_a(many.build());
    ASSERT_EQ(got.addresses().size(), 64u);
    for (std::uint32_t i = 0; i != 64; ++i) EXPECT_EQ(got.addresses()[i].to_v4().to_uint(), 0x0a000000 + i);

    dns_message services{"a.example", record_type::srv};
    for (std::uint32_t i = 0; i != 200; ++i)
        services.answer(at_question, dns_type::srv, 60, service_data({1, 1, static_cast<std::uint16_t>(i / 2), "b"}));
    EXPECT_EQ(read_answer(services.build(), "a.example", record_type::srv).services().size(), 64u);

    dns_message bindings{"a.example", record_type::https};
    for (std::uint32_t i = 0; i != 200; ++i) bindings.answer(at_question, dns_type::https, 60, u16(i / 2) + wire("b"));
    EXPECT_EQ(read_answer(bindings.build(), "a.example", record_type::https).bindings().size(), 64u);
}

// --- Malformed ---

TEST(dns_message, that_ends_too_early_anywhere_is_refused) {
    const auto whole = reply()
                           .answer(at_question, dns_type::cname, 60, wire("b.example"))
                           .answer(wire("b.example"), dns_type::a, 60, ten_dot_one)
                           .soa(60, 60)
                           .additional(wire(""), dns_type::opt, 0, {}, 1232)
                           .build();
    expect_addresses(read_a(whole), {"10.0.0.1"}, 60s);
    for (std::size_t size = 0; size != whole.size(); ++size) {
        const dns_bytes part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
        EXPECT_EQ(read_a(part).error(), netdb::no_recovery) << size;
    }
}

TEST(dns_message, data_of_a_wrong_size_is_refused) {
    const auto with = [](record_type type, const dns_bytes& data) {
        return read_answer(
            dns_message{"a.example", type}.answer(at_question, static_cast<std::uint16_t>(type), 60, data).build(),
            "a.example", type);
    };
    const auto four = ten_dot_one, sixteen = address_data("::1"), srv = service_data({1, 2, 3, "b.example"});
    for (const auto& data : {dns_bytes{}, four + four, raw("abc"), raw("abcde")})
        expect_error(with(record_type::a, data), netdb::no_recovery);
    for (const auto& data : {dns_bytes{}, four, sixteen + sixteen})
        expect_error(with(record_type::aaaa, data), netdb::no_recovery);
    for (const auto& data : {dns_bytes{}, u16(1) + u16(2) + u16(3), srv + dns_bytes{0}, raw("abcdef\4bcd")})
        expect_error(with(record_type::srv, data), netdb::no_recovery);
    EXPECT_EQ(with(record_type::srv, srv).services().size(), 1u);

    for (const auto& data : {dns_bytes{}, wire("b") + dns_bytes{0}, raw("\1b")})
        expect_error(read_a(reply().answer(at_question, dns_type::cname, 60, data).build()), netdb::no_recovery);
    for (const auto& data : {dns_bytes{}, raw("abc"), soa_data(1) + dns_bytes{0}})
        expect_error(read_a(reply().authority(wire(""), dns_type::soa, 60, data).build()), netdb::no_recovery);
}

TEST(dns_message, one_malformed_binding_is_enough_to_refuse_all_of_its_name) {
    dns_message m{"a.example", record_type::https};
    m.answer(at_question, dns_type::https, 60, u16(1) + wire("b.example"));
    m.answer(wire("b.example"), dns_type::https, 60, raw("x"));  // of another name
    EXPECT_EQ(
        read_answer(m.build(), "a.example", record_type::https).bindings(), (std::vector{binding(1, "b.example")}));
    for (std::uint16_t i = 2; i != 80; ++i) m.answer(at_question, dns_type::https, 60, u16(i) + wire("b.example"));
    m.answer(at_question, dns_type::https, 60, u16(1) + pointer(12));  // a compressed name, beyond those that are taken
    expect_error(read_answer(m.build(), "a.example", record_type::https), netdb::no_recovery);
}

TEST(dns_message, has_a_header) {
    const auto h = read_header(reply().flags(0x8383).answer(at_question, dns_type::a, 60, ten_dot_one).build());
    ASSERT_TRUE(h);
    EXPECT_EQ(h->id, 0x1234);
    EXPECT_TRUE(h->response && h->truncated);
    EXPECT_EQ(h->opcode, 0u);
    EXPECT_EQ(h->rcode, 3u);
    EXPECT_EQ(h->records, (std::array<std::uint16_t, 4>{1, 1, 0, 0}));
    EXPECT_FALSE(read_header(hex("1234 0000 0000 0000 0000 00")));
    EXPECT_EQ(read_header(hex("1234 7900 0000 0000 0000 0000"))->opcode, 15u);
}

// --- Work ---

// As large as a message can be, and made to cost as much as it can.
TEST(dns_message, that_is_huge_is_read_quickly) {
    const auto timed = [](const dns_bytes& message, std::string_view name, record_type type) {
        EXPECT_LE(message.size(), 65535u);
        const auto begin = std::chrono::steady_clock::now();
        const auto got = read_answer(message, name, type);
        EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
        return got;
    };
    std::string longest;  // 253 characters
    for (int i = 0; i != 127; ++i) longest += i == 0 ? "a" : ".a";

    dns_message addresses{longest, record_type::a};
    for (std::uint32_t i = 0; i != 4000; ++i) addresses.answer(at_question, dns_type::a, 60, u32(i));
    EXPECT_EQ(timed(addresses.build(), longest, record_type::a).addresses().size(), 64u);

    dns_message aliases{longest, record_type::a};  // all of one name, and each record in the way of all others
    for (std::uint32_t i = 0; i != 4500; ++i) aliases.answer(at_question, dns_type::cname, 60, pointer(14));
    EXPECT_FALSE(timed(aliases.build(), longest, record_type::a).error());

    dns_message bindings{longest, record_type::https};
    for (std::uint32_t i = 0; i != 4200; ++i) bindings.answer(at_question, dns_type::https, 60, u16(i) + wire(""));
    EXPECT_EQ(timed(bindings.build(), longest, record_type::https).bindings().size(), 64u);

    dns_message pointers{"a", record_type::a};  // to pointers to pointers to a name, which is in the first record
    dns_bytes ladder = wire("a");
    for (std::size_t i = 0; i != 126; ++i) ladder = std::move(ladder) + pointer(i == 0 ? 31 : 32 + 2 * i);
    pointers.answer(at_question, dns_type::txt, 60, ladder);
    for (std::uint32_t i = 0; i != 4000; ++i) pointers.answer(pointer(34 + 2 * 125), dns_type::a, 60, u32(i));
    EXPECT_EQ(timed(pointers.build(), "a", record_type::a).addresses().size(), 64u);
}

TEST(dns_message, begins_with_a_header_and_questions_that_can_be_read) {
    std::vector<unsigned char> query{0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'a', 0, 0, 1, 0, 1};
    EXPECT_TRUE(dns::begins_message(query));
    for (std::size_t size = 0; size != query.size(); ++size)
        EXPECT_FALSE(dns::begins_message(std::span{query}.first(size))) << size;
    query[12] = 64;  // no length of a label
    EXPECT_FALSE(dns::begins_message(query));
    query[5] = 0;
    EXPECT_TRUE(dns::begins_message(query)) << "no question";
}

}  // namespace
}  // namespace dial::test
