// What a dial learns from those before it.
#include <dial/dialer.hpp>
#include <support/loopback.hpp>
#include <support/resolvers.hpp>

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <thread>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;

// A name whose IPv6 address is dead, and whose IPv4 address answers.
class dialer_history : public testing::Test {
protected:
    void SetUp() override {
        try {
            dead.emplace("::1", server.endpoint().port());
        } catch (const std::exception&) {
            GTEST_SKIP() << "no IPv6 on loopback here";
        }
    }

    report dial_with(const dialer& d) {
        report story;
        d.connect({target{"name", server.endpoint().port()}, &story},
            [](error_code ec, const tcp::socket&) { EXPECT_EQ(ec, success); });
        run(io);
        return story;
    }
    dialer fresh(options with = {}) {
        return dialer{io, with, static_resolver({{"name", addresses({"::1", "127.0.0.1"})}})};
    }

    asio::io_context io;
    tcp_server server;
    std::optional<silent_server> dead;
};

TEST_F(dialer_history, a_family_that_failed_goes_second_in_the_next_dial) {
    const history known;
    dialer d = fresh({.attempt_delay = 250ms});
    d.remember(known);
    const report first = dial_with(d);
    ASSERT_EQ(first.attempts().size(), 2u);
    EXPECT_TRUE(first.attempts()[0].peer.address().is_v6());
    EXPECT_EQ(known.size(), 2u);

    const report second = dial_with(d);
    ASSERT_EQ(second.attempts().size(), 2u);
    EXPECT_TRUE(second.attempts()[0].peer.address().is_v4());
    EXPECT_EQ(second.attempts()[0].how, dial::outcome::done);
    EXPECT_EQ(second.attempts()[1].how, dial::outcome::not_started) << "one round trip";

    dialer other = fresh();
    other.remember(known);
    EXPECT_TRUE(dial_with(other).attempts()[0].peer.address().is_v4()) << "shared by dialers";

    history{known}.clear();
    EXPECT_TRUE(dial_with(other).attempts()[0].peer.address().is_v6());
}

TEST_F(dialer_history, nothing_is_remembered_unless_it_is_given) {
    const dialer d = fresh();
    for (int i = 0; i != 2; ++i) EXPECT_TRUE(dial_with(d).attempts()[0].peer.address().is_v6());
}

TEST_F(dialer_history, the_delay_to_the_next_attempt_follows_the_round_trip_time_that_is_known) {
    const history known;
    dialer d{io, {.attempt_delay = 5s}, static_resolver({{"name", addresses({"127.0.0.1"})}})};
    d.remember(known);
    dial_with(d);  // learns that 127.0.0.0/24 is near
    silent_server silent{"127.0.0.2", server.endpoint().port()};
    dialer two{io, {.attempt_delay = 5s}, static_resolver({{"name", addresses({"127.0.0.2", "127.0.0.1"})}})};
    two.remember(known);
    const report story = dial_with(two);
    ASSERT_EQ(story.attempts().size(), 2u);
    EXPECT_GE(story.attempts()[1].started - story.attempts()[0].started, 100ms) << "RFC 8305 section 5: at least";
    EXPECT_LT(story.attempts()[1].started - story.attempts()[0].started, 4s);
}

TEST_F(dialer_history, may_be_used_by_several_threads_at_once) {
    const history known;
    std::vector<std::thread> threads;
    for (int t = 0; t != 4; ++t)
        threads.emplace_back([&] {
            asio::io_context own;
            dialer d{own, {.attempt_delay = 20ms}, static_resolver({{"name", addresses({"::1", "127.0.0.1"})}})};
            d.remember(known);
            for (int i = 0; i != 20; ++i) {
                d.connect(target{"name", server.endpoint().port()},
                    [](error_code ec, const tcp::socket&) { EXPECT_EQ(ec, success); });
                run(own);
                own.restart();
            }
        });
    for (auto& t : threads) t.join();
    EXPECT_GE(known.size(), 1u);
}

}  // namespace
}  // namespace dial::test
