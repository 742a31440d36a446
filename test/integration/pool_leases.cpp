// How a pool's connections come back, and how a pool ends.
#include <dial/pool.hpp>
#include <support/pools.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <utility>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
class a_pool_and_its_leases : public pool_test {};

// --- Leases ---

TEST_F(a_pool_and_its_leases, a_lease_that_was_moved_from_is_empty_and_gives_back_nothing) {
    make();
    acquire_new(a);
    {
        lease<fake_stream> other = std::move(a.held);
        EXPECT_FALSE(a.held);
        EXPECT_TRUE(other);
        a.held = {};
        EXPECT_EQ(counts().in_use, 1u);
    }
    EXPECT_EQ(counts().in_use, 0u);
    EXPECT_EQ(counts().idle, 1u);
}

TEST_F(a_pool_and_its_leases, a_lease_that_is_assigned_to_gives_back_what_it_had) {
    auto& p = make();
    p.acquire("db:1", a.handler());
    p.acquire("db:1", b.handler());
    run_ready(io);
    open(0);
    open(1);
    a.held = std::move(b.held);
    EXPECT_EQ(counts().in_use, 1u);
    EXPECT_EQ(counts().idle, 1u);
}

TEST_F(a_pool_and_its_leases, a_lease_that_is_discarded_makes_room_for_another) {
    auto& p = make(pool_options().max_per_target(1));
    p.acquire("db:1", a.handler());
    p.acquire("db:1", b.handler());
    run_ready(io);
    open(0);
    a.held.discard();
    EXPECT_FALSE(a.held);
    EXPECT_EQ(fake_stream::open_now(), 0);
    run_ready(io);
    ASSERT_EQ(network.asked(), 2u);
    open(1);
    expect(b, success);
    EXPECT_EQ(counts().closed_for(close_reason::discarded), 1u);
}

TEST_F(a_pool_and_its_leases, a_connection_that_its_user_closed_is_not_kept) {
    make();
    acquire_new(a);
    a.held->close();
    give_back(a);
    EXPECT_EQ(counts().idle, 0u);
    EXPECT_EQ(counts().closed_for(close_reason::discarded), 1u);
}

TEST_F(a_pool_and_its_leases, a_lease_that_an_exception_leaves_behind_is_discarded) {
    make();
    acquire_new(a);
    try {
        const lease<fake_stream> held = std::move(a.held);
        throw std::runtime_error{"the answer made no sense"};
    } catch (const std::runtime_error&) {}
    EXPECT_EQ(counts().idle, 0u);
    EXPECT_EQ(counts().closed_for(close_reason::discarded), 1u);
}

TEST_F(a_pool_and_its_leases, a_lease_taken_while_an_exception_is_handled_is_kept_as_usual) {
    struct cleanup {
        acquired& from;
        ~cleanup() { const lease<fake_stream> held = std::move(from.held); }
    };
    make();
    acquire_new(a);
    try {
        const cleanup last{a};
        throw std::runtime_error{"something else"};
    } catch (const std::runtime_error&) {}
    EXPECT_EQ(counts().idle, 1u);
}

TEST_F(a_pool_and_its_leases, a_connection_that_is_released_is_its_users_own) {
    auto& p = make(pool_options().max_per_target(1));
    p.acquire("db:1", a.handler());
    p.acquire("db:1", b.handler());
    run_ready(io);
    open(0);
    {
        const fake_stream own = a.held.release();
        EXPECT_FALSE(a.held);
        EXPECT_TRUE(own.is_open());
        run_ready(io);
        EXPECT_EQ(network.asked(), 2u);  // there is room for another
        EXPECT_EQ(fake_stream::open_now(), 1);
    }
    open(1);
    expect(b, success);
}

TEST_F(a_pool_and_its_leases, a_lease_may_outlive_it) {
    make();
    acquire_new(a);
    connections.reset();
    EXPECT_EQ(a.held->peer(), "db:1");
    EXPECT_EQ(fake_stream::open_now(), 1);
    a.held = {};
    EXPECT_EQ(fake_stream::open_now(), 0);
}

// --- The end ---

TEST_F(a_pool_and_its_leases, that_is_destroyed_tells_those_who_wait) {
    auto& p = make(pool_options().max_per_target(1));
    acquire_new(a);
    p.acquire("db:1", b.handler());
    run_ready(io);
    connections.reset();
    run(io);
    expect(b, error::pool_closed);
}

TEST_F(a_pool_and_its_leases, that_is_closed_lets_its_leases_finish) {
    auto& p = make(pool_options().max_per_target(2));
    p.acquire("db:1", a.handler());
    p.acquire("db:1", b.handler());
    run_ready(io);
    open(0);
    open(1);
    give_back(b);
    outcome closed;
    p.close(never, record(closed));
    run_ready(io);
    EXPECT_EQ(closed.calls, 0);
    EXPECT_EQ(fake_stream::open_now(), 1);  // the idle one is gone
    EXPECT_TRUE(a.held->is_open());
    a.held.give_back();
    EXPECT_EQ(closed.calls, 0);
    run(io);
    test::expect(closed, success);
    EXPECT_EQ(fake_stream::open_now(), 0);
}

TEST_F(a_pool_and_its_leases, that_is_closed_gives_connects_up) {
    auto& p = make();
    p.acquire("db:1", a.handler());
    run_ready(io);
    p.close();
    run_ready(io);
    expect(a, error::pool_closed);
    EXPECT_EQ(network[0].told.size(), 1u);
}

TEST_F(a_pool_and_its_leases, closing_does_not_wait_for_longer_than_it_is_told_to) {
    auto& p = make();
    acquire_new(a);
    outcome closed;
    p.close(10ms, record(closed));
    run(io);
    test::expect(closed, error::timeout);
    EXPECT_TRUE(a.held->is_open());
    a.held = {};
    EXPECT_EQ(fake_stream::open_now(), 0);
}

TEST_F(a_pool_and_its_leases, closing_that_is_cancelled_goes_on) {
    auto& p = make();
    acquire_new(a);
    outcome closed;
    p.close(never, record(closed, signal));
    run_ready(io);
    signal.emit(asio::cancellation_type::partial);
    run(io);
    test::expect(closed, aborted);
    p.acquire("db:1", b.handler());
    io.restart();
    run(io);
    expect(b, error::pool_closed);
}

TEST_F(a_pool_and_its_leases, closing_an_empty_one_completes_at_once_but_not_inside_the_call) {
    auto& p = make();
    outcome closed;
    p.close(never, record(closed));
    EXPECT_EQ(closed.calls, 0);
    run(io);
    test::expect(closed, success);
}

TEST_F(a_pool_and_its_leases, that_was_assigned_to_is_closed) {
    auto& p = make(pool_options().max_per_target(1));
    p.acquire("db:1", a.handler());
    run_ready(io);
    p = pool<fake_stream>{io, network.connector_on(io)};
    run_ready(io);
    expect(a, error::pool_closed);
    p.acquire("db:1", b.handler());
    run_ready(io);
    open(1);
    expect(b, success);
}

TEST(a_pools_io_context, that_is_destroyed_takes_with_it_who_waits_for_the_end) {
    const auto alive = std::make_shared<int>();
    fake_network network;
    {
        asio::io_context io;
        auto p = std::make_shared<pool<fake_stream>>(io, network.connector_on(io));
        auto held = std::make_shared<lease<fake_stream>>();
        p->acquire("db:1", [held](error_code, lease<fake_stream> l) { *held = std::move(l); });
        run_ready(io);
        network.end(0);
        run_ready(io);
        ASSERT_TRUE(*held);
        p->close(never, [p, held, alive](error_code) { ADD_FAILURE(); });  // the handler owns the pool
        run_ready(io);
    }
    EXPECT_EQ(alive.use_count(), 1);
    EXPECT_EQ(fake_stream::open_now(), 0);
}

TEST(a_pools_io_context, that_is_destroyed_takes_everything_with_it) {
    const auto alive = std::make_shared<int>();
    std::weak_ptr<int> watched = alive;
    {
        fake_network network;
        asio::io_context io;
        auto p = std::make_shared<pool<fake_stream>>(io, network.connector_on(io), pool_options().max_per_target(1));
        auto held = std::make_shared<lease<fake_stream>>();
        p->acquire("db:1", [held](error_code, lease<fake_stream> l) { *held = std::move(l); });
        run_ready(io);
        network.end(0);
        run_ready(io);
        ASSERT_TRUE(*held);
        // Waits for longer than the io_context lives; its handler owns the pool.
        p->acquire("db:1", [p, held, alive](error_code, lease<fake_stream>) { ADD_FAILURE(); });
        run_ready(io);
        p.reset();
        held.reset();
    }
    EXPECT_EQ(watched.use_count(), 1);
    EXPECT_EQ(fake_stream::open_now(), 0);
}

}  // namespace
}  // namespace dial::test
