// The race on real sockets: that the operation does what the engine says. The rules themselves are tested in unit/race_*.
#include <dial/dialer.hpp>
#include <support/loopback.hpp>
#include <support/resolvers.hpp>

#include <boost/asio/steady_timer.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;

class dialer_race : public testing::Test {
protected:
    // A server at 127.0.0.1, and silent ones at other addresses on its port.
    void add_silent(const std::string& address) {
        silent.push_back(std::make_unique<silent_server>(address, server.endpoint().port()));
    }

    std::string name() const { return "db:" + std::to_string(server.endpoint().port()); }

    error_code dial(const dialer& d) {
        calls = 0;
        error_code result;
        d.connect({name(), &story}, [&](error_code ec, tcp::socket s) {
            ++calls;
            result = ec;
            open_in_the_handler = open_descriptors();
            socket.emplace(std::move(s));
        });
        run(io);
        EXPECT_EQ(calls, 1);
        return result;
    }
    error_code dial(std::initializer_list<const char*> to, options with) {
        return dial(dialer{io, with, static_resolver({{"db", addresses(to)}})});
    }

    // Answers as soon as it is asked again: after what the io_context has to do.
    void answer_later(
        manual_resolver& names, address_family family, std::vector<asio::ip::address> list, duration after) {
        const auto timer = std::make_shared<asio::steady_timer>(io, after);
        timer->async_wait(
            [&names, family, list, timer](error_code) mutable { names.answer_next(family, answer{std::move(list)}); });
    }

    asio::io_context io;
    tcp_server server;
    std::vector<std::unique_ptr<silent_server>> silent;
    report story;
    std::optional<tcp::socket> socket;
    std::size_t open_in_the_handler = 0;
    int calls = 0;
};

TEST_F(dialer_race, a_dead_first_address_costs_one_attempt_delay) {
    add_silent("127.0.0.2");
    EXPECT_EQ(dial({"127.0.0.2", "127.0.0.1"}, {}), success);
    EXPECT_EQ(socket->remote_endpoint(), server.endpoint());
    ASSERT_EQ(story.attempts().size(), 2u);
    EXPECT_EQ(story.attempts()[0].how, dial::outcome::another_won);
    EXPECT_GE(story.attempts()[1].started - story.attempts()[0].started, 250ms);
    EXPECT_LT(story.total(), 5s);
}

TEST_F(dialer_race, an_address_that_refuses_costs_no_attempt_delay) {
    EXPECT_EQ(dial({"127.0.0.2", "127.0.0.1"}, {.attempt_delay = 1h}), success);  // nobody is at 127.0.0.2
    EXPECT_EQ(socket->remote_endpoint(), server.endpoint());
}

TEST_F(dialer_race, packets_keep_a_distance_of_ten_milliseconds) {
    EXPECT_EQ(dial({"127.0.0.2", "127.0.0.3", "127.0.0.1"}, {}), success);
    ASSERT_EQ(story.attempts().size(), 3u);
    EXPECT_GE(story.attempts()[1].started - story.attempts()[0].started, 10ms);
    EXPECT_GE(story.attempts()[2].started - story.attempts()[1].started, 10ms);
}

TEST_F(dialer_race, what_fails_on_this_machine_costs_no_wait) {
    dialer d{io, {.attempt_delay = 1h}, static_resolver({{"db", addresses({"127.0.0.2", "127.0.0.3", "127.0.0.1"})}})};
    d.before_connect([](int, const tcp::endpoint& to) {
        return to.address().to_string() == "127.0.0.1" ? error_code{} : error_code{asio::error::access_denied};
    });
    EXPECT_EQ(dial(d), success);
    ASSERT_EQ(story.attempts().size(), 3u);
    EXPECT_EQ(story.attempts()[2].started, story.attempts()[0].started) << "all in one turn";
}

TEST_F(dialer_race, a_slow_attempt_goes_on_while_later_ones_start_and_may_win) {
    add_silent("127.0.0.2");
    add_silent("127.0.0.3");
    dialer d{io, {.attempt_delay = 10ms}, static_resolver({{"db", addresses({"127.0.0.2", "127.0.0.3"})}})};
    d.observe([&](const event& e) {
        if (e.what != event::subject::attempt || e.ended || e.index != 1) return;
        silent[0]->accept();  // makes room: the SYN that is sent again after a second gets an answer
    });
    EXPECT_EQ(dial(d), success);
    EXPECT_EQ(socket->remote_endpoint().address().to_string(), "127.0.0.2");
    EXPECT_EQ(story.attempts()[1].how, dial::outcome::another_won);
}

TEST_F(dialer_race, losers_are_closed_before_the_handler_runs) {
    for (const char* a : {"127.0.0.2", "127.0.0.3", "127.0.0.4"}) add_silent(a);
    dial({"127.0.0.1"}, {});  // the io_context has its descriptors now
    socket.reset();
    io.restart();
    const std::size_t before = open_descriptors();
    EXPECT_EQ(dial({"127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.1"}, {.attempt_delay = 5ms}), success);
    ASSERT_EQ(story.attempts().size(), 4u);
    EXPECT_EQ(open_in_the_handler, before + 1);
}

TEST_F(dialer_race, no_more_attempts_than_allowed_run_at_a_time) {
    for (const char* a : {"127.0.0.2", "127.0.0.3", "127.0.0.4"}) add_silent(a);
    int running = 0, most = 0;
    dialer d{io, {.attempt_timeout = 30ms, .attempt_delay = 1ms, .max_attempts_in_flight = 2},
        static_resolver({{"db", addresses({"127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.1"})}})};
    d.observe([&](const event& e) {
        if (e.what != event::subject::attempt || e.how == dial::outcome::not_started) return;
        running += e.ended ? -1 : 1;
        most = std::max(most, running);
    });
    EXPECT_EQ(dial(d), success);
    EXPECT_EQ(running, 0);
    EXPECT_EQ(most, 2);
}

TEST_F(dialer_race, the_attempt_timeout_ends_one_attempt_and_not_the_dial) {
    add_silent("127.0.0.2");
    EXPECT_EQ(dial({"127.0.0.2", "127.0.0.1"}, {.attempt_timeout = 20ms, .attempt_delay = 1h}), success);
    EXPECT_EQ(story.attempts()[0].how, dial::outcome::timed_out);
    EXPECT_EQ(story.attempts()[0].error, error::timeout);
}

TEST_F(dialer_race, an_address_that_is_named_twice_is_tried_once) {
    EXPECT_EQ(dial({"127.0.0.2", "127.0.0.2", "127.0.0.1", "127.0.0.2"}, {}), success);
    EXPECT_EQ(story.attempts().size(), 2u);
}

TEST_F(dialer_race, the_race_begins_with_the_first_answer) {
    manual_resolver names;
    answer_later(names, address_family::v4, addresses({"127.0.0.1"}), 1ms);
    EXPECT_EQ(dial(dialer{io, {.resolution_delay = 1ms}, names}), success);  // AAAA is never answered
    ASSERT_EQ(story.lookups().size(), 2u);
    EXPECT_EQ(story.lookups()[0].how, dial::outcome::another_won);
    EXPECT_FALSE(names.wanted(address_family::v6));
}

TEST_F(dialer_race, a_loop_that_was_late_is_not_a_late_peer_whatever_comes_first) {
    // While the loop is busy, the peer connects and the limit passes; an answer lies before both in the queue.
    const silent_server busy;
    manual_resolver names;
    const dialer d{io, {.timeout = 1500ms, .resolution_delay = 0ms}, names};
    error_code result = aborted;
    d.connect("db:" + std::to_string(busy.endpoint().port()), [&](error_code ec, tcp::socket) { result = ec; });
    names.answer_next(address_family::v4, answer{addresses({"127.0.0.1"})});
    io.run_for(50ms);
    const descriptor filler = busy.accept();  // room: the SYN that is sent again after a second is answered
    const descriptor connected = busy.accept();
    ASSERT_TRUE(connected);
    names.answer_next(address_family::v6, answer{addresses({})});
    const auto late = std::chrono::steady_clock::now() + 600ms;
    while (std::chrono::steady_clock::now() < late) {}  // the loop is elsewhere until the limit has passed
    run(io);
    EXPECT_EQ(result, success);
}

TEST_F(dialer_race, addresses_that_arrive_during_the_race_join_it) {
    const silent_server v6{"::1", server.endpoint().port()};
    manual_resolver names;
    answer_later(names, address_family::v6, addresses({"::1"}), 1ms);
    answer_later(names, address_family::v4, addresses({"127.0.0.1"}), 20ms);
    EXPECT_EQ(dial(dialer{io, {.attempt_delay = 5ms}, names}), success);
    EXPECT_EQ(socket->remote_endpoint(), server.endpoint());
    EXPECT_EQ(story.attempts()[0].how, dial::outcome::another_won);
}

TEST_F(dialer_race, the_families_take_turns) {
    const silent_server v6{"::1", server.endpoint().port()};
    add_silent("127.0.0.2");
    std::vector<std::string> order;
    dialer d{io, {.timeout = 200ms, .attempt_delay = 1ms},
        static_resolver({{"db", addresses({"127.0.0.2", "127.0.0.3", "::1"})}})};
    d.before_connect([&](int, const tcp::endpoint& to) -> error_code {
        order.push_back(to.address().to_string());
        return {};
    });
    EXPECT_EQ(dial(d), error::timeout);
    const std::vector<std::string> expected{"::1", "127.0.0.2", "127.0.0.3"};
    EXPECT_EQ(order, expected);
}

}  // namespace
}  // namespace dial::test
