#include <tls/session_cache.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace {

using dial::detail::session_cache;
using dial::detail::session_pointer;
using namespace std::chrono_literals;

const auto now = std::chrono::system_clock::now();

session_pointer make_session(int version, unsigned char id, std::chrono::seconds lifetime = 300s) {
    session_pointer made{::SSL_SESSION_new()};
    ::SSL_SESSION_set_protocol_version(made.get(), version);
    ::SSL_SESSION_set1_id(made.get(), &id, 1);
    const unsigned char key[48] = {1};
    ::SSL_SESSION_set1_master_key(made.get(), key, sizeof key);
    ::SSL_SESSION_set_time(made.get(), std::chrono::system_clock::to_time_t(now));
    ::SSL_SESSION_set_timeout(made.get(), lifetime.count());
    return made;
}

int id_of(const session_pointer& session) {
    unsigned size = 0;
    const unsigned char* const id = session ? ::SSL_SESSION_get_id(session.get(), &size) : nullptr;
    return size == 1 ? *id : -1;
}

TEST(tls_session_cache, hands_out_the_newest_of_a_host) {
    session_cache cache{8};
    cache.store("a:1", make_session(TLS1_3_VERSION, 1));
    cache.store("a:1", make_session(TLS1_3_VERSION, 2));
    cache.store("b:1", make_session(TLS1_3_VERSION, 3));
    EXPECT_EQ(cache.size(), 3u);
    EXPECT_EQ(id_of(cache.take("a:1", now)), 2);
    EXPECT_EQ(id_of(cache.take("a:1", now)), 1);
    EXPECT_FALSE(cache.take("a:1", now));
    EXPECT_FALSE(cache.take("c:1", now));
    EXPECT_EQ(id_of(cache.take("b:1", now)), 3);
}

TEST(tls_session_cache, hands_out_a_session_of_tls_1_3_once_and_an_older_one_as_often_as_asked) {
    session_cache cache{8};
    cache.store("new:1", make_session(TLS1_3_VERSION, 1));
    cache.store("old:1", make_session(TLS1_2_VERSION, 2));
    EXPECT_EQ(id_of(cache.take("new:1", now)), 1);
    EXPECT_FALSE(cache.take("new:1", now));
    for (int i = 0; i != 3; ++i) EXPECT_EQ(id_of(cache.take("old:1", now)), 2);
}

TEST(tls_session_cache, drops_what_is_over) {
    session_cache cache{8};
    cache.store("a:1", make_session(TLS1_2_VERSION, 1, 300s));
    cache.store("a:1", make_session(TLS1_2_VERSION, 2, 10s));
    EXPECT_EQ(id_of(cache.take("a:1", now + 9s)), 2);
    EXPECT_EQ(id_of(cache.take("a:1", now + 11s)), 1);
    EXPECT_EQ(cache.size(), 1u);
    EXPECT_FALSE(cache.take("a:1", now + 301s));
    EXPECT_EQ(cache.size(), 0u);
}

TEST(tls_session_cache, keeps_four_sessions_of_a_host) {
    session_cache cache{8};
    for (unsigned char i = 1; i != 7; ++i) cache.store("a:1", make_session(TLS1_3_VERSION, i));
    EXPECT_EQ(cache.size(), 4u);
    for (const int expected : {6, 5, 4, 3}) EXPECT_EQ(id_of(cache.take("a:1", now)), expected);
}

TEST(tls_session_cache, lets_the_host_go_that_was_not_used_for_longest) {
    session_cache cache{2};
    cache.store("a:1", make_session(TLS1_2_VERSION, 1));
    cache.store("b:1", make_session(TLS1_2_VERSION, 2));
    EXPECT_TRUE(cache.take("a:1", now));
    cache.store("c:1", make_session(TLS1_2_VERSION, 3));
    EXPECT_FALSE(cache.take("b:1", now));
    EXPECT_TRUE(cache.take("a:1", now));
    EXPECT_TRUE(cache.take("c:1", now));
}

TEST(tls_session_cache, does_not_keep_what_cannot_be_resumed) {
    session_cache cache{8};
    cache.store("a:1", session_pointer{::SSL_SESSION_new()});
    cache.store("a:1", nullptr);
    EXPECT_EQ(cache.size(), 0u);
    session_cache none{0};
    none.store("a:1", make_session(TLS1_2_VERSION, 1));
    EXPECT_EQ(none.size(), 0u);
}

TEST(tls_session_cache, drops_a_host_where_resuming_has_failed) {
    session_cache cache{8};
    cache.store("a:1", make_session(TLS1_2_VERSION, 1));
    cache.store("b:1", make_session(TLS1_2_VERSION, 2));
    cache.drop("a:1");
    cache.drop("nobody:1");
    EXPECT_FALSE(cache.take("a:1", now));
    EXPECT_TRUE(cache.take("b:1", now));
}

TEST(tls_session_cache, can_be_cleared) {
    session_cache cache{8};
    cache.store("a:1", make_session(TLS1_2_VERSION, 1));
    cache.clear();
    EXPECT_EQ(cache.size(), 0u);
    EXPECT_FALSE(cache.take("a:1", now));
}

}  // namespace
