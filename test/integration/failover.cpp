// dial::failover: which of several targets is tried when, who wins, and what becomes of the others.
#include <dial/failover.hpp>
#include <dial/timeout.hpp>
#include <support/layers.hpp>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;
using handler_type = detail::connect_handler<fake_stream>;

const std::vector<target> three{"a:1", "b:1", "c:1"};

failover_options raced(duration delay) {
    return failover_options{failover_order::raced}.delay(delay);
}

class failover_layer : public testing::Test {
protected:
    ~failover_layer() override { EXPECT_EQ(fake_stream::open_now(), 0); }

    // In the order of their starts.
    std::vector<std::string> tried() const {
        std::vector<std::string> list;
        for (std::size_t i = 0; i != network.asked(); ++i) list.push_back(network.target(i));
        return list;
    }
    using names = std::vector<std::string>;

    asio::io_context io;
    fake_network network;
    connector<fake_stream> inside = network.connector_on(io);
    asio::cancellation_signal signal;
    connected outcome;
};

// --- In this order ---

TEST_F(failover_layer, prefers_the_first) {
    failover(inside, three).connect("db:1", outcome.handler());
    EXPECT_EQ(outcome.calls, 0);
    network.end(0);
    run(io);
    expect(outcome, success);
    EXPECT_EQ(outcome.peer, "a:1");
    EXPECT_EQ(tried(), names{"a:1"});
}

TEST_F(failover_layer, tries_the_next_when_the_one_before_has_failed) {
    failover(inside, three).connect("db:1", outcome.handler());
    network.end(0, refused);
    run_ready(io);
    EXPECT_EQ(tried(), (names{"a:1", "b:1"}));
    network.end(1);
    run(io);
    expect(outcome, success);
    EXPECT_EQ(outcome.peer, "b:1");
}

TEST_F(failover_layer, tries_each_once_whatever_the_order) {
    for (const auto order : {failover_order::in_order, failover_order::random, failover_order::raced}) {
        connected each;
        std::map<std::string, int> tries;
        const connector<fake_stream> fails{io, [&](request what, handler_type handler) {
                                               ++tries[what.to().to_string()];
                                               std::move(handler)(refused, fake_stream{what.executor()});
                                           }};
        failover(fails, three, failover_options{order}).connect("db:1", each.handler());
        run(io);
        expect(each, refused);
        EXPECT_EQ(tries, (std::map<std::string, int>{{"a:1", 1}, {"b:1", 1}, {"c:1", 1}}));
    }
}

TEST_F(failover_layer, without_any_target_has_no_addresses) {
    for (const auto order : {failover_order::in_order, failover_order::random, failover_order::raced}) {
        connected each;
        failover(inside, {}, failover_options{order}).connect("db:1", each.handler());
        EXPECT_EQ(each.calls, 0) << "never inside the call";
        run_ready(io);
        expect(each, error::no_addresses);
    }
}

TEST_F(failover_layer, fails_with_the_most_telling_error_of_all) {
    // The peer's word goes before silence.
    for (const std::vector<error_code>& errors : {std::vector<error_code>{refused, error::timeout, error::no_addresses},
             {error::no_addresses, error::timeout, refused}, {error::timeout, refused, error::timeout}}) {
        connected each;
        const std::size_t first = network.asked();
        failover(inside, three).connect("db:1", each.handler());
        for (std::size_t i = 0; i != 3; ++i) {
            network.end(first + i, errors[i]);
            run_ready(io);
        }
        expect(each, refused);
    }
}

TEST_F(failover_layer, replaces_the_target_but_nothing_else_of_the_request) {
    const time_point deadline = clock::now() + 1h;
    failover(inside, three).connect({"db:1", nullptr, deadline}, outcome.handler());
    EXPECT_EQ(network.target(0), "a:1");
    EXPECT_EQ(network[0].what.deadline(), deadline);
    EXPECT_EQ(network[0].what.executor(), asio::any_io_executor{io.get_executor()});
    network.end(0);
    run(io);
}

// --- Shuffled ---

TEST_F(failover_layer, shuffles_for_each_request) {
    std::map<std::string, int> first;
    const connector<fake_stream> counts{
        io, [&](request what, handler_type handler) {
            ++first[what.to().to_string()];
            std::move(handler)(error_code{}, fake_stream{what.executor(), what.to().to_string()});
        }};
    const auto c = failover(counts, three, failover_options{failover_order::random});
    for (int i = 0; i != 300; ++i) c.connect("db:1", outcome.handler());
    run(io);
    EXPECT_EQ(outcome.calls, 300);
    for (const char* const each : {"a:1", "b:1", "c:1"}) EXPECT_GT(first[each], 30) << each;
}

// --- Raced ---

TEST_F(failover_layer, raced_starts_the_next_after_the_delay_while_those_before_go_on) {
    const auto begun = clock::now();
    failover(inside, three, raced(5ms)).connect("db:1", outcome.handler());
    EXPECT_EQ(tried(), names{"a:1"});
    while (network.asked() != 3 && io.run_one_for(5s) != 0) {}
    EXPECT_GE(clock::now(), begun + 4ms);
    EXPECT_LT(clock::now(), begun + 5s);
    EXPECT_EQ(tried(), (names{"a:1", "b:1", "c:1"}));
    EXPECT_EQ(network.running(), 3u);
    network.end(0);
    run(io);
    expect(outcome, success);
    EXPECT_EQ(outcome.peer, "a:1");
}

TEST_F(failover_layer, raced_starts_the_next_at_once_when_the_newest_has_failed) {
    failover(inside, three, raced(1h)).connect("db:1", outcome.handler());
    network.end(0, refused);
    run_ready(io);
    EXPECT_EQ(tried(), (names{"a:1", "b:1"}));
    network.end(1, refused);
    run_ready(io);
    EXPECT_EQ(tried(), (names{"a:1", "b:1", "c:1"}));
    network.end(2, refused);
    run(io);
    expect(outcome, refused);
}

TEST_F(failover_layer, raced_without_a_delay_starts_all_at_once) {
    for (const duration none : {duration::zero(), duration{-1}}) {
        connected each;
        const std::size_t before = network.asked();
        failover(inside, three, raced(none)).connect("db:1", each.handler());
        EXPECT_EQ(network.asked(), before + 3);
        network.end(before + 1);
        run(io);
        expect(each, success);
        EXPECT_EQ(each.peer, "b:1");
    }
}

TEST_F(failover_layer, raced_with_a_delay_of_never_waits_for_the_newest_to_fail) {
    failover(inside, three, raced(never)).connect("db:1", outcome.handler());
    run_ready(io);
    EXPECT_EQ(network.asked(), 1u);
    network.end(0, refused);
    run_ready(io);
    EXPECT_EQ(network.asked(), 2u);
    network.end(1);
    run(io);
    expect(outcome, success);
}

TEST_F(failover_layer, raced_cancels_the_losers_and_has_them_ended_before_the_handler_runs) {
    failover(inside, three, raced(0ms)).connect("db:1", [&](error_code ec, fake_stream s) {
        EXPECT_EQ(network.running(), 0u);
        EXPECT_EQ(fake_stream::open_now(), 1);
        outcome.handler()(ec, std::move(s));
    });
    network.end(1);
    run(io);
    expect(outcome, success);
    EXPECT_EQ(outcome.peer, "b:1");
    for (const std::size_t loser : {0u, 2u})
        EXPECT_EQ(network[loser].told, std::vector{asio::cancellation_type::terminal});
    EXPECT_TRUE(network[1].told.empty());
}

TEST_F(failover_layer, raced_has_losers_that_connect_nevertheless_closed_before_the_handler_runs) {
    network.told = fake_network::when_told::nothing;
    failover(inside, three, raced(0ms)).connect("db:1", [&](error_code ec, fake_stream s) {
        EXPECT_EQ(fake_stream::open_now(), 1);
        outcome.handler()(ec, std::move(s));
    });
    for (const std::size_t i : {2u, 0u, 1u}) {
        network.end(i);
        run_ready(io);
    }
    expect(outcome, success);
    EXPECT_EQ(outcome.peer, "c:1") << "the first to connect";
}

TEST_F(failover_layer, raced_does_not_wait_for_losers_that_do_not_listen) {
    network.told = fake_network::when_told::nothing;
    const auto begun = clock::now();
    failover(inside, three, raced(0ms)).connect("db:1", outcome.handler());
    network.end(0);
    run(io);
    expect(outcome, success);
    EXPECT_LT(clock::now(), begun + 5s);
    network.end(1);
    network.end(2);
    EXPECT_EQ(fake_stream::open_now(), 0) << "closed";
}

TEST_F(failover_layer, raced_keeps_the_winner_though_losers_end_in_the_middle_of_being_told) {
    network.told = fake_network::when_told::ends_at_once;
    failover(inside, three, raced(0ms)).connect("db:1", outcome.handler());
    network.end(2);
    run(io);
    expect(outcome, success);
    EXPECT_EQ(outcome.peer, "c:1");
}

// --- The report ---

TEST_F(failover_layer, names_the_whole_in_the_report_and_each_server_in_its_phases) {
    report story;
    failover(inside, three).connect({"db:1", &story}, outcome.handler());
    for (std::size_t i = 0; i != 2; ++i) {
        report* const inside_report = network[i].what.report();
        ASSERT_NE(inside_report, nullptr);
        const error_code ec = i == 0 ? refused : success;
        inside_report->begin(network.target(i), clock::now());
        inside_report->on_event({.when = clock::now(), .phase = "greeting"});
        inside_report->on_event({.ended = true,
            .when = clock::now(),
            .how = ec ? dial::outcome::failed : dial::outcome::done,
            .error = ec,
            .phase = "greeting"});
        inside_report->end(ec, clock::now());
        network.end(i, ec);
        run_ready(io);
    }
    expect(outcome, success);
    EXPECT_EQ(story.target(), "db:1");
    EXPECT_TRUE(story.ok());
    ASSERT_EQ(phases_of(story), "greeting greeting");
    EXPECT_EQ(story.phases()[0].target, "a:1");
    EXPECT_EQ(story.phases()[0].error, refused);
    EXPECT_EQ(story.phases()[1].target, "b:1");
}

TEST_F(failover_layer, has_the_losers_of_a_race_in_the_report_too) {
    report story;
    failover(inside, three, raced(0ms)).connect({"db:1", &story}, outcome.handler());
    for (std::size_t i = 0; i != 3; ++i) {
        network[i].what.report()->begin(network.target(i), clock::now());
        network[i].what.report()->on_event({.when = clock::now(), .phase = "greeting"});
    }
    network.end(1);
    run(io);
    ASSERT_EQ(story.phases().size(), 3u);
    EXPECT_EQ(story.phases().back().target, "b:1") << "the winner's is the last";
}

// --- Time ---

TEST_F(failover_layer, has_one_deadline_for_all_together) {
    network.told = fake_network::when_told::nothing;
    const auto begun = clock::now();
    failover(inside, three).connect({"db:1", nullptr, begun + 300ms}, outcome.handler());
    run(io);
    expect(outcome, error::timeout);
    EXPECT_LT(clock::now(), begun + 5s);
    EXPECT_EQ(network.asked(), 1u) << "the first was silent, and used it up";
}

TEST_F(failover_layer, gets_past_a_silent_server_with_a_timeout_inside) {
    network.told = fake_network::when_told::nothing;
    failover(timeout(inside, 5ms), three).connect("db:1", outcome.handler());
    while (network.asked() != 2 && io.run_one_for(5s) != 0) {}
    ASSERT_EQ(network.asked(), 2u);
    network.end(1);
    run(io);
    expect(outcome, success);
    EXPECT_EQ(outcome.peer, "b:1");
}

TEST_F(failover_layer, gets_past_a_silent_server_under_a_deadline_if_they_are_raced) {
    failover(inside, three, raced(1ms)).connect({"db:1", nullptr, clock::now() + 1h}, outcome.handler());
    while (network.asked() != 2 && io.run_one_for(5s) != 0) {}
    ASSERT_EQ(network.asked(), 2u);
    network.end(1);
    run(io);
    expect(outcome, success);
}

// --- Cancellation ---

class failover_cancellation : public failover_layer, public testing::WithParamInterface<asio::cancellation_type> {};

INSTANTIATE_TEST_SUITE_P(each, failover_cancellation,
    testing::Values(
        asio::cancellation_type::terminal, asio::cancellation_type::partial, asio::cancellation_type::total),
    [](const auto& kind) { return name_of(kind.param); });

TEST_P(failover_cancellation, ends_all_that_run_and_starts_no_other) {
    for (const auto& options : {failover_options{}, raced(1h), raced(0ms)}) {
        for (const auto told : {fake_network::when_told::ends_soon, fake_network::when_told::ends_at_once,
                 fake_network::when_told::nothing}) {
            connected each;
            network.told = told;
            const std::size_t first = network.asked();
            failover(inside, three, options).connect("db:1", each.handler(signal));
            run_ready(io);
            signal.emit(GetParam());
            EXPECT_EQ(each.calls, 0) << "never inside emit";
            const std::size_t after = network.asked();
            run(io);
            expect(each, aborted);
            EXPECT_EQ(network.asked(), after);
            for (std::size_t i = first; i != after; ++i) {
                EXPECT_EQ(network[i].told, std::vector{GetParam()});
                if (network[i].handler) network.end(i);
            }
        }
    }
}

TEST_P(failover_cancellation, between_a_failure_and_the_next_try_starts_no_other) {
    failover(inside, three).connect("db:1", outcome.handler(signal));
    run_ready(io);
    asio::post(io, [&] {
        network.end(0, refused);
        signal.emit(GetParam());
    });
    run(io);
    EXPECT_EQ(outcome.calls, 1);
    EXPECT_TRUE(outcome.ec == aborted || network.asked() == 2u);
}

TEST_P(failover_cancellation, comes_too_late_for_a_winner) {
    failover(inside, three, raced(0ms)).connect("db:1", outcome.handler(signal));
    network.end(0);
    signal.emit(GetParam());
    run(io);
    expect(outcome, success);
}

// --- Where, and the end ---

TEST_F(failover_layer, has_the_stream_live_where_the_handler_runs) {
    const auto strand = asio::make_strand(io);
    const connector<fake_stream> at_once{io, connects_at_once()};
    for (const auto& options : {failover_options{}, raced(0ms)})
        failover(at_once, three, options)
            .connect("db:1", asio::bind_executor(strand, [&](error_code ec, fake_stream s) {
                EXPECT_TRUE(strand.running_in_this_thread());
                EXPECT_EQ(s.get_executor(), asio::any_io_executor{strand});
                outcome.handler()(ec, std::move(s));
            }));
    run(io);
    EXPECT_EQ(outcome.calls, 2);
}

TEST(failover_destruction, of_the_io_context_releases_all_that_run) {
    const auto alive = std::make_shared<int>();
    {
        asio::io_context io;
        const connector<fake_stream> silent{io, [](request what, handler_type handler) {
                                                auto timer = std::make_unique<asio::steady_timer>(what.executor(), 1h);
                                                auto& t = *timer;
                                                t.async_wait(
                                                    [timer = std::move(timer), h = std::move(handler),
                                                        half_open = fake_stream{what.executor(), "x"}](error_code) {});
                                            }};
        std::vector<std::unique_ptr<report>> stories;
        for (const auto& options : {failover_options{}, raced(0ms), raced(1ms)})
            for (int i = 0; i != 50; ++i) {
                report* const story = stories.emplace_back(std::make_unique<report>()).get();
                failover(silent, three, options).connect({"db:1", story}, [alive](error_code, fake_stream) { FAIL(); });
            }
        run_ready(io);
        EXPECT_EQ(alive.use_count(), 151);
        EXPECT_GE(fake_stream::open_now(), 250);
    }
    EXPECT_EQ(alive.use_count(), 1);
    EXPECT_EQ(fake_stream::open_now(), 0);
}

}  // namespace
}  // namespace dial::test
