// dial::timeout: one limit for everything inside it.
#include <dial/retry.hpp>
#include <dial/timeout.hpp>
#include <support/layers.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <memory>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

class timeout_layer : public testing::Test {
protected:
    asio::io_context io;
    fake_network network;
    connector<fake_stream> inside = network.connector_on(io);
    asio::cancellation_signal signal;
    connected outcome;
};

TEST_F(timeout_layer, limits_each_connect_by_itself) {
    const auto c = timeout(inside, 1h);
    const auto begun = clock::now();
    c.connect("db:1", outcome.handler());
    std::this_thread::sleep_for(1ms);
    c.connect("db:1", outcome.handler());
    const time_point first = network[0].what.deadline().value(), second = network[1].what.deadline().value();
    EXPECT_GE(first, begun + 1h);
    EXPECT_LE(first, clock::now() + 1h);
    EXPECT_GE(second, first + 1ms);
    network.end(0);
    network.end(1);
    run(io);
}

TEST_F(timeout_layer, ends_what_takes_longer) {
    const auto begun = clock::now();
    timeout(inside, 5ms).connect("db:1", outcome.handler());
    EXPECT_EQ(outcome.calls, 0);
    run(io);
    expect(outcome, error::timeout);
    EXPECT_GE(clock::now(), begun + 5ms);
    EXPECT_LT(clock::now(), begun + 5s);
    EXPECT_EQ(network[0].told.size(), 1u);
}

TEST_F(timeout_layer, includes_everything_inside_it) {
    int calls = 0;
    const connector<fake_stream> fails{io, fails_at_first(1000, refused, calls)};
    const auto tries = retry(fails,
        retry_options().attempts(1000).base(1ms).factor(1).jitter(jitter::none).budget(retry_budget::unlimited()));
    const auto begun = clock::now();
    timeout(tries, 10ms).connect("db:1", outcome.handler());
    run(io);
    EXPECT_EQ(outcome.calls, 1);  // with the error of the last try that there was time for
    EXPECT_TRUE(outcome.ec == refused || outcome.ec == error::timeout) << outcome.ec.message();
    EXPECT_GE(calls, 1);
    EXPECT_LE(calls, 11);
    EXPECT_LT(clock::now(), begun + 5s);
}

TEST_F(timeout_layer, lets_the_requests_deadline_count_if_it_is_earlier) {
    const time_point soon = clock::now() + 1h;
    timeout(inside, 2h).connect({"db:1", nullptr, soon}, outcome.handler());
    EXPECT_EQ(network[0].what.deadline(), soon);
    timeout(inside, 1min).connect({"db:1", nullptr, soon}, outcome.handler());
    EXPECT_LT(network[1].what.deadline().value(), soon);
    network.end(0);
    network.end(1);
    run(io);
}

TEST_F(timeout_layer, of_two_lets_the_shorter_count_wherever_it_is) {
    timeout(timeout(inside, 1h), 3h).connect("db:1", outcome.handler());
    timeout(timeout(inside, 3h), 1h).connect("db:1", outcome.handler());
    for (std::size_t i = 0; i != 2; ++i) {
        EXPECT_LE(network[i].what.deadline().value(), clock::now() + 1h);
        network.end(i);
    }
    run(io);
}

TEST_F(timeout_layer, of_zero_or_less_is_a_timeout_at_once) {
    for (const duration limit : {duration::zero(), duration{-1}, duration::min()}) {
        connected each;
        timeout(inside, limit).connect("db:1", each.handler());
        EXPECT_EQ(each.calls, 0) << "never inside the call";
        run_ready(io);
        expect(each, error::timeout);
    }
    EXPECT_EQ(network.asked(), 0u);
}

TEST_F(timeout_layer, of_never_is_no_limit) {
    const time_point deadline = clock::now() + 1h;
    timeout(inside, never).connect("db:1", outcome.handler());
    timeout(inside, never).connect({"db:1", nullptr, deadline}, outcome.handler());
    EXPECT_EQ(network[0].what.deadline().value_or(time_point::max()), time_point::max());
    EXPECT_EQ(network[1].what.deadline(), deadline);
    network.end(0);
    network.end(1);
    run(io);
    EXPECT_EQ(outcome.calls, 2);
}

TEST_F(timeout_layer, takes_any_unit) {
    timeout(inside, 0.5h).connect("db:1", outcome.handler());
    EXPECT_GT(network[0].what.deadline().value(), clock::now() + 29min);
    EXPECT_LT(network[0].what.deadline().value(), clock::now() + 31min);
    network.end(0);
    run(io);
}

TEST_F(timeout_layer, adds_nothing_to_the_report_and_tells_of_the_timeout) {
    report story;
    timeout(inside, 5ms).connect({"db:1", &story}, outcome.handler());
    run(io);
    EXPECT_EQ(story.error(), error::timeout);
    EXPECT_TRUE(story.phases().empty());
}

TEST_F(timeout_layer, passes_cancellation_on) {
    timeout(inside, 1h).connect("db:1", outcome.handler(signal));
    signal.emit(asio::cancellation_type::partial);
    EXPECT_EQ(network[0].told, std::vector{asio::cancellation_type::partial});
    run(io);
    expect(outcome, aborted);
}

TEST_F(timeout_layer, has_the_executor_and_the_streams_of_what_is_inside) {
    const auto c = timeout(inside, 1h);
    EXPECT_EQ(c.get_executor(), inside.get_executor());
    EXPECT_FALSE(c.unconnected().is_open());
}

}  // namespace
}  // namespace dial::test
