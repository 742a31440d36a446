// A pool that is called from inside its own turn: by its observer, which may do anything with it; and what it calls from where.
#include <dial/pool.hpp>
#include <support/pools.hpp>

#include <boost/asio/post.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <utility>

namespace dial::test {
namespace {

using namespace std::chrono_literals;

class a_pool_called_from_its_observer : public pool_test {
protected:
    // `what` is done once, in the event that somebody has got a connection.
    pool<fake_stream>& make(std::function<void()> what, pool_options options = {}) {
        options.observe([this, what = std::move(what)](const pool_event& e) {
            if (e.what == pool_event::subject::acquired && std::exchange(armed, false)) what();
        });
        return connections.emplace(io, connector<fake_stream>{io, connects_at_once()}, std::move(options));
    }
    void acquire(acquired& into) { connections->acquire("db:1", into.handler()); }

    bool armed = false;
};

TEST_F(a_pool_called_from_its_observer, acquires_for_it) {
    make([&] { acquire(b); });
    armed = true;
    acquire(a);
    run_ready(io);
    expect(a, success);
    expect(b, success);
    EXPECT_EQ(counts().in_use, 2u);
}

TEST_F(a_pool_called_from_its_observer, opens_nothing_for_who_has_no_time) {
    make([&] { connections->acquire({"db:1", nullptr, std::chrono::steady_clock::now()}, c.handler()); });
    acquire(a);
    run_ready(io);
    give_back(a);
    ASSERT_EQ(counts().opened, 1u);
    armed = true;
    acquire(b);
    run_ready(io);
    expect(b, success);
    expect(c, error::timeout);
    EXPECT_EQ(counts().opened, 1u);
}

TEST_F(a_pool_called_from_its_observer, checks_each_time_where_it_has_to) {
    int checks = 0;
    make([&] { b.held.give_back(); },
        pool_options()
            .max_per_target(2)
            .check<fake_stream>([&](fake_stream&, detail::done_handler done) {
                ++checks;
                std::move(done)(error_code{});
            })
            .check_after(0s));
    acquire(a);
    acquire(b);
    run_ready(io);
    a.held.give_back();
    run_ready(io);
    checks = 0;
    armed = true;
    acquire(c);
    acquire(d);
    run_ready(io);
    expect(c, success);
    expect(d, success);
    EXPECT_TRUE(c.held.reused());
    EXPECT_TRUE(d.held.reused());
    EXPECT_EQ(checks, 2);
}

TEST_F(a_pool_called_from_its_observer, is_reset_by_it) {
    make([&] { connections->reset("db:1"); });
    acquire(a);
    acquire(b);
    run_ready(io);
    give_back(b);
    a.held.give_back();
    run_ready(io);
    ASSERT_EQ(counts().idle, 2u);
    armed = true;
    acquire(c);
    run_ready(io);
    expect(c, success);
    EXPECT_EQ(counts().idle, 0u);
    give_back(c);
    EXPECT_EQ(counts().closed_for(close_reason::reset), 2u);
}

TEST_F(a_pool_called_from_its_observer, is_closed_by_it) {
    make([&] { connections->close(); }, pool_options().max_per_target(1));
    armed = true;
    acquire(a);
    acquire(b);
    run_ready(io);
    expect(a, success);
    expect(b, error::pool_closed);
}

class a_pool_from_outside : public pool_test {};

TEST_F(a_pool_from_outside, tells_the_figures_after_a_connection_was_released) {
    std::size_t in_use = 99;
    make(pool_options().observe([&](const pool_event& e) {
        if (e.what == pool_event::subject::returned) in_use = e.in_use;
    }));
    acquire_new(a);
    const fake_stream own = a.held.release();
    EXPECT_EQ(in_use, 0u);
    EXPECT_EQ(counts().in_use, 0u);
}

TEST_F(a_pool_from_outside, gives_a_connect_up_where_its_executor_runs) {
    auto& p = make();
    p.acquire("db:1", a.handler());
    run_ready(io);
    p.close();  // from elsewhere
    EXPECT_TRUE(network[0].told.empty());
    run_ready(io);
    EXPECT_EQ(network[0].told.size(), 1u);
    expect(a, error::pool_closed);
}

TEST_F(a_pool_from_outside, gives_no_connect_up_that_has_ended_by_then) {
    auto& p = make();
    p.acquire("db:1", a.handler());
    run_ready(io);
    p.close();
    network.end(0);
    run_ready(io);
    EXPECT_TRUE(network[0].told.empty());
    EXPECT_EQ(fake_stream::open_now(), 0);
}

}  // namespace
}  // namespace dial::test
