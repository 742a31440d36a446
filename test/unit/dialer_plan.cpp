// What a dial asks, and which endpoints the answers come to, in which groups.
#include <dialer/plan.hpp>

#include <boost/asio/error.hpp>

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace dial::detail {
namespace {

namespace asio = boost::asio;
using words = std::vector<std::string>;

asio::ip::address ip(const std::string& text) {
    return asio::ip::make_address(text);
}
answer having(std::initializer_list<const char*> all) {
    std::vector<asio::ip::address> list;
    for (const char* a : all) list.push_back(ip(a));
    return list;
}
service_binding binding(std::uint16_t priority, std::string host, std::optional<std::uint16_t> port = {},
    std::initializer_list<const char*> hints = {}) {
    service_binding b;
    b.priority = priority;
    b.host = std::move(host);
    b.port = port;
    for (const char* h : hints) b.hints.push_back(ip(h));
    return b;
}

class dialer_plan : public testing::Test {
protected:
    explicit dialer_plan(address_family f = address_family::any, bool https = true)
        : p{f, https, [](std::uint32_t) { return 0u; }} {}

    // Takes all questions; as "0 HTTPS name".
    words take() {
        words all;
        while (const auto n = p.take_question())
            all.push_back(
                std::to_string(*n) + ' ' + std::string{to_string(p.at(*n).what.type())} + ' ' + p.at(*n).what.name());
        return all;
    }
    words places() const {
        words all;
        for (const plan::place& each : p.places())
            all.push_back(std::to_string(each.group) + ' ' + each.at.address().to_string() + ' ' +
                std::to_string(each.at.port()));
        return all;
    }

    plan p;
};

struct dialer_plan_plain : dialer_plan {
    dialer_plan_plain() : dialer_plan{address_family::any, false} {}
};
struct dialer_plan_v4 : dialer_plan {
    dialer_plan_v4() : dialer_plan{address_family::v4, true} {}
};

TEST_F(dialer_plan_plain, asks_for_both_families_and_knows_what_is_out) {
    p.aim_at("name", 80);
    EXPECT_EQ(take(), (words{"0 AAAA name", "1 A name"}));
    EXPECT_EQ(take(), words{});
    EXPECT_TRUE(p.is_out(record_type::aaaa) && p.is_out(record_type::a) && p.any_out());
    EXPECT_EQ(p.on_answer(1, having({"127.0.0.1", "127.0.0.2", "127.0.0.1", "::1"})), error_code{});
    EXPECT_EQ(places(), (words{"0 127.0.0.1 80", "0 127.0.0.2 80"})) << "each once, and no other family's";
    EXPECT_FALSE(p.is_out(record_type::a));
    p.on_answer(1, having({"127.0.0.3"}));
    EXPECT_EQ(places().size(), 2u) << "a question is answered once";
    p.on_answer(0, answer{asio::error::host_not_found});
    EXPECT_FALSE(p.any_out());
}

TEST_F(dialer_plan_plain, takes_64_addresses_of_a_family_at_most) {
    p.aim_at("name", 80);
    take();
    std::vector<asio::ip::address> many;
    for (unsigned i = 0; i != 500; ++i) many.push_back(asio::ip::address_v4{0x7f000001u + i});
    p.on_answer(1, many);
    EXPECT_EQ(places().size(), 64u);
}

TEST_F(dialer_plan_plain, needs_no_question_for_what_is_known) {
    p.aim_at(std::vector{ip("::1"), ip("127.0.0.1")}, 443);
    EXPECT_EQ(take(), words{});
    EXPECT_EQ(places(), (words{"0 ::1 443", "0 127.0.0.1 443"}));
}

TEST_F(dialer_plan_v4, asks_for_the_wanted_family_only) {
    p.aim_at("name", 443);
    EXPECT_EQ(take(), (words{"0 HTTPS name", "1 A name"}));
    p.on_answer(0, std::vector{binding(1, "other", {}, {"::1", "127.0.0.9"})});
    EXPECT_EQ(take(), (words{"2 A other."}));
    EXPECT_EQ(places(), (words{"0 127.0.0.9 443"}));
}

// --- HTTPS records ---

TEST_F(dialer_plan, asks_for_https_records_first_below_the_port_where_it_is_not_that_of_the_scheme) {
    p.aim_at("name", 443);
    EXPECT_EQ(take(), (words{"0 HTTPS name", "1 AAAA name", "2 A name"}));
    plan other{address_family::any, true, [](std::uint32_t) { return 0u; }};
    other.aim_at("name", 8443);
    EXPECT_EQ(other.at(*other.take_question()).what.name(), "_8443._https.name");
}

TEST_F(dialer_plan, without_records_is_the_plain_one) {
    p.aim_at("name", 443);
    take();
    p.on_answer(0, answer{asio::error::no_data});
    p.on_answer(2, having({"127.0.0.1"}));
    EXPECT_EQ(places(), words{"0 127.0.0.1 443"});
}

TEST_F(dialer_plan, goes_by_priority_and_port_and_falls_back_to_the_host_itself) {
    p.aim_at("name", 443);
    take();
    p.on_answer(2, having({"127.0.0.1"}));
    p.on_answer(0, std::vector{binding(2, "."), binding(1, "other", std::uint16_t{8443})});
    EXPECT_EQ(take(), (words{"3 AAAA other.", "4 A other."}));
    p.on_answer(4, having({"127.0.0.2"}));
    EXPECT_EQ(places(), (words{"0 127.0.0.2 8443", "1 127.0.0.1 443"})) << "each endpoint in its best group";
}

TEST_F(dialer_plan, takes_hints_until_the_addresses_of_that_family_are_there) {
    p.aim_at("name", 443);
    take();
    p.on_answer(0, std::vector{binding(1, ".", {}, {"127.0.0.9", "::9"})});
    EXPECT_EQ(places(), (words{"0 127.0.0.9 443", "0 ::9 443"}));
    p.on_answer(2, having({"127.0.0.1"}));
    EXPECT_EQ(places(), (words{"0 127.0.0.1 443", "0 ::9 443"}));
    p.on_answer(1, answer{asio::error::no_data});
    EXPECT_EQ(places(), (words{"0 127.0.0.1 443"})) << "a hint that is not borne out is withdrawn";
}

TEST_F(dialer_plan, leaves_out_records_that_it_cannot_use) {
    p.aim_at("name", 443);
    take();
    service_binding strange = binding(1, "strange"), quic = binding(2, "quic");
    strange.understood = false;
    quic.alpn = {"h3"};
    quic.no_default_alpn = true;
    p.on_answer(0, std::vector{strange, quic});
    EXPECT_EQ(take(), words{});
}

TEST_F(dialer_plan, follows_an_alias_and_asks_for_its_records) {
    p.aim_at("name", 443);
    take();
    p.on_answer(2, having({"127.0.0.1"}));
    p.on_answer(0, std::vector{binding(0, "pool")});
    EXPECT_EQ(take(), (words{"3 AAAA pool.", "4 A pool.", "5 HTTPS pool."}));
    p.on_answer(4, having({"127.0.0.2"}));
    EXPECT_EQ(places(), (words{"0 127.0.0.2 443", "1 127.0.0.1 443"}));
    p.on_answer(5, std::vector{binding(1, ".", std::uint16_t{8443})});
    EXPECT_EQ(places(), (words{"0 127.0.0.2 8443", "1 127.0.0.1 443"}));
}

TEST_F(dialer_plan, is_not_led_in_circles_nor_on_and_on) {
    p.aim_at("name", 443);
    take();
    p.on_answer(0, std::vector{binding(0, "NAME.")});
    EXPECT_EQ(take(), words{}) << "back to itself";

    plan endless{address_family::any, true, [](std::uint32_t) { return 0u; }};
    endless.aim_at("name", 443);
    int asked = 0;
    for (int i = 0; const auto n = endless.take_question(); ++i, ++asked)
        if (endless.at(*n).what.type() == record_type::https)
            endless.on_answer(*n, std::vector{binding(0, "alias" + std::to_string(i))});
    EXPECT_LE(asked, 3 * 9);

    plan wide{address_family::any, true, [](std::uint32_t) { return 0u; }};
    wide.aim_at("name", 443);
    wide.take_question();
    std::vector<service_binding> many;
    for (int i = 0; i != 60; ++i) many.push_back(binding(1, "host" + std::to_string(i)));
    wide.on_answer(0, many);
    asked = 0;
    while (wide.take_question()) ++asked;
    EXPECT_LE(asked, 2 * 8);
}

// --- Services ---

TEST_F(dialer_plan_plain, aims_at_the_hosts_of_a_service_one_after_the_other) {
    p.aim_at_service("_x._tcp.name");
    EXPECT_EQ(take(), words{"0 SRV _x._tcp.name"});
    EXPECT_EQ(p.on_answer(0, std::vector{service_record{2, 0, 22, "b"}, service_record{1, 0, 11, "a"}}), error_code{});
    EXPECT_EQ(take(), (words{"1 AAAA a.", "2 A a."}));
    p.on_answer(2, having({"127.0.0.1"}));
    EXPECT_EQ(places(), words{"0 127.0.0.1 11"});
    EXPECT_TRUE(p.aim_at_next());
    EXPECT_EQ(places(), words{}) << "the one before is forgotten";
    EXPECT_FALSE(p.at(1).open) << "nor is it waited for";
    EXPECT_EQ(take(), (words{"3 AAAA b.", "4 A b."}));
    EXPECT_FALSE(p.aim_at_next());
}

TEST_F(dialer_plan_plain, says_that_there_is_no_such_service) {
    p.aim_at_service("_x._tcp.name");
    take();
    EXPECT_EQ(p.on_answer(0, std::vector{service_record{0, 0, 0, "."}}), asio::error::service_not_found);
    plan other{address_family::any, false, [](std::uint32_t) { return 0u; }};
    other.aim_at_service("_x._tcp.name");
    other.take_question();
    EXPECT_EQ(other.on_answer(0, answer{asio::error::host_not_found}), asio::error::host_not_found);
    plan empty{address_family::any, false, [](std::uint32_t) { return 0u; }};
    empty.aim_at_service("_x._tcp.name");
    empty.take_question();
    EXPECT_EQ(empty.on_answer(0, answer{std::vector<service_record>{}}), asio::error::no_data);
}

}  // namespace
}  // namespace dial::detail
