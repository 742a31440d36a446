// dial::breaker: when connects are refused, when one is let through to see, and who counts.
#include <dial/breaker.hpp>
#include <dial/retry.hpp>
#include <support/layers.hpp>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;
using handler_type = detail::connect_handler<fake_stream>;

class breaker_layer : public testing::Test {
protected:
    ~breaker_layer() override { EXPECT_EQ(fake_stream::open_now(), 0); }

    // One connect, which the network ends with `ec` if it gets there.
    error_code connect(const connector<fake_stream>& c, error_code ec, const char* to = "db:1") {
        connected each;
        const std::size_t asked = network.asked();
        c.connect(to, each.handler());
        EXPECT_EQ(each.calls, 0) << "never inside the call";
        run_ready(io);
        if (network.asked() != asked) network.end(asked, ec);
        run_ready(io);
        EXPECT_EQ(each.calls, 1);
        EXPECT_EQ(each.open, !each.ec);
        return each.ec;
    }

    asio::io_context io;
    fake_network network;
    connector<fake_stream> inside = network.connector_on(io);
    asio::cancellation_signal signal;
    connected outcome;
};

constexpr auto to_see = 2ms;  // how long it is open, where one is to be let through

TEST_F(breaker_layer, lets_connects_fail_at_once_after_a_run_of_failures) {
    const auto c = breaker(inside, breaker_options(3).open_for(1h));
    for (int i = 0; i != 3; ++i) EXPECT_EQ(connect(c, refused), refused);
    for (int i = 0; i != 3; ++i) EXPECT_EQ(connect(c, success), error::breaker_open);
    EXPECT_EQ(network.asked(), 3u) << "before any system call";
}

TEST_F(breaker_layer, opens_after_five_failures_unless_told_otherwise) {
    const auto c = breaker(inside);
    for (int i = 0; i != 5; ++i) EXPECT_EQ(connect(c, refused), refused);
    EXPECT_EQ(connect(c, success), error::breaker_open);
}

TEST_F(breaker_layer, is_one_for_each_target) {
    const auto c = breaker(inside, breaker_options(1).open_for(1h));
    EXPECT_EQ(connect(c, refused, "db:1"), refused);
    EXPECT_EQ(connect(c, success, "db:1"), error::breaker_open);
    EXPECT_EQ(connect(c, success, "db:2"), success);
}

TEST_F(breaker_layer, counts_all_connects_through_its_copies_but_not_through_other_layers) {
    const auto c = breaker(inside, breaker_options(2).open_for(1h));
    const auto copy = c;  // NOLINT(performance-unnecessary-copy-initialization)
    EXPECT_EQ(connect(c, refused), refused);
    EXPECT_EQ(connect(copy, refused), refused);
    EXPECT_EQ(connect(c, success), error::breaker_open);
    EXPECT_EQ(connect(copy, success), error::breaker_open);
    EXPECT_EQ(connect(breaker(inside, breaker_options(2).open_for(1h)), success), success);
}

TEST_F(breaker_layer, starts_the_count_anew_after_a_success) {
    const auto c = breaker(inside, breaker_options(2).open_for(1h));
    for (int i = 0; i != 3; ++i) {
        EXPECT_EQ(connect(c, refused), refused);
        EXPECT_EQ(connect(c, success), success);
    }
}

TEST_F(breaker_layer, lets_one_through_to_see_and_closes_if_that_connects) {
    const auto c = breaker(inside, breaker_options(1).open_for(to_see));
    EXPECT_EQ(connect(c, refused), refused);
    std::this_thread::sleep_for(to_see);
    connected to_know;
    c.connect("db:1", to_know.handler());
    run_ready(io);
    ASSERT_EQ(network.asked(), 2u);
    EXPECT_EQ(connect(c, success), error::breaker_open) << "one";
    network.end(1);
    run_ready(io);
    expect(to_know, success);
    EXPECT_EQ(connect(c, success), success);
}

TEST_F(breaker_layer, stays_open_if_the_one_that_was_let_through_fails) {
    const auto c = breaker(inside, breaker_options(1).open_for(to_see).max_open_for(1h));
    EXPECT_EQ(connect(c, refused), refused);
    time_point failed;
    for (int i = 0; i != 2; ++i) {
        std::this_thread::sleep_for(to_see * (1 << i));  // the time doubles
        failed = clock::now();
        EXPECT_EQ(connect(c, refused), refused);
    }
    EXPECT_EQ(network.asked(), 3u);
    const error_code next = connect(c, success);
    EXPECT_TRUE(next == error::breaker_open || clock::now() >= failed + to_see * 4) << next.message();
}

TEST_F(breaker_layer, has_the_next_see_if_the_outcome_of_one_is_not_known) {
    const auto c = breaker(inside, breaker_options(1).open_for(to_see));
    EXPECT_EQ(connect(c, refused), refused);
    std::this_thread::sleep_for(to_see);
    c.connect("db:1", outcome.handler(signal));
    signal.emit(asio::cancellation_type::terminal);
    run_ready(io);
    expect(outcome, aborted);
    EXPECT_EQ(connect(c, error::invalid_target), error::invalid_target);  // says nothing of the server
    EXPECT_EQ(connect(c, success), success);
}

TEST_F(breaker_layer, never_counts_cancellation_by_the_caller_whatever_counts_says) {
    const auto everything = [](const error_code&) { return true; };
    const auto c = breaker(inside, breaker_options(1).open_for(1h).counts(everything));
    for (int i = 0; i != 3; ++i) {
        connected each;
        c.connect("db:1", each.handler(signal));
        signal.emit(asio::cancellation_type::total);
        run_ready(io);
        expect(each, aborted);
    }
    // Nor where what is inside has another word for it.
    network.told = fake_network::when_told::nothing;
    connected each;
    c.connect("db:1", each.handler(signal));
    signal.emit(asio::cancellation_type::total);
    network.end(3, refused);
    run_ready(io);
    EXPECT_EQ(each.calls, 1);
    EXPECT_EQ(connect(c, success), success);
}

TEST_F(breaker_layer, counts_what_counts_says) {
    const auto c = breaker(
        inside, breaker_options(1).open_for(1h).counts([](const error_code& ec) { return ec == error::timeout; }));
    for (int i = 0; i != 3; ++i) EXPECT_EQ(connect(c, refused), refused);
    EXPECT_EQ(connect(c, error::timeout), error::timeout);
    EXPECT_EQ(connect(c, success), error::breaker_open);
}

TEST_F(breaker_layer, counts_a_timeout) {
    const auto c = breaker(inside, breaker_options(1).open_for(1h));
    c.connect({"db:1", nullptr, clock::now() + 1ms}, outcome.handler());
    run(io);
    expect(outcome, error::timeout);
    EXPECT_EQ(connect(c, success), error::breaker_open);
}

TEST_F(breaker_layer, inside_a_retry_keeps_the_retries_from_hammering) {
    int calls = 0;
    const connector<fake_stream> fails{io, fails_at_first(1000, refused, calls)};
    const auto c = retry(breaker(fails, breaker_options(3).open_for(1h)),
        retry_options().attempts(10).base(duration::zero()).budget(retry_budget::unlimited()));
    c.connect("db:1", outcome.handler());
    run(io);
    expect(outcome, error::breaker_open);
    EXPECT_EQ(calls, 3);
}

TEST_F(breaker_layer, around_a_retry_counts_what_the_retries_came_to) {
    int calls = 0;
    const connector<fake_stream> fails{io, fails_at_first(1000, refused, calls)};
    const auto c =
        breaker(retry(fails, retry_options().attempts(4).base(duration::zero()).budget(retry_budget::unlimited())),
            breaker_options(2).open_for(1h));
    for (int i = 0; i != 4; ++i) c.connect("db:1", outcome.handler()), run(io);
    EXPECT_EQ(outcome.calls, 4);
    EXPECT_EQ(outcome.ec, error::breaker_open);
    EXPECT_EQ(calls, 2 * 4);
}

TEST_F(breaker_layer, says_in_the_report_why_and_until_when) {
    const auto c = breaker(inside, breaker_options(1).open_for(1h));
    EXPECT_EQ(connect(c, refused), refused);
    report story;
    c.connect({"db:1", &story}, outcome.handler());
    run(io);
    expect(outcome, error::breaker_open);
    ASSERT_EQ(phases_of(story), "breaker");
    EXPECT_EQ(story.phases()[0].error, error::breaker_open);
    EXPECT_NE(story.phases()[0].note.find("let through in"), std::string::npos) << story.phases()[0].note;
    EXPECT_EQ(story.failed_phase(), &story.phases()[0]);
}

TEST_F(breaker_layer, refuses_where_the_handler_runs_with_a_stream_that_lives_there) {
    const auto c = breaker(inside, breaker_options(1).open_for(1h));
    EXPECT_EQ(connect(c, refused), refused);
    const auto strand = asio::make_strand(io);
    c.connect("db:1", asio::bind_executor(strand, [&](error_code ec, fake_stream s) {
        EXPECT_TRUE(strand.running_in_this_thread());
        outcome.handler()(ec, std::move(s));
    }));
    run(io);
    expect(outcome, error::breaker_open);
    EXPECT_EQ(outcome.executor, asio::any_io_executor{strand});
}

TEST_F(breaker_layer, passes_each_kind_of_cancellation_on) {
    const auto c = breaker(inside);
    for (const auto kind :
        {asio::cancellation_type::terminal, asio::cancellation_type::partial, asio::cancellation_type::total}) {
        connected each;
        const std::size_t index = network.asked();
        c.connect("db:1", each.handler(signal));
        signal.emit(kind);
        EXPECT_EQ(network[index].told, std::vector{kind});
        EXPECT_EQ(each.calls, 0) << "never inside emit";
        run_ready(io);
        expect(each, aborted);
    }
}

TEST_F(breaker_layer, has_the_next_see_if_the_io_context_of_one_is_destroyed) {
    auto other = std::make_unique<asio::io_context>();
    bool fails = true;
    const auto c = breaker(connector<fake_stream>{io,
                               [&](request what, handler_type handler) {
                                   if (fails) return std::move(handler)(refused, fake_stream{what.executor()});
                                   auto timer = std::make_unique<asio::steady_timer>(what.executor(), 1h);
                                   auto& t = *timer;
                                   t.async_wait([timer = std::move(timer), h = std::move(handler)](error_code) {});
                               }},
        breaker_options(1).open_for(to_see));
    c.connect("db:1", outcome.handler());
    run(io);
    std::this_thread::sleep_for(to_see);
    fails = false;
    connected never_ends;
    c.connect(request{"db:1"}.executor(other->get_executor()), never_ends.handler());
    run_ready(*other);
    other.reset();
    fails = true;
    connected next;
    c.connect("db:1", next.handler());
    run(io);
    expect(next, refused);  // not breaker_open: it was let through
    EXPECT_EQ(never_ends.calls, 0);
}

TEST(breaker_threads, counts_all_threads_together) {
    asio::thread_pool pool{4};
    std::atomic<int> asked = 0, ended = 0;
    const auto c = breaker(connector<fake_stream>{pool,
                               [&asked](request what, handler_type handler) {
                                   ++asked;
                                   std::move(handler)(refused, fake_stream{what.executor()});
                               }},
        breaker_options(50).open_for(1h));
    for (int i = 0; i != 1000; ++i)
        asio::post(pool, [&] {
            c.connect("db:1", [&](error_code ec, fake_stream) { ended += ec == refused || ec == error::breaker_open; });
        });
    pool.join();
    EXPECT_EQ(ended, 1000);
    EXPECT_GE(asked, 50);
    connected last;
    asio::io_context io;
    c.connect(request{"db:1"}.executor(io.get_executor()), last.handler());
    run(io);
    expect(last, error::breaker_open);
}

}  // namespace
}  // namespace dial::test
