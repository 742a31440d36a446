// What a pool does for who need not wait: with try_acquire, and between an acquire that found an idle connection and its handler.
#include <dial/dialer.hpp>
#include <dial/pool.hpp>
#include <support/loopback.hpp>
#include <support/pools.hpp>

#include <boost/asio/bind_executor.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;

class a_pool_with_an_idle_connection : public pool_test {
protected:
    pool<fake_stream>& make(pool_options options = {}) {
        auto& p = pool_test::make(std::move(options));
        acquire_new(a);
        give_back(a);
        EXPECT_EQ(counts().idle, 1u);
        return p;
    }
};

// --- try_acquire ---

TEST_F(a_pool_with_an_idle_connection, tried_hands_it_out_inside_the_call) {
    auto& p = make();
    a.held = p.try_acquire("db:1");
    ASSERT_TRUE(a.held);
    EXPECT_TRUE(a.held.reused());
    EXPECT_TRUE(a.held->is_open());
    EXPECT_EQ(counts().in_use, 1u);
    EXPECT_EQ(counts().acquired, 2u);
    EXPECT_EQ(counts().reused, 1u);
    EXPECT_EQ(counts().waits.count(), 2u);
    give_back(a);
    EXPECT_EQ(counts().idle, 1u);
}

TEST_F(a_pool_with_an_idle_connection, tried_for_another_target_has_none_and_opens_none) {
    auto& p = make();
    EXPECT_FALSE(p.try_acquire("db:2"));
    b.held = p.try_acquire("db:1");
    EXPECT_FALSE(p.try_acquire("db:1"));
    run_ready(io);
    EXPECT_EQ(network.asked(), 1u);
    EXPECT_EQ(p.stats().targets.size(), 1u) << "who asks in vain leaves nothing behind";
}

TEST_F(a_pool_with_an_idle_connection, tried_does_not_overtake_who_waits) {
    auto& p = make();
    report r;
    p.acquire({"db:1", &r}, b.handler());  // its turn is to come
    EXPECT_FALSE(p.try_acquire("db:1"));
    run_ready(io);
    expect(b, success);
}

TEST_F(a_pool_with_an_idle_connection, tried_hands_out_none_that_is_to_be_checked_first) {
    auto& p = make(pool_options().check([](fake_stream&, detail::done_handler) {}).check_after(0s));
    EXPECT_FALSE(p.try_acquire("db:1"));
    EXPECT_EQ(counts().idle, 1u);
}

TEST_F(a_pool_with_an_idle_connection, tried_hands_out_none_that_nobody_watches) {
    auto& p = make(pool_options().watch_idle(false));
    EXPECT_FALSE(p.try_acquire("db:1"));
    EXPECT_EQ(counts().idle, 1u);
}

TEST_F(a_pool_with_an_idle_connection, tried_hands_out_none_after_close) {
    auto& p = make();
    p.close();
    EXPECT_FALSE(p.try_acquire("db:1"));
}

class a_pool_with_an_observer : public pool_test {
protected:
    a_pool_with_an_observer() {
        make(pool_options().observe([this](const pool_event& e) {
            told.push_back(e.what);
            if (on_event) on_event(e);
        }));
        acquire_new(a);
        give_back(a);
        told.clear();
    }
    ~a_pool_with_an_observer() override {
        for (auto* const each : {&a, &b}) each->held = {};
        connections.reset();
        run_ready(io);
    }

    std::vector<pool_event::subject> told;
    std::function<void(const pool_event&)> on_event;
};

TEST_F(a_pool_with_an_observer, tried_tells_it_inside_the_call) {
    bool reused = false;
    on_event = [&](const pool_event& e) { reused = e.reused; };
    a.held = connections->try_acquire("db:1");
    on_event = {};
    ASSERT_TRUE(a.held);
    EXPECT_EQ(told, std::vector{pool_event::subject::acquired});
    EXPECT_TRUE(reused);
}

TEST_F(a_pool_with_an_observer, can_be_tried_by_it) {
    on_event = [&](const pool_event& e) {
        if (e.what == pool_event::subject::returned) b.held = connections->try_acquire("db:1");
    };
    a.held = connections->try_acquire("db:1");
    ASSERT_TRUE(a.held);
    a.held.give_back();
    on_event = {};
    EXPECT_TRUE(b.held);
    EXPECT_EQ(told,
        (std::vector{pool_event::subject::acquired, pool_event::subject::returned, pool_event::subject::acquired}));
}

TEST_F(a_pool_with_an_observer, acquires_with_it_as_without) {
    connections->acquire("db:1", a.handler());
    EXPECT_TRUE(told.empty());
    run_ready(io);
    expect(a, success);
    EXPECT_EQ(told, std::vector{pool_event::subject::acquired});
}

TEST_F(a_pool_with_an_idle_connection, keeps_another_ready_for_who_got_one_at_once) {
    auto& p = make(pool_options().min_idle(1));
    a.held = p.try_acquire("db:1");
    ASSERT_TRUE(a.held);
    run_ready(io);
    ASSERT_EQ(network.asked(), 2u);
    open(1);
    p.acquire("db:1", b.handler());
    run_ready(io);
    expect(b, success);
    EXPECT_EQ(network.asked(), 3u);
}

TEST_F(pool_test, a_connection_that_was_opened_ahead_is_handed_out_at_once_as_a_new_one) {
    auto& p = pool_test::make(pool_options().min_idle(1));
    p.warm_up("db:1");
    run_ready(io);
    open(0);
    a.held = p.try_acquire("db:1");
    ASSERT_TRUE(a.held);
    EXPECT_FALSE(a.held.reused());
    EXPECT_EQ(counts().reused, 0u);
}

// --- acquire, and what happens before its handler is called ---

TEST_F(a_pool_with_an_idle_connection, that_is_reset_before_the_handler_runs_hands_out_a_new_one) {
    auto& p = make();
    p.acquire("db:1", a.handler());
    p.reset("db:1");
    run_ready(io);
    EXPECT_EQ(a.calls, 0);
    EXPECT_EQ(fake_stream::open_now(), 0);
    EXPECT_EQ(counts().closed_for(close_reason::reset), 1u);
    open(1);
    expect(a, success);
    EXPECT_FALSE(a.held.reused());
    EXPECT_EQ(counts().acquired, 2u) << "one that was not handed out is not counted";
    EXPECT_EQ(counts().waits.count(), 2u);
}

TEST_F(a_pool_with_an_idle_connection, whose_other_targets_are_reset_hands_it_out_all_the_same) {
    auto& p = make();
    p.acquire("db:1", a.handler());
    p.reset("db:2");
    run_ready(io);
    expect(a, success);
    EXPECT_TRUE(a.held.reused());
}

TEST_F(a_pool_with_an_idle_connection, that_is_closed_before_the_handler_runs_says_so) {
    auto& p = make();
    p.acquire("db:1", a.handler());
    p.close();
    run_ready(io);
    expect(a, error::pool_closed);
    EXPECT_EQ(fake_stream::open_now(), 0);
    EXPECT_EQ(counts().acquired, 1u);
}

TEST_F(a_pool_with_an_idle_connection, that_is_destroyed_before_the_handler_runs_says_so) {
    make().acquire("db:1", a.handler());
    connections.reset();
    run_ready(io);
    expect(a, error::pool_closed);
}

TEST_F(a_pool_with_an_idle_connection, hands_it_out_though_the_wait_is_cancelled_too_late) {
    auto& p = make();
    p.acquire("db:1", a.handler(signal));
    signal.emit(asio::cancellation_type::terminal);
    run_ready(io);
    expect(a, success);
}

TEST_F(a_pool_with_an_idle_connection, gives_it_to_who_came_first) {
    auto& p = make(pool_options().max_per_target(1));
    p.acquire("db:1", a.handler());
    p.acquire("db:1", b.handler());
    run_ready(io);
    expect(a, success);
    EXPECT_EQ(b.calls, 0);
    give_back(a);
    expect(b, success);
}

TEST_F(a_pool_with_an_idle_connection, completes_where_the_handler_runs) {
    auto& p = make();
    asio::io_context elsewhere;
    bool called = false;
    p.acquire("db:1", asio::bind_executor(elsewhere, [&](error_code ec, lease<fake_stream> l) {
        called = true;
        EXPECT_FALSE(ec);
        EXPECT_TRUE(l.reused());
        EXPECT_EQ(l->get_executor(), asio::any_io_executor{io.get_executor()});
        EXPECT_TRUE(elsewhere.get_executor().running_in_this_thread());
    }));
    EXPECT_FALSE(called);
    elsewhere.run();
    EXPECT_TRUE(called);
}

// --- The same over sockets ---

class an_idle_socket : public testing::Test {
protected:
    using acquired = acquired_lease<tcp::socket>;

    target to() const { return target{"127.0.0.1", server.endpoint().port()}; }
    descriptor make_idle(pool<tcp::socket>& p) {
        acquired first;
        p.acquire(to(), first.handler());
        run_until(io, [&] { return first.calls != 0; });
        expect(first, success);
        descriptor peer = server.accept();
        first.held.give_back();
        run_ready(io);
        EXPECT_EQ(p.stats().total.idle, 1u);
        return peer;
    }

    asio::io_context io, elsewhere;
    tcp_server server;
};

TEST_F(an_idle_socket, that_dies_before_the_handler_runs_is_not_handed_out) {
    pool<tcp::socket> p{io, dialer{io}};
    descriptor peer = make_idle(p);
    acquired a;
    p.acquire(to(), asio::bind_executor(elsewhere, a.handler()));
    EXPECT_EQ(p.stats().total.in_use, 1u);
    peer.close();
    io.restart();
    io.run_one_for(30s);  // the reactor is told, and nobody has the connection yet
    while (a.calls == 0) {
        elsewhere.restart();
        elsewhere.run_for(1ms);
        run_ready(io);
    }
    expect(a, success);
    EXPECT_FALSE(a.held.reused());
    EXPECT_EQ(p.stats().total.closed_for(close_reason::dead), 1u);
    EXPECT_EQ(p.stats().total.acquired, 2u);
}

TEST_F(an_idle_socket, goes_with_an_io_context_that_never_runs_the_handler) {
    const auto alive = std::make_shared<int>();
    {
        asio::io_context gone;
        auto p = std::make_shared<pool<tcp::socket>>(gone, dialer{gone});
        acquired first;
        p->acquire(to(), first.handler());
        run_until(gone, [&] { return first.calls != 0; });
        expect(first, success);
        first.held.give_back();
        run_ready(gone);
        p->acquire(to(), [p, alive](error_code, lease<tcp::socket>) { ADD_FAILURE(); });  // the handler owns the pool
        EXPECT_EQ(p->stats().total.in_use, 1u);
    }
    EXPECT_EQ(alive.use_count(), 1);
}

TEST_F(an_idle_socket, comes_back_when_the_handlers_io_context_goes) {
    pool<tcp::socket> p{io, dialer{io}};
    const descriptor peer = make_idle(p);
    {
        asio::io_context gone;
        p.acquire(to(), asio::bind_executor(gone, [](error_code, lease<tcp::socket>) { ADD_FAILURE(); }));
        EXPECT_EQ(p.stats().total.in_use, 1u);
    }
    EXPECT_EQ(p.stats().total.idle, 1u);
    EXPECT_TRUE(p.try_acquire(to()));
}

}  // namespace
}  // namespace dial::test
