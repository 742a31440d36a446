// What a pool's connections are prepared and checked with.
#include <dial/pool.hpp>
#include <support/pools.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>

namespace dial::test {
namespace {

using namespace std::chrono_literals;

// A function that keeps its handlers until the test calls them.
class script {
public:
    auto function() {
        return [this](fake_stream& stream, detail::done_handler handler) {
            ++calls;
            on = &stream;
            executor = asio::get_associated_executor(handler);
            auto slot = asio::get_associated_cancellation_slot(handler);
            if (slot.is_connected()) slot.assign([this](asio::cancellation_type) { ++told; });
            handler_.emplace(std::move(handler));
        };
    }
    void end(error_code ec = {}) {
        auto handler = std::move(*handler_);
        handler_.reset();
        std::move(handler)(ec);
    }
    void drop() { handler_.reset(); }

    int calls = 0, told = 0;
    fake_stream* on = nullptr;
    asio::any_completion_executor executor;

private:
    std::optional<detail::done_handler> handler_;
};

class a_pool_with_functions : public pool_test {
protected:
    void use_one_and_give_it_back() {
        connections->acquire("db:1", a.handler());
        run_ready(io);
        open(0);
        give_back(a);
    }

    script prepare, check;
};

// --- prepare ---

TEST_F(a_pool_with_functions, prepares_each_new_connection_once) {
    auto& p = make(pool_options().prepare(prepare.function()));
    report story;
    p.acquire({"db:1", &story}, a.handler());
    run_ready(io);
    open(0);
    EXPECT_EQ(prepare.calls, 1);
    EXPECT_EQ(prepare.on->peer(), "db:1");
    EXPECT_EQ(a.calls, 0);
    EXPECT_EQ(counts().connecting, 1u);
    prepare.end();
    run_ready(io);
    expect(a, success);
    EXPECT_EQ(phases_of(story), "wait prepare");
    give_back(a);
    p.acquire("db:1", b.handler());
    run_ready(io);
    expect(b, success);
    EXPECT_EQ(prepare.calls, 1);
}

TEST_F(a_pool_with_functions, prepares_with_a_coroutine) {
    int prepared = 0;
    auto& p = make(pool_options().prepare([&prepared](fake_stream& s) -> asio::awaitable<void> {
        EXPECT_EQ(s.peer(), "db:1");
        co_await asio::post(co_await asio::this_coro::executor, asio::deferred);
        ++prepared;
    }));
    p.acquire("db:1", a.handler());
    run_ready(io);
    open(0);
    expect(a, success);
    EXPECT_EQ(prepared, 1);
}

TEST_F(a_pool_with_functions, takes_functions_of_any_stream_if_the_type_is_said) {
    int prepared = 0, checked = 0;
    auto& p = make(pool_options()
                       .check_after(0s)
                       .prepare<fake_stream>([&](auto&, auto handler) {
                           ++prepared;
                           std::move(handler)(error_code{});
                       })
                       .check<fake_stream>([&](auto&, auto handler) {
                           ++checked;
                           std::move(handler)(error_code{});
                       }));
    p.acquire("db:1", a.handler());
    run_ready(io);
    open(0);
    expect(a, success);
    EXPECT_EQ(prepared, 1);
    EXPECT_EQ(checked, 0);
    give_back(a);
    p.acquire("db:1", b.handler());
    run_ready(io);
    expect(b, success);
    EXPECT_EQ(checked, 1);
}

TEST_F(a_pool_with_functions, a_connection_that_cannot_be_prepared_has_failed) {
    auto& p = make(pool_options().prepare(prepare.function()));
    report story;
    p.acquire({"db:1", &story}, a.handler());
    run_ready(io);
    open(0);
    prepare.end(asio::error::access_denied);
    run_ready(io);
    expect(a, asio::error::access_denied);
    EXPECT_EQ(fake_stream::open_now(), 0);
    EXPECT_EQ(phases_of(story), "wait prepare");
    EXPECT_EQ(story.phases()[1].error, asio::error::access_denied);
    EXPECT_EQ(counts().open_failed, 1u);
}

TEST_F(a_pool_with_functions, an_exception_of_prepare_is_its_error) {
    const auto fails = [](auto thrown) {
        return [thrown](fake_stream&) -> asio::awaitable<void> {
            throw thrown;
            co_return;
        };
    };
    struct {
        pool_options options;
        error_code expected;
    } const cases[] = {
        {pool_options().prepare(fails(boost::system::system_error{asio::error::eof})), asio::error::eof},
        {pool_options().prepare(fails(std::bad_alloc{})),
            boost::system::errc::make_error_code(boost::system::errc::not_enough_memory)},
        {pool_options().prepare(fails(std::runtime_error{"what"})), error::prepare_failed},
        {pool_options().prepare([](fake_stream&, const detail::done_handler&) { throw std::runtime_error{"at once"}; }),
            error::prepare_failed},
    };
    for (const auto& each : cases) {
        auto& p = make(each.options);
        const std::size_t asked = network.asked();
        acquired got;
        p.acquire("db:1", got.handler());
        run_ready(io);
        open(asked);
        expect(got, each.expected);
    }
}

TEST_F(a_pool_with_functions, what_prepare_throws_is_in_the_report) {
    auto& p = make(pool_options().prepare([](fake_stream&) -> asio::awaitable<void> {
        throw std::runtime_error{"NOAUTH Authentication required"};
        co_return;
    }));
    report story;
    p.acquire({"db:1", &story}, a.handler());
    run_ready(io);
    open(0);
    ASSERT_EQ(story.phases().size(), 2u);
    EXPECT_EQ(story.phases()[1].name, "prepare");
    EXPECT_EQ(story.phases()[1].note, "NOAUTH Authentication required");
}

TEST_F(a_pool_with_functions, prepare_is_under_the_connect_timeout) {
    auto& p = make(pool_options().connect_timeout(20ms).prepare(prepare.function()));
    p.acquire("db:1", a.handler());
    run_ready(io);
    open(0);
    run_until([&] { return a.calls != 0; });
    expect(a, error::timeout);
    EXPECT_EQ(prepare.told, 1);
    EXPECT_EQ(fake_stream::open_now(), 1);  // it may still use it
    EXPECT_EQ(prepare.on->peer(), "db:1");
    prepare.end();
    run_ready(io);
    EXPECT_EQ(fake_stream::open_now(), 0);
    EXPECT_EQ(a.calls, 1);
}

TEST_F(a_pool_with_functions, a_prepare_that_drops_its_handler_is_over_when_time_is_up) {
    auto& p = make(pool_options().connect_timeout(20ms).prepare(prepare.function()));
    p.acquire("db:1", a.handler());
    run_ready(io);
    open(0);
    prepare.drop();
    run_until([&] { return a.calls != 0; });
    expect(a, error::timeout);
    EXPECT_EQ(fake_stream::open_now(), 0);
}

TEST_F(a_pool_with_functions, a_pool_that_is_closed_stops_preparing) {
    auto& p = make(pool_options().prepare(prepare.function()));
    p.acquire("db:1", a.handler());
    run_ready(io);
    open(0);
    connections.reset();
    run_ready(io);
    expect(a, error::pool_closed);
    EXPECT_EQ(prepare.told, 1);
    prepare.end();
    run_ready(io);
    EXPECT_EQ(fake_stream::open_now(), 0);
}

TEST_F(a_pool_with_functions, for_streams_of_another_type_no_connection_is_opened) {
    auto& p = make(pool_options().prepare([](asio::ip::tcp::socket&, detail::done_handler) { ADD_FAILURE(); }));
    p.acquire("db:1", a.handler());
    run_ready(io);
    expect(a, error::invalid_option);
    EXPECT_EQ(network.asked(), 0u);
}

TEST_F(a_pool_with_functions, run_on_a_strand_of_the_pools_executor) {
    auto& p = make(pool_options().prepare(prepare.function()));
    p.acquire("db:1", a.handler());
    run_ready(io);
    open(0);
    ASSERT_TRUE(prepare.executor);
    bool there = false;
    asio::dispatch(prepare.executor, [&] { there = io.get_executor().running_in_this_thread(); });
    run_ready(io);
    EXPECT_TRUE(there);
    prepare.end();
    run_ready(io);
}

// --- check ---

TEST_F(a_pool_with_functions, checks_a_connection_before_it_is_used_again) {
    auto& p = make(pool_options().check(check.function()).check_after(0s));
    use_one_and_give_it_back();
    EXPECT_EQ(check.calls, 0);
    p.acquire("db:1", b.handler());
    run_ready(io);
    EXPECT_EQ(check.calls, 1);
    EXPECT_EQ(b.calls, 0);
    EXPECT_EQ(counts().checking, 1u);
    check.end();
    run_ready(io);
    expect(b, success);
    EXPECT_EQ(network.asked(), 1u);
}

TEST_F(a_pool_with_functions, checks_again_what_nobody_took_after_its_check) {
    auto& p = make(pool_options().check(check.function()).check_after(0s));
    use_one_and_give_it_back();
    p.acquire("db:1", b.handler(signal));
    run_ready(io);
    signal.emit(asio::cancellation_type::total);
    run_ready(io);
    check.end();
    run_ready(io);
    EXPECT_EQ(counts().idle, 1u);
    p.acquire("db:1", c.handler());
    run_ready(io);
    EXPECT_EQ(check.calls, 2);
    check.end();
    run_ready(io);
    expect(c, success);
}

TEST_F(a_pool_with_functions, does_not_check_what_was_used_just_now) {
    auto& p = make(pool_options().check(check.function()));
    use_one_and_give_it_back();
    p.acquire("db:1", b.handler());
    run_ready(io);
    expect(b, success);
    EXPECT_EQ(check.calls, 0);
}

TEST_F(a_pool_with_functions, a_connection_that_fails_its_check_is_replaced) {
    auto& p = make(pool_options().max_per_target(1).check(check.function()).check_after(20ms));
    use_one_and_give_it_back();
    asio::steady_timer timer{io, 25ms};
    bool later = false;
    timer.async_wait([&](error_code) { later = true; });
    run_until([&] { return later; });
    p.acquire("db:1", b.handler());
    run_ready(io);
    ASSERT_EQ(check.calls, 1);
    check.end(asio::error::eof);
    run_ready(io);
    EXPECT_EQ(counts().closed_for(close_reason::check_failed), 1u);
    EXPECT_EQ(counts().dead(), 1u);
    ASSERT_EQ(network.asked(), 2u);
    open(1);
    expect(b, success);
}

TEST_F(a_pool_with_functions, a_check_that_takes_too_long_has_failed) {
    auto& p = make(pool_options().max_per_target(1).check(check.function()).check_after(0s).check_timeout(20ms));
    use_one_and_give_it_back();
    p.acquire("db:1", b.handler());
    run_ready(io);
    ASSERT_EQ(check.calls, 1);
    run_until([&] { return network.asked() == 2; });
    EXPECT_EQ(check.told, 1);
    EXPECT_EQ(counts().closed_for(close_reason::check_failed), 1u);
    check.end();
    run_ready(io);
    EXPECT_EQ(fake_stream::open_now(), 0);
    p.close();
    run_ready(io);
}

TEST_F(a_pool_with_functions, a_connection_under_check_is_not_handed_out) {
    auto& p = make(pool_options().check(check.function()).check_after(0s));
    use_one_and_give_it_back();
    p.acquire("db:1", a.handler());
    run_ready(io);
    ASSERT_EQ(check.calls, 1);
    p.acquire("db:1", b.handler());
    run_ready(io);
    EXPECT_EQ(a.calls + b.calls, 0);
    ASSERT_EQ(network.asked(), 2u);  // another for the second
    check.end();
    run_ready(io);
    expect(a, success);
    EXPECT_EQ(b.calls, 0);
    p.close();
    run_ready(io);
}

TEST_F(a_pool_with_functions, idle_connections_are_checked_now_and_then) {
    auto& p = make(pool_options().check(check.function()).keep_alive(10ms));
    use_one_and_give_it_back();
    run_until([&] { return check.calls == 1; });
    EXPECT_EQ(counts().checking, 1u);
    check.end();
    run_until([&] { return check.calls == 2; });
    check.end(asio::error::eof);
    run_ready(io);
    EXPECT_EQ(counts().closed_for(close_reason::check_failed), 1u);
    EXPECT_EQ(fake_stream::open_now(), 0);
    p.close();
}

TEST_F(a_pool_with_functions, keep_alive_of_zero_is_a_millisecond) {
    EXPECT_EQ(pool_options().keep_alive(0s).keep_alive(), 1ms);
    EXPECT_EQ(pool_options().keep_alive(), never);
}

TEST_F(a_pool_with_functions, a_pool_that_is_closed_stops_checking) {
    auto& p = make(pool_options().check(check.function()).check_after(0s));
    use_one_and_give_it_back();
    p.acquire("db:1", a.handler());
    run_ready(io);
    ASSERT_EQ(check.calls, 1);
    p.close();
    run_ready(io);
    expect(a, error::pool_closed);
    EXPECT_EQ(check.told, 1);
    EXPECT_EQ(fake_stream::open_now(), 1);
    check.end();
    run_ready(io);
    EXPECT_EQ(fake_stream::open_now(), 0);
}

TEST_F(a_pool_with_functions, count_as_work_until_they_let_go_of_their_stream) {
    auto& p = make(pool_options().prepare(prepare.function()));
    p.acquire("db:1", a.handler());
    run_ready(io);
    open(0);
    ASSERT_EQ(prepare.calls, 1);
    p.close();
    run_ready(io);
    expect(a, error::pool_closed);
    EXPECT_EQ(prepare.told, 1);
    EXPECT_FALSE(io.stopped()) << "the function still has the stream";
    prepare.drop();
    run_ready(io);
    EXPECT_TRUE(io.stopped());
}

TEST(a_pools_functions, go_with_their_io_context) {
    const auto alive = std::make_shared<int>();
    fake_network network;
    {
        asio::io_context io;
        pool<fake_stream> p{
            io, network.connector_on(io), pool_options().prepare([alive](fake_stream&) -> asio::awaitable<void> {
                asio::steady_timer forever{co_await asio::this_coro::executor, std::chrono::hours{1}};
                co_await forever.async_wait(asio::deferred);
            })};
        p.acquire("db:1", [alive](error_code, lease<fake_stream>) {});
        run_ready(io);
        network.end(0);
        run_ready(io);
    }
    EXPECT_EQ(alive.use_count(), 1);
    EXPECT_EQ(fake_stream::open_now(), 0);
}

}  // namespace
}  // namespace dial::test
