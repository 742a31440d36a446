// dial::pool: who gets which connection, who waits and for how long, over a network that does as the test says.
#include <dial/pool.hpp>
#include <support/pools.hpp>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/strand.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using a_pool = pool_test;

TEST_F(a_pool, opens_a_connection_and_hands_it_out_again) {
    auto& p = make();
    acquire_new(a);
    EXPECT_FALSE(a.held.reused());
    EXPECT_EQ(a.held->peer(), "db:1");
    give_back(a);
    p.acquire("db:1", b.handler());
    run_ready(io);
    expect(b, success);
    EXPECT_TRUE(b.held.reused());
    EXPECT_EQ(network.asked(), 1u);
}

TEST_F(a_pool, never_completes_inside_the_call) {
    auto& p = make();
    p.acquire("db:1", a.handler());
    EXPECT_EQ(a.calls, 0);
    run_ready(io);
    open(0);
    give_back(a);
    p.acquire("db:1", a.handler());
    EXPECT_EQ(a.calls, 0);
    p.close();
    p.acquire("db:1", b.handler());
    EXPECT_EQ(b.calls, 0);
    run_ready(io);
    expect(b, error::pool_closed);
}

TEST_F(a_pool, keeps_the_connections_of_each_target_apart) {
    auto& p = make();
    acquire_new(a);
    give_back(a);
    for (const char* const other : {"db:2", "other:1", "DB:1"}) {
        const std::size_t asked = network.asked();
        acquired next;
        p.acquire(other, next.handler());
        run_ready(io);
        ASSERT_EQ(network.asked(), asked + 1);
        open(asked);
        EXPECT_EQ(next.held->peer(), other);
    }
}

TEST_F(a_pool, serves_first_who_came_first) {
    auto& p = make(pool_options().max_per_target(1));
    p.acquire("db:1", a.handler());
    p.acquire("db:1", b.handler());
    p.acquire("db:1", c.handler());
    run_ready(io);
    open(0);
    EXPECT_EQ(a.calls + b.calls + c.calls, 1);
    expect(a, success);
    give_back(a);
    expect(b, success);
    EXPECT_EQ(c.calls, 0);
    p.acquire("db:1", d.handler());
    give_back(b);
    expect(c, success);
    EXPECT_EQ(d.calls, 0);
    give_back(c);
    expect(d, success);
    EXPECT_EQ(network.asked(), 1u);
}

TEST_F(a_pool, serves_a_wait_with_whichever_comes_first) {
    auto& p = make(pool_options().max_per_target(2));
    acquire_new(a);
    p.acquire("db:1", b.handler());
    run_ready(io);
    ASSERT_EQ(network.asked(), 2u);  // under way
    give_back(a);
    expect(b, success);
    EXPECT_TRUE(b.held.reused());
    open(1);
    EXPECT_EQ(counts().idle, 1u);
}

TEST_F(a_pool, tells_the_first_in_line_of_a_connect_that_failed_and_tries_again_for_the_next) {
    auto& p = make(pool_options().max_per_target(1));
    report story;
    p.acquire({"db:1", &story}, a.handler());
    p.acquire("db:1", b.handler());
    run_ready(io);
    fail(0, asio::error::connection_refused);
    expect(a, asio::error::connection_refused);
    EXPECT_EQ(b.calls, 0);
    ASSERT_EQ(network.asked(), 2u);
    open(1);
    expect(b, success);
    ASSERT_NE(story.failed_phase(), nullptr);
    EXPECT_EQ(story.failed_phase()->name, "wait");
    EXPECT_EQ(story.error(), asio::error::connection_refused);
}

TEST_F(a_pool, says_that_it_is_full) {
    auto& p = make(pool_options().max_per_target(1).acquire_timeout(20ms));
    acquire_new(a);
    report story;
    p.acquire({"db:1", &story}, b.handler());
    const auto started = std::chrono::steady_clock::now();
    run_until([&] { return b.calls != 0; });
    EXPECT_GE(std::chrono::steady_clock::now() - started, 20ms);
    expect(b, error::pool_full);
    EXPECT_EQ(b.ec, std::errc::timed_out);
    ASSERT_NE(story.failed_phase(), nullptr);
    EXPECT_EQ(story.failed_phase()->note, "the one connection to this target is in use");
    EXPECT_EQ(counts().wait_timeouts, 1u);
}

TEST_F(a_pool, says_that_the_server_could_not_be_reached_and_why) {
    auto& p = make(pool_options().max_per_target(1));
    p.acquire("db:1", a.handler());
    run_ready(io);
    fail(0, asio::error::host_unreachable);
    report story;
    p.acquire({"db:1", &story, std::chrono::steady_clock::now() + 20ms}, b.handler());
    run_ready(io);
    ASSERT_EQ(network.asked(), 2u);  // and goes on
    run_until([&] { return b.calls != 0; });
    expect(b, error::pool_unreachable);
    EXPECT_EQ(b.ec, std::errc::timed_out);
    ASSERT_NE(story.failed_phase(), nullptr);
    const std::string note = story.failed_phase()->note;
    EXPECT_EQ(note.find("1 connect is under way; the last one failed "), 0u) << note;
    EXPECT_NE(note.find("No route to host"), std::string::npos) << note;
    open(1);
    EXPECT_EQ(counts().idle, 1u);  // for the next
}

TEST_F(a_pool, with_no_time_to_wait_hands_out_what_is_idle_and_opens_nothing) {
    auto& p = make(pool_options().acquire_timeout(0s));
    p.acquire("db:1", a.handler());
    run_ready(io);
    expect(a, error::timeout);
    EXPECT_EQ(network.asked(), 0u);
    p.acquire({"db:1", nullptr, std::chrono::steady_clock::now() - 1s}, b.handler());
    run_ready(io);
    expect(b, error::timeout);

    auto& q = make(pool_options().min_idle(1).acquire_timeout(0s));
    q.warm_up("db:1");
    run_ready(io);
    open(0);
    q.acquire("db:1", c.handler());
    run_ready(io);
    expect(c, success);
}

TEST_F(a_pool, lets_no_more_wait_than_it_may) {
    auto& p = make(pool_options().max_per_target(1).max_waiting(1));
    p.acquire("db:1", a.handler());
    p.acquire("db:1", b.handler());
    report story;
    p.acquire({"db:1", &story}, c.handler());
    run_ready(io);
    expect(c, error::too_many_waiters);
    EXPECT_EQ(story.failed_phase()->note, "2 wait already");
    EXPECT_EQ(a.calls + b.calls, 0);
    EXPECT_EQ(counts().turned_away, 1u);
}

class a_pool_cancelled : public a_pool, public testing::WithParamInterface<asio::cancellation_type> {};

TEST_P(a_pool_cancelled, ends_the_wait_at_once_and_keeps_the_connect) {
    auto& p = make(pool_options().max_per_target(1));
    p.acquire("db:1", a.handler(signal));
    run_ready(io);
    signal.emit(GetParam());
    run_ready(io);
    expect(a, aborted);
    ASSERT_EQ(network.asked(), 1u);
    EXPECT_TRUE(network[0].told.empty());
    open(0);
    p.acquire("db:1", b.handler());
    run_ready(io);
    expect(b, success);
    EXPECT_EQ(counts().cancelled, 1u);
}

TEST_P(a_pool_cancelled, before_its_turn_opens_nothing) {
    auto& p = make();
    p.acquire("db:1", a.handler(signal));
    signal.emit(GetParam());
    run_ready(io);
    expect(a, aborted);
    EXPECT_EQ(network.asked(), 0u);
}

INSTANTIATE_TEST_SUITE_P(kinds, a_pool_cancelled,
    testing::Values(
        asio::cancellation_type::terminal, asio::cancellation_type::partial, asio::cancellation_type::total),
    [](const auto& of) { return name_of(of.param); });

TEST_F(a_pool, skips_a_wait_that_was_cancelled) {
    auto& p = make(pool_options().max_per_target(1));
    p.acquire("db:1", a.handler());
    p.acquire("db:1", b.handler(signal));
    p.acquire("db:1", c.handler());
    run_ready(io);
    open(0);
    signal.emit(asio::cancellation_type::terminal);
    run_ready(io);
    expect(b, aborted);
    give_back(a);
    expect(c, success);
}

TEST_F(a_pool, loses_no_connection_that_is_handed_out_in_the_moment_of_a_cancellation) {
    auto& p = make(pool_options().max_per_target(1));
    acquire_new(a);
    p.acquire("db:1", b.handler(signal));
    run_ready(io);
    a.held.give_back();  // it is b's by now
    signal.emit(asio::cancellation_type::terminal);
    run_ready(io);
    EXPECT_EQ(b.calls, 1);
    EXPECT_EQ(counts().in_use, b.ec ? 0u : 1u);
    EXPECT_EQ(counts().in_use + counts().idle, 1u);
}

// --- Executors ---

TEST_F(a_pool, connections_live_on_its_executor_and_handlers_run_on_their_own) {
    auto& p = make();
    asio::io_context elsewhere;
    bool called = false;
    p.acquire("db:1", asio::bind_executor(elsewhere, [&](error_code ec, lease<fake_stream> l) {
        called = true;
        EXPECT_FALSE(ec);
        EXPECT_EQ(l->get_executor(), asio::any_io_executor{io.get_executor()});
        EXPECT_TRUE(elsewhere.get_executor().running_in_this_thread());
    }));
    while (network.asked() == 0) {
        elsewhere.poll();
        io.poll();
    }
    network.end(0);
    io.restart();
    io.poll();
    EXPECT_FALSE(called);
    run(elsewhere);
    EXPECT_TRUE(called);
}

TEST_F(a_pool, a_handler_without_an_executor_runs_on_its) {
    auto& p = make();
    bool there = false;
    p.acquire("db:1", [&](error_code, lease<fake_stream>) { there = io.get_executor().running_in_this_thread(); });
    run_ready(io);
    open(0);
    EXPECT_TRUE(there);
}

// --- Turnover ---

TEST_F(a_pool, that_is_reset_uses_no_connection_again_that_was_there) {
    auto& p = make(pool_options().max_per_target(3));
    p.acquire("db:1", a.handler());
    p.acquire("db:1", b.handler());
    run_ready(io);
    open(0);
    open(1);
    give_back(b);
    p.acquire("other:1", d.handler());
    run_ready(io);
    open(2);
    p.reset("db:1");
    EXPECT_EQ(fake_stream::open_now(), 2);
    EXPECT_TRUE(a.held->is_open());
    give_back(a);
    EXPECT_EQ(fake_stream::open_now(), 1);
    p.acquire("db:1", c.handler());
    run_ready(io);
    ASSERT_EQ(network.asked(), 4u);
    p.reset("db:1");  // that connect may be to the server that was
    run_ready(io);
    EXPECT_EQ(network[3].told.size(), 1u);
    ASSERT_EQ(network.asked(), 5u);
    open(4);
    expect(c, success);
    EXPECT_EQ(counts().closed_for(close_reason::reset), 2u);
    p.reset();
    give_back(c);
    give_back(d);
    EXPECT_EQ(fake_stream::open_now(), 0);
}

TEST_F(a_pool, of_a_target_that_it_does_not_know_is_reset_for_nothing) {
    make().reset("nobody:1");
}

TEST_F(a_pool, keeps_connections_ready_once_it_is_warm) {
    auto& p = make(pool_options().min_idle(2));
    run_ready(io);
    EXPECT_EQ(network.asked(), 0u);
    p.warm_up("db:1");
    run_ready(io);
    ASSERT_EQ(network.asked(), 2u);
    open(0);
    open(1);
    EXPECT_EQ(counts().idle, 2u);
    p.acquire("db:1", a.handler());
    run_ready(io);
    expect(a, success);
    EXPECT_EQ(network.asked(), 3u);
}

TEST_F(a_pool, goes_on_trying_to_keep_connections_ready) {
    auto& p = make(pool_options().min_idle(1));
    p.warm_up("db:1");
    run_ready(io);
    fail(0, asio::error::connection_refused);
    EXPECT_EQ(network.asked(), 1u);
    run_until([&] { return network.asked() == 2; });  // after 50 to 100 ms
    open(1);
    EXPECT_EQ(counts().idle, 1u);
    EXPECT_EQ(counts().open_failed, 1u);
}

TEST_F(a_pool, opens_no_more_at_a_time_than_it_may) {
    auto& p = make(pool_options().max_connecting(1));
    p.acquire("db:1", a.handler());
    p.acquire("db:1", b.handler());
    run_ready(io);
    EXPECT_EQ(network.asked(), 1u);
    open(0);
    EXPECT_EQ(network.asked(), 2u);
    open(1);
    expect(b, success);
}

TEST_F(a_pool, closes_connections_that_are_idle_for_too_long) {
    make(pool_options().idle_timeout(20ms));
    acquire_new(a);
    give_back(a);
    EXPECT_EQ(fake_stream::open_now(), 1);
    run_until([] { return fake_stream::open_now() == 0; });
    EXPECT_EQ(counts().expired(), 1u);
}

// --- What is seen ---

TEST_F(a_pool, tells_its_observer_what_happens_in_order) {
    std::vector<std::string> heard;
    const auto observer = [&](const pool_event& e) {
        std::string line =
            std::string{to_string(e.what)} + ' ' + std::string{e.target} + " #" + std::to_string(e.connection);
        if (e.what == pool_event::subject::closed) line += std::string{" "} + std::string{to_string(e.why)};
        if (e.error) line += " " + e.error.message();
        if (e.reused) line += " reused";
        if (e.story) line += e.story->ok() ? " ok" : " failed";
        heard.push_back(line);
        static_cast<void>(connections->stats());  // it may call the pool
    };
    auto& p = make(pool_options().max_per_target(1).observe(observer));
    p.acquire("db:1", a.handler());
    p.acquire("db:1", b.handler());
    run_ready(io);
    fail(0, asio::error::connection_refused);
    open(1);
    b.held.give_back();
    p.acquire("db:1", c.handler());
    run_ready(io);
    c.held.discard();
    run_ready(io);
    EXPECT_EQ(heard,
        (std::vector<std::string>{"opening db:1 #1", "open_failed db:1 #1 Connection refused failed",
            "wait_ended db:1 #0 Connection refused failed", "opening db:1 #2", "opened db:1 #2 ok", "acquired db:1 #2",
            "returned db:1 #2", "acquired db:1 #2 reused", "returned db:1 #2", "closed db:1 #2 discarded"}));
}

TEST_F(a_pool, tells_its_observer_of_what_was_given_up) {
    std::vector<std::string> heard;
    auto& p = make(pool_options().observe([&](const pool_event& e) {
        if (e.error == aborted) heard.push_back(std::string{to_string(e.what)} + " #" + std::to_string(e.connection));
    }));
    p.acquire("db:1", a.handler(signal));
    p.acquire("db:1", b.handler());
    run_ready(io);
    signal.emit(asio::cancellation_type::terminal);
    run_ready(io);
    EXPECT_EQ(heard, (std::vector<std::string>{"wait_ended #0"}));
    p.reset();
    run_ready(io);
    EXPECT_EQ(heard, (std::vector<std::string>{"wait_ended #0", "open_failed #1", "open_failed #2"}));
    EXPECT_EQ(counts().given_up, 2u);
    p.close();
    run_ready(io);
    expect(b, error::pool_closed);
}

TEST_F(a_pool, a_connector_that_throws_has_failed) {
    connections.emplace(io, connector<fake_stream>{io, [](const request&, const fake_network::handler_type&) {
                                                       throw std::runtime_error{"no such thing"};
                                                   }});
    connections->acquire("db:1", a.handler());
    run_ready(io);
    expect(a, error::prepare_failed);
    connections->acquire("db:1", b.handler());
    run_ready(io);
    expect(b, error::prepare_failed);
}

TEST_F(a_pool, counts_per_target_and_in_all) {
    auto& p = make();
    p.acquire("db:1", a.handler());
    p.acquire("other:1", b.handler());
    run_ready(io);
    open(0);
    open(1);
    give_back(b);
    const pool_stats stats = p.stats();
    ASSERT_EQ(stats.targets.size(), 2u);
    EXPECT_EQ(stats.targets[0].target, target{"db:1"});
    EXPECT_EQ(stats.targets[0].counts.in_use, 1u);
    EXPECT_EQ(stats.targets[1].counts.idle, 1u);
    EXPECT_EQ(stats.total.opened, 2u);
    EXPECT_EQ(stats.total.acquired, 2u);
    EXPECT_EQ(stats.total.waits.count(), 2u);
}

TEST_F(a_pool, reports_the_wait_and_the_connect_that_was_made_for_it) {
    auto& p = make();
    report story;
    p.acquire({"db:1", &story}, a.handler());
    run_ready(io);
    EXPECT_FALSE(story.over());
    open(0);
    EXPECT_TRUE(story.ok());
    ASSERT_FALSE(story.phases().empty());
    EXPECT_EQ(story.phases().front().name, "wait");
    EXPECT_EQ(story.phases().front().how, dial::outcome::done);
}

TEST_F(a_pool, bad_targets_are_the_connectors_business) {
    auto& p = make();
    p.acquire(target{}, a.handler());
    run_ready(io);
    ASSERT_EQ(network.asked(), 1u);
    fail(0, error::invalid_target);
    expect(a, error::invalid_target);
}

}  // namespace
}  // namespace dial::test
