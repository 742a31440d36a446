// dial::limit: who runs, who waits, and that every place is given back.
#include <dial/limit.hpp>
#include <support/layers.hpp>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;
using handler_type = detail::connect_handler<fake_stream>;

class limit_layer : public testing::Test {
protected:
    ~limit_layer() override { EXPECT_EQ(fake_stream::open_now(), 0); }

    // A place is free: the next connect reaches the network at once.
    void expect_a_free_place(const connector<fake_stream>& c) {
        run_ready(io);
        const std::size_t asked = network.asked();
        connected next;
        c.connect("free:1", next.handler());
        run_ready(io);
        ASSERT_EQ(network.asked(), asked + 1);
        network.end(asked);
        run(io);
        expect(next, success);
    }

    asio::io_context io;
    fake_network network;
    connector<fake_stream> inside = network.connector_on(io);
    asio::cancellation_signal signal;
    connected first, second, third;
};

TEST_F(limit_layer, lets_so_many_run_at_a_time) {
    const auto c = limit(inside, 2);
    std::vector<connected> all(10);
    for (connected& each : all) c.connect("db:1", each.handler());
    for (std::size_t ended = 0; ended != 10; ++ended) {
        run_ready(io);
        EXPECT_EQ(network.running(), std::min<std::size_t>(2, 10 - ended));
        network.end(ended);
    }
    run(io);
    for (const connected& each : all) expect(each, success);
}

TEST_F(limit_layer, serves_first_who_comes_first) {
    const auto c = limit(inside, 1);
    std::vector<connected> all(10);
    for (std::size_t i = 0; i != 10; ++i) c.connect("db:" + std::to_string(i + 1), all[i].handler());
    for (std::size_t i = 0; i != 10; ++i) {
        run_ready(io);
        ASSERT_EQ(network.asked(), i + 1);
        EXPECT_EQ(network.target(i), "db:" + std::to_string(i + 1));
        network.end(i);
    }
    run(io);
}

TEST_F(limit_layer, counts_copies_and_all_targets_together_but_not_other_layers) {
    const auto c = limit(inside, 1);
    const auto copy = c;  // NOLINT(performance-unnecessary-copy-initialization)
    c.connect("db:1", first.handler());
    copy.connect("other:1", second.handler());
    run_ready(io);
    EXPECT_EQ(network.running(), 1u);
    limit(inside, 1).connect("db:1", third.handler());
    EXPECT_EQ(network.running(), 2u);
    for (std::size_t i = 0; i != 3; ++i) {
        if (i == 2) run_ready(io);
        network.end(i);
    }
    run(io);
    expect(second, success);
}

TEST_F(limit_layer, of_zero_is_one) {
    limit(inside, 0).connect("db:1", first.handler());
    ASSERT_EQ(network.asked(), 1u);
    network.end(0);
    run(io);
    expect(first, success);
}

TEST_F(limit_layer, without_options_lets_all_run) {
    const auto c = limit(inside, {});
    std::vector<connected> all(100);
    for (connected& each : all) c.connect("db:1", each.handler());
    EXPECT_EQ(network.running(), 100u);
    for (std::size_t i = 0; i != 100; ++i) network.end(i);
    run(io);
}

TEST_F(limit_layer, does_not_count_the_connections_themselves) {
    const auto c = limit(inside, 1);
    std::vector<fake_stream> kept;
    for (std::size_t i = 0; i != 3; ++i) {
        c.connect("db:1", [&](error_code, fake_stream s) { kept.push_back(std::move(s)); });
        run_ready(io);
        ASSERT_EQ(network.asked(), i + 1);
        network.end(i);
        run_ready(io);
    }
    EXPECT_EQ(kept.size(), 3u);
}

TEST_F(limit_layer, never_completes_inside_the_call_that_ends_another) {
    const connector<fake_stream> at_once{io, connects_at_once()};
    const auto c = limit(at_once, 1);
    c.connect("db:1", first.handler());
    c.connect("db:1", second.handler());
    EXPECT_EQ(first.calls + second.calls, 0);
    run(io);
    expect(first, success);
    expect(second, success);
}

TEST_F(limit_layer, has_given_the_place_back_when_the_handler_is_called) {
    const auto c = limit(inside, 1);
    c.connect("db:1", [&](error_code, fake_stream) { c.connect("db:2", second.handler()); });
    network.end(0);
    run_ready(io);
    ASSERT_EQ(network.asked(), 2u);
    network.end(1);
    run(io);
    expect(second, success);
}

// --- A place is given back when the connect has ended ---

TEST_F(limit_layer, gives_the_place_of_a_failure_back) {
    const auto c = limit(inside, 1);
    c.connect("db:1", first.handler());
    c.connect("db:2", second.handler());
    run_ready(io);
    network.end(0, refused);
    run_ready(io);
    expect(first, refused);
    ASSERT_EQ(network.asked(), 2u);
    network.end(1, refused);
    expect_a_free_place(c);
}

TEST_F(limit_layer, gives_the_place_of_a_timeout_back) {
    const auto c = limit(inside, 1);
    c.connect({"db:1", nullptr, clock::now() + 5ms}, first.handler());
    c.connect("db:2", second.handler());
    while (network.asked() != 2 && io.run_one_for(5s) != 0) {}
    ASSERT_EQ(network.asked(), 2u);
    expect(first, error::timeout);
    network.end(1);
    expect_a_free_place(c);
}

TEST_F(limit_layer, takes_no_place_when_the_deadline_has_passed) {
    const auto c = limit(inside, 1);
    c.connect({"db:1", nullptr, clock::now()}, first.handler());
    EXPECT_EQ(first.calls, 0);
    EXPECT_EQ(network.asked(), 0u);
    expect_a_free_place(c);
    expect(first, error::timeout);
}

TEST_F(limit_layer, gives_a_place_back_when_the_io_context_of_who_has_it_is_destroyed) {
    auto other = std::make_unique<asio::io_context>();
    // Waits in its io_context, as a socket does.
    const connector<fake_stream> c =
        limit(connector<fake_stream>{io,
                  [this](request what, handler_type handler) {
                      if (what.to().host() != "waits") return network.connect()(std::move(what), std::move(handler));
                      auto timer = std::make_unique<asio::steady_timer>(what.executor(), 1h);
                      auto& t = *timer;
                      t.async_wait([timer = std::move(timer), h = std::move(handler)](error_code) {});
                  }},
            1);
    c.connect(request{"waits:1"}.executor(other->get_executor()), first.handler());
    c.connect("db:1", second.handler());
    run_ready(io);
    EXPECT_EQ(network.asked(), 0u);
    other.reset();
    run_ready(io);
    EXPECT_EQ(first.calls, 0);
    ASSERT_EQ(network.asked(), 1u);
    network.end(0);
    expect_a_free_place(c);
    expect(second, success);
}

TEST_F(limit_layer, passes_over_those_who_wait_when_their_io_context_is_destroyed) {
    const auto c = limit(inside, 1);
    auto other = std::make_unique<asio::io_context>();
    c.connect("db:1", first.handler());
    const auto alive = std::make_shared<int>();
    for (int i = 0; i != 10; ++i)
        c.connect(request{"gone:1"}.executor(other->get_executor()), [alive](error_code, fake_stream) { FAIL(); });
    c.connect("db:2", second.handler());
    other.reset();
    EXPECT_EQ(alive.use_count(), 1);
    network.end(0);
    run_ready(io);
    ASSERT_EQ(network.asked(), 2u);
    EXPECT_EQ(network.target(1), "db:2");
    network.end(1);
    expect_a_free_place(c);
}

TEST_F(limit_layer, passes_the_place_on_of_one_whose_io_context_is_destroyed_when_it_was_its_turn) {
    const auto c = limit(inside, 1);
    auto other = std::make_unique<asio::io_context>();
    c.connect("db:1", first.handler());
    c.connect(request{"gone:1"}.executor(other->get_executor()), [](error_code, fake_stream) { FAIL(); });
    c.connect("db:2", second.handler());
    network.end(0);
    run_ready(io);  // it is the second's turn, whose io_context does not run
    EXPECT_EQ(network.asked(), 1u);
    other.reset();
    run_ready(io);
    ASSERT_EQ(network.asked(), 2u);
    EXPECT_EQ(network.target(1), "db:2");
    network.end(1);
    expect_a_free_place(c);
}

// --- One that waits can be cancelled ---

class limit_cancellation : public limit_layer, public testing::WithParamInterface<asio::cancellation_type> {};

INSTANTIATE_TEST_SUITE_P(each, limit_cancellation,
    testing::Values(
        asio::cancellation_type::terminal, asio::cancellation_type::partial, asio::cancellation_type::total),
    [](const auto& kind) { return name_of(kind.param); });

TEST_P(limit_cancellation, of_one_that_waits_lets_it_leave_the_line) {
    const auto c = limit(inside, 1);
    c.connect("db:1", first.handler());
    c.connect("db:2", second.handler(signal));
    c.connect("db:3", third.handler());
    run_ready(io);
    signal.emit(GetParam());
    EXPECT_EQ(second.calls, 0) << "never inside emit";
    run_ready(io);
    expect(second, aborted);
    network.end(0);
    run_ready(io);
    ASSERT_EQ(network.asked(), 2u);
    EXPECT_EQ(network.target(1), "db:3");
    network.end(1);
    expect_a_free_place(c);
}

TEST_P(limit_cancellation, of_one_that_runs_reaches_what_is_inside_and_gives_the_place_back) {
    const auto c = limit(inside, 1);
    c.connect("db:1", first.handler(signal));
    c.connect("db:2", second.handler());
    signal.emit(GetParam());
    EXPECT_EQ(network[0].told, std::vector{GetParam()});
    run_ready(io);
    expect(first, aborted);
    ASSERT_EQ(network.asked(), 2u);
    network.end(1);
    expect_a_free_place(c);
}

TEST_P(limit_cancellation, of_one_that_waited_reaches_what_is_inside) {
    const auto c = limit(inside, 1);
    c.connect("db:1", first.handler());
    c.connect("db:2", second.handler(signal));
    network.end(0);
    run_ready(io);
    ASSERT_EQ(network.asked(), 2u);
    signal.emit(GetParam());
    EXPECT_EQ(network[1].told, std::vector{GetParam()});
    run_ready(io);
    expect(second, aborted);
    expect_a_free_place(c);
}

TEST_P(limit_cancellation, of_one_whose_turn_has_come_passes_the_place_on) {
    const auto c = limit(inside, 1);
    asio::io_context other;
    c.connect("db:1", first.handler());
    c.connect(request{"db:2"}.executor(other.get_executor()), second.handler(signal));
    c.connect("db:3", third.handler());
    network.end(0);
    run_ready(io);  // it is the second's turn, and it does not know
    signal.emit(GetParam());
    run(other);
    expect(second, aborted);
    run_ready(io);
    ASSERT_EQ(network.asked(), 2u);
    EXPECT_EQ(network.target(1), "db:3");
    network.end(1);
    expect_a_free_place(c);
}

TEST_P(limit_cancellation, of_all_that_wait_for_the_next_second_ends_all_at_once) {
    const connector<fake_stream> at_once{io, connects_at_once()};
    const auto c = limit(at_once, limit_options().per_second(0.01));
    c.connect("db:1", first.handler());
    run_ready(io);
    expect(first, success);
    std::vector<connected> waiting(5);
    std::vector<asio::cancellation_signal> signals(5);
    for (std::size_t i = 0; i != 5; ++i) c.connect("db:1", waiting[i].handler(signals[i]));
    run_ready(io);
    for (asio::cancellation_signal& each : signals) each.emit(GetParam());
    run_ready(io);  // nobody waits a hundred seconds
    for (const connected& each : waiting) expect(each, aborted);
}

// --- One that waits keeps its deadline ---

TEST_F(limit_layer, ends_one_that_waits_at_its_deadline) {
    const auto c = limit(inside, 1);
    c.connect("db:1", first.handler());
    const auto begun = clock::now();
    c.connect({"db:2", nullptr, begun + 5ms}, second.handler());
    c.connect("db:3", third.handler());
    while (second.calls == 0 && io.run_one_for(5s) != 0) {}
    expect(second, error::timeout);
    EXPECT_GE(clock::now(), begun + 5ms);
    EXPECT_LT(clock::now(), begun + 5s);
    network.end(0);
    run_ready(io);
    ASSERT_EQ(network.asked(), 2u);
    EXPECT_EQ(network.target(1), "db:3");
    network.end(1);
    expect_a_free_place(c);
}

TEST_F(limit_layer, ends_one_at_its_deadline_that_waits_for_the_next_second) {
    const connector<fake_stream> at_once{io, connects_at_once()};
    const auto c = limit(at_once, limit_options().per_second(0.01));
    const auto begun = clock::now();
    c.connect("db:1", first.handler());
    c.connect({"db:2", nullptr, begun + 5ms}, second.handler());
    c.connect({"db:3", nullptr, begun + 5ms}, third.handler());
    run(io);
    expect(first, success);
    expect(second, error::timeout);
    expect(third, error::timeout);
    EXPECT_LT(clock::now(), begun + 5s);
}

// --- So many a second ---

TEST_F(limit_layer, lets_so_many_start_in_a_second_evenly_spaced) {
    const connector<fake_stream> at_once{io, connects_at_once()};
    const auto c = limit(at_once, limit_options().per_second(250));
    const auto begun = clock::now();
    std::vector<time_point> times;
    for (int i = 0; i != 5; ++i) c.connect("db:1", [&](error_code, fake_stream) { times.push_back(clock::now()); });
    run(io);
    ASSERT_EQ(times.size(), 5u);
    for (int i = 0; i != 5; ++i) EXPECT_GE(times[static_cast<std::size_t>(i)], begun + i * 4ms);
    EXPECT_LT(clock::now(), begun + 5s);
}

TEST_F(limit_layer, lets_a_burst_start_at_once) {
    const auto c = limit(inside, limit_options().per_second(0.01).burst(3));
    std::vector<connected> all(4);
    std::vector<asio::cancellation_signal> signals(4);
    for (std::size_t i = 0; i != 4; ++i) c.connect("db:1", all[i].handler(signals[i]));
    run_ready(io);
    EXPECT_EQ(network.asked(), 3u);
    for (asio::cancellation_signal& each : signals) each.emit(asio::cancellation_type::terminal);
    run(io);
    for (const connected& each : all) expect(each, aborted);
}

TEST_F(limit_layer, lets_the_next_start_in_time_when_the_one_before_leaves_the_line) {
    const connector<fake_stream> at_once{io, connects_at_once()};
    const auto c = limit(at_once, limit_options().per_second(4));
    const auto begun = clock::now();
    c.connect("db:1", first.handler());
    c.connect("db:2", second.handler(signal));
    c.connect("db:3", third.handler());
    run_ready(io);
    signal.emit(asio::cancellation_type::terminal);
    run(io);
    expect(second, aborted);
    expect(third, success);
    EXPECT_GE(clock::now(), begun + 250ms);
    EXPECT_LT(clock::now(), begun + 10s);
}

TEST_F(limit_layer, lets_the_next_start_in_time_when_the_io_context_of_the_one_before_is_destroyed) {
    const connector<fake_stream> at_once{io, connects_at_once()};
    const auto c = limit(at_once, limit_options().per_second(200));
    auto other = std::make_unique<asio::io_context>();
    c.connect("db:1", first.handler());
    c.connect(request{"gone:1"}.executor(other->get_executor()), second.handler());
    c.connect("db:3", third.handler());
    run_ready(io);
    other.reset();
    run(io);
    EXPECT_EQ(second.calls, 0);
    expect(third, success);
}

// --- The report ---

TEST_F(limit_layer, has_the_wait_as_a_phase_in_the_report) {
    const auto c = limit(inside, 1);
    report at_once, waited, timed_out, cancelled;
    connected each;
    c.connect({"db:1", &at_once}, first.handler());
    c.connect({"db:2", &waited}, second.handler());
    c.connect({"db:3", &timed_out, clock::now() + 5ms}, third.handler());
    c.connect({"db:4", &cancelled}, each.handler(signal));
    while (third.calls == 0 && io.run_one_for(5s) != 0) {}
    signal.emit(asio::cancellation_type::terminal);
    run_ready(io);
    network.end(0);
    run_ready(io);
    network.end(1);
    run(io);
    EXPECT_EQ(phases_of(at_once), "");
    ASSERT_EQ(phases_of(waited), "wait");
    EXPECT_EQ(waited.phases()[0].how, dial::outcome::done);
    EXPECT_TRUE(waited.ok());
    ASSERT_EQ(phases_of(timed_out), "wait");
    EXPECT_EQ(timed_out.phases()[0].how, dial::outcome::timed_out);
    ASSERT_NE(timed_out.failed_phase(), nullptr);
    EXPECT_EQ(timed_out.failed_phase()->error, error::timeout);
    ASSERT_EQ(phases_of(cancelled), "wait");
    EXPECT_EQ(cancelled.phases()[0].how, dial::outcome::cancelled);
    EXPECT_EQ(cancelled.error(), aborted);
}

// --- Threads, and the end ---

TEST_F(limit_layer, counts_all_io_contexts_together) {
    asio::io_context other;
    const auto c = limit(inside, 1);
    c.connect("db:1", first.handler());
    bool ran_there = false;
    c.connect(request{"db:2"}.executor(other.get_executor()), [&](error_code ec, fake_stream s) {
        ran_there = other.get_executor().running_in_this_thread();
        second.handler()(ec, std::move(s));
    });
    run_ready(other);
    EXPECT_EQ(network.asked(), 1u);
    network.end(0);
    run(io);
    EXPECT_EQ(network.asked(), 1u) << "it starts on its own executor";
    run_ready(other);
    ASSERT_EQ(network.asked(), 2u);
    network.end(1);
    run(other);
    expect(second, success);
    EXPECT_TRUE(ran_there);
}

TEST(limit_threads, never_lets_more_run_than_so_many) {
    asio::thread_pool pool{4};
    std::atomic<int> running = 0, most = 0, ended = 0;
    const connector<fake_stream> counts{pool, [&](request what, handler_type handler) {
                                            const int now = ++running;
                                            for (int seen = most;
                                                 seen < now && !most.compare_exchange_weak(seen, now);) {}
                                            auto executor = what.executor();
                                            asio::post(executor, [&, what, h = std::move(handler)]() mutable {
                                                --running;
                                                std::move(h)(error_code{}, fake_stream{what.executor(), "x"});
                                            });
                                        }};
    const auto c = limit(counts, 3);
    for (int i = 0; i != 2000; ++i)
        asio::post(
            pool, [&] { c.connect("db:1", [&](error_code ec, fake_stream s) { ended += !ec && s.is_open(); }); });
    pool.join();
    EXPECT_EQ(ended, 2000);
    EXPECT_LE(most, 3);
    EXPECT_EQ(fake_stream::open_now(), 0);
}

TEST(limit_destruction, of_the_io_context_releases_all_who_wait) {
    const auto alive = std::make_shared<int>();
    {
        std::optional<connector<fake_stream>> c;
        asio::io_context io;
        fake_network network;
        c = limit(network.connector_on(io), 1);
        std::vector<std::unique_ptr<report>> stories;
        for (int i = 0; i != 100; ++i) {
            report* const story = stories.emplace_back(std::make_unique<report>()).get();
            c->connect({"db:1", story, clock::now() + 1h}, [alive](error_code, fake_stream) { FAIL(); });
            c->connect("db:1", [alive](error_code, fake_stream) { FAIL(); });
        }
        run_ready(io);
        EXPECT_EQ(alive.use_count(), 201);
    }
    EXPECT_EQ(alive.use_count(), 1);
}

}  // namespace
}  // namespace dial::test
