// Targets that are services.
#include <dial/target.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

namespace dial::test {
namespace {

using testing::HasSubstr;

std::string flaw(const std::string& text, bool by_function = false) {
    try {
        by_function ? srv(text) : target{text};
    } catch (const std::invalid_argument& e) {
        return e.what();
    }
    return "no flaw";
}

TEST(target_srv, is_the_name_of_its_record) {
    for (const target& t : {srv("_xmpp-client._tcp.Example.com"), target{"srv:_xmpp-client._tcp.Example.com"}}) {
        EXPECT_TRUE(t.is_srv());
        EXPECT_FALSE(t.is_unix() || t.is_localhost() || t.empty() || t.address());
        EXPECT_EQ(t.host(), "_xmpp-client._tcp.Example.com");
        EXPECT_EQ(t.port(), 0);
        EXPECT_EQ(t.service(), "");
        EXPECT_EQ(t.to_string(), "srv:_xmpp-client._tcp.Example.com");
        EXPECT_EQ(target{t.to_string()}, t);
    }
    EXPECT_EQ(srv("_x._udp.a.").host(), "_x._udp.a.");
    EXPECT_FALSE(target{"example.com:80"}.is_srv());
}

TEST(target_srv, a_host_of_that_name_is_still_a_host) {
    EXPECT_EQ(target{"srv:80"}.host(), "srv");
    EXPECT_EQ(target{"srv:https"}.service(), "https");
    EXPECT_NE(target("srv", 80), srv("_x._tcp.a"));
}

TEST(target_srv, that_is_none_is_refused_with_its_flaw) {
    for (const char* bad : {"_x._tcp", "_x.tcp.a", "x._tcp.a", "_._tcp.a", "_x._.a", "_x._tcp.", "a.b.c", "_x"}) {
        EXPECT_THAT(flaw(bad, true), HasSubstr("no name of a service")) << bad;
        EXPECT_THAT(flaw(bad, true), HasSubstr("_sip._tcp.example.com")) << bad;
    }
    EXPECT_THAT(flaw("", true), HasSubstr("no host"));
    EXPECT_THAT(flaw("_x._tcp..a", true), HasSubstr("an empty label"));
    EXPECT_THAT(flaw("_x._tcp.a b", true), HasSubstr("a space"));
    EXPECT_THAT(flaw("_x._tcp." + std::string(64, 'a'), true), HasSubstr("a label of over 63 bytes"));
    EXPECT_THAT(flaw("srv:_x"), HasSubstr("no name of a service"));
    EXPECT_THAT(flaw("srv:_x._tcp.a:80"), HasSubstr("':' cannot be in a host name"));
    error_code ec;
    EXPECT_TRUE(target::parse("srv:_x", ec).empty());
    EXPECT_EQ(ec, error::invalid_target);
}

}  // namespace
}  // namespace dial::test
