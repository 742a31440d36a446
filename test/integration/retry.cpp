// dial::retry: what is tried again, when, and when no more.
#include <dial/retry.hpp>
#include <support/layers.hpp>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/strand.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;
using handler_type = detail::connect_handler<fake_stream>;

// Without a pause that counts.
retry_options quickly(int attempts = 4) {
    return retry_options().attempts(attempts).base(duration::zero()).budget(retry_budget::unlimited());
}

class retry_layer : public testing::Test {
protected:
    ~retry_layer() override { EXPECT_EQ(fake_stream::open_now(), 0); }

    connector<fake_stream> failing(int times, error_code ec = refused) {
        return {io, fails_at_first(times, ec, calls)};
    }

    asio::io_context io;
    fake_network network;
    connector<fake_stream> inside = network.connector_on(io);
    asio::cancellation_signal signal;
    connected outcome;
    int calls = 0;
};

TEST_F(retry_layer, repeats_a_connect_that_has_failed_until_one_succeeds) {
    retry(failing(3), quickly()).connect("db:1", outcome.handler());
    EXPECT_EQ(outcome.calls, 0);
    run(io);
    expect(outcome, success);
    EXPECT_EQ(outcome.peer, "db:1");
    EXPECT_EQ(calls, 4);
}

TEST_F(retry_layer, repeats_nothing_that_succeeds) {
    retry(failing(0), quickly()).connect("db:1", outcome.handler());
    run(io);
    expect(outcome, success);
    EXPECT_EQ(calls, 1);
}

TEST_F(retry_layer, makes_four_tries_in_all_unless_told_otherwise_and_ends_with_the_last_error) {
    int tries = 0;
    const connector<fake_stream> fails_differently{io, [&](request what, handler_type handler) {
                                                       const error_code ec =
                                                           ++tries == 4 ? error_code{error::timeout} : refused;
                                                       std::move(handler)(ec, fake_stream{what.executor()});
                                                   }};
    retry(fails_differently, retry_options().base(1ms)).connect("db:1", outcome.handler());
    run(io);
    expect(outcome, error::timeout);
    EXPECT_EQ(tries, 4);
}

TEST_F(retry_layer, makes_as_many_tries_as_told) {
    retry(failing(100), quickly(1)).connect("db:1", outcome.handler());
    run(io);
    expect(outcome, refused);
    EXPECT_EQ(calls, 1);
    retry(failing(100), quickly(20)).connect("db:1", outcome.handler());
    run(io);
    EXPECT_EQ(calls, 21);
}

TEST_F(retry_layer, pauses_longer_each_time) {
    const auto begun = clock::now();
    report story;
    retry(failing(3), quickly().base(2ms).factor(2).jitter(jitter::none)).connect({"db:1", &story}, outcome.handler());
    run(io);
    expect(outcome, success);
    EXPECT_GE(clock::now(), begun + 14ms);
    EXPECT_LT(clock::now(), begun + 5s);
    ASSERT_EQ(story.phases().size(), 3u);
    for (std::size_t i = 0; i != 3; ++i) {
        const report::phase& pause = story.phases()[i];
        EXPECT_EQ(pause.name, "backoff");
        EXPECT_GE(pause.ended - pause.started, duration{2ms} * (1 << i) - 500us);
    }
}

TEST_F(retry_layer, does_not_repeat_what_would_fail_again) {
    for (const error_code ec : {error_code{error::invalid_target}, error_code{error::breaker_open}, aborted,
             error_code{asio::error::host_not_found}}) {
        connected each;
        calls = 0;
        retry(failing(1, ec), quickly()).connect("db:1", each.handler());
        run(io);
        expect(each, ec);
        EXPECT_EQ(calls, 1) << ec.message();
    }
}

TEST_F(retry_layer, repeats_what_when_says) {
    const auto only_invalid = quickly().when([](const error_code& ec) { return ec == error::invalid_target; });
    retry(failing(1, error::invalid_target), only_invalid).connect("db:1", outcome.handler());
    run(io);
    expect(outcome, success);
    connected second;
    calls = 0;
    retry(failing(1), only_invalid).connect("db:1", second.handler());
    run(io);
    expect(second, refused);
    EXPECT_EQ(calls, 1);
}

TEST_F(retry_layer, closes_the_stream_of_a_failed_try_before_the_next) {
    int tries = 0;
    const connector<fake_stream> half_open{io, [&](request what, handler_type handler) {
                                               EXPECT_EQ(fake_stream::open_now(), 0);
                                               const error_code ec = ++tries < 3 ? refused : success;
                                               std::move(handler)(ec, fake_stream{what.executor(), "x"});
                                           }};
    retry(half_open, quickly()).connect("db:1", outcome.handler());
    run(io);
    expect(outcome, success);
}

// --- The budget ---

TEST_F(retry_layer, retries_no_more_than_the_budget_of_all_its_copies_allows) {
    const auto c = retry(failing(1000), retry_options().base(duration::zero()).budget(retry_budget{0, 5}));
    const auto copy = c;  // NOLINT(performance-unnecessary-copy-initialization)
    for (int i = 0; i != 10; ++i) {
        c.connect("db:1", outcome.handler());
        copy.connect("db:2", outcome.handler());
    }
    run(io);
    EXPECT_EQ(outcome.calls, 20);
    EXPECT_EQ(calls, 20 + 5);
}

TEST_F(retry_layer, has_a_budget_of_its_own_of_a_tenth_and_ten) {
    const auto c = retry(failing(100'000), retry_options().base(duration::zero()));
    for (int i = 0; i != 100; ++i) c.connect("db:1", outcome.handler());
    run(io);
    EXPECT_EQ(outcome.calls, 100);
    EXPECT_EQ(calls, 100 + 10 + 10);
}

TEST_F(retry_layer, shares_a_budget_with_the_layers_that_it_is_given_to) {
    const retry_budget shared{0, 3};
    const auto options = retry_options().base(duration::zero()).budget(shared);
    retry(failing(100), options).connect("db:1", outcome.handler());
    run(io);
    retry(failing(100), options).connect("db:1", outcome.handler());
    run(io);
    EXPECT_EQ(outcome.calls, 2);
    EXPECT_EQ(calls, 4 + 1);
}

// --- Time ---

TEST_F(retry_layer, does_not_wait_for_a_retry_for_which_no_time_is_left) {
    const auto begun = clock::now();
    report story;
    retry(failing(1), quickly().base(1h).max_delay(1h).jitter(jitter::none))
        .connect({"db:1", &story, begun + 1min}, outcome.handler());
    run(io);
    expect(outcome, refused);
    EXPECT_LT(clock::now(), begun + 5s);
    EXPECT_EQ(calls, 1);
    ASSERT_EQ(phases_of(story), "backoff");
    EXPECT_FALSE(story.phases()[0].note.empty()) << "why there was no other try";
}

TEST_F(retry_layer, makes_no_retry_after_the_total_time) {
    const auto begun = clock::now();
    retry(failing(1), quickly().base(1h).max_delay(1h).jitter(jitter::none).total_time(1min))
        .connect("db:1", outcome.handler());
    run(io);
    expect(outcome, refused);
    EXPECT_LT(clock::now(), begun + 5s);
}

TEST_F(retry_layer, has_all_tries_under_the_requests_deadline) {
    const time_point deadline = clock::now() + 1h;
    retry(inside, quickly()).connect({"db:1", nullptr, deadline}, outcome.handler());
    for (std::size_t i = 0; i != 3; ++i) {
        ASSERT_EQ(network.asked(), i + 1);
        EXPECT_EQ(network[i].what.deadline(), deadline);
        EXPECT_EQ(network.target(i), "db:1");
        network.end(i, i == 2 ? success : refused);
        run_ready(io);
    }
    expect(outcome, success);
}

TEST_F(retry_layer, times_out_at_once_when_the_deadline_has_passed) {
    retry(inside, quickly()).connect({"db:1", nullptr, clock::now()}, outcome.handler());
    EXPECT_EQ(outcome.calls, 0);
    run_ready(io);
    expect(outcome, error::timeout);
    EXPECT_EQ(network.asked(), 0u);
}

// --- The report ---

TEST_F(retry_layer, has_all_tries_and_the_pauses_in_the_report) {
    report story;
    retry(inside, quickly(3)).connect({"db:1", &story}, outcome.handler());
    for (std::size_t i = 0; i != 3; ++i) {
        ASSERT_EQ(network.asked(), i + 1);
        report* const inside_report = network[i].what.report();
        ASSERT_NE(inside_report, nullptr);
        inside_report->begin("db:1", clock::now());
        inside_report->on_event({.when = clock::now(), .phase = "greeting"});
        inside_report->on_event(
            {.ended = true, .when = clock::now(), .how = dial::outcome::failed, .error = refused, .phase = "greeting"});
        inside_report->end(refused, clock::now());
        network.end(i, refused);
        run_ready(io);
    }
    expect(outcome, refused);
    EXPECT_EQ(phases_of(story), "greeting backoff greeting backoff greeting backoff");
    EXPECT_EQ(story.phases()[1].how, dial::outcome::done);
    EXPECT_EQ(story.phases()[5].note, "no more tries are allowed");
    ASSERT_NE(story.failed_phase(), nullptr);
    EXPECT_EQ(story.failed_phase()->name, "greeting");
    EXPECT_EQ(story.target(), "db:1");
}

// --- Cancellation ---

class retry_cancellation : public retry_layer, public testing::WithParamInterface<asio::cancellation_type> {};

INSTANTIATE_TEST_SUITE_P(each, retry_cancellation,
    testing::Values(
        asio::cancellation_type::terminal, asio::cancellation_type::partial, asio::cancellation_type::total),
    [](const auto& kind) { return name_of(kind.param); });

TEST_P(retry_cancellation, ends_the_try_that_runs_and_there_is_no_other) {
    retry(inside, quickly().when([](const error_code&) { return true; })).connect("db:1", outcome.handler(signal));
    network.end(0, refused);
    run_ready(io);
    ASSERT_EQ(network.asked(), 2u);
    signal.emit(GetParam());
    EXPECT_EQ(network[1].told, std::vector{GetParam()});
    EXPECT_EQ(outcome.calls, 0) << "never inside emit";
    run(io);
    expect(outcome, aborted);
    EXPECT_EQ(network.asked(), 2u);
}

TEST_P(retry_cancellation, ends_the_pause) {
    report story;
    retry(failing(1), quickly().base(1h).max_delay(1h).jitter(jitter::none))
        .connect({"db:1", &story}, outcome.handler(signal));
    run_ready(io);
    EXPECT_EQ(outcome.calls, 0);
    signal.emit(GetParam());
    signal.emit(GetParam());  // again, it is the same
    EXPECT_EQ(outcome.calls, 0) << "never inside emit";
    run_ready(io);
    expect(outcome, aborted);
    EXPECT_EQ(calls, 1);
    ASSERT_EQ(phases_of(story), "backoff");
    EXPECT_EQ(story.phases()[0].how, dial::outcome::cancelled);
}

TEST_P(retry_cancellation, before_the_io_context_runs_lets_no_retry_happen) {
    retry(failing(1), quickly()).connect("db:1", outcome.handler(signal));
    signal.emit(GetParam());
    run(io);
    EXPECT_EQ(outcome.calls, 1);
    EXPECT_TRUE(outcome.ec);
    EXPECT_EQ(calls, 1);
}

// --- Where, and the end ---

TEST_F(retry_layer, pauses_where_the_stream_is_to_live) {
    const auto strand = asio::make_strand(io);
    retry(failing(2), quickly()).connect("db:1", asio::bind_executor(strand, [&](error_code ec, fake_stream s) {
        EXPECT_TRUE(strand.running_in_this_thread());
        outcome.handler()(ec, std::move(s));
    }));
    run(io);
    expect(outcome, success);
    EXPECT_EQ(outcome.executor, asio::any_io_executor{strand});
}

TEST(retry_destruction, of_the_io_context_releases_those_that_pause) {
    const auto alive = std::make_shared<int>();
    {
        asio::io_context io;
        const auto c = retry(connector<fake_stream>{io, fails_with(refused)},
            retry_options().base(1h).max_delay(1h).jitter(jitter::none).budget(retry_budget::unlimited()));
        for (int i = 0; i != 100; ++i) c.connect("db:1", [alive](error_code, fake_stream) { FAIL(); });
        run_ready(io);
        EXPECT_EQ(alive.use_count(), 101);
    }
    EXPECT_EQ(alive.use_count(), 1);
}

}  // namespace
}  // namespace dial::test
