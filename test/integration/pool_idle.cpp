// A pool's idle connections, over sockets: dead ones are found, and none keeps an io_context at work.
#include <dial/dialer.hpp>
#include <dial/pool.hpp>
#include <support/loopback.hpp>
#include <support/pools.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

#include <gtest/gtest.h>

#include <sys/socket.h>

#include <chrono>
#include <future>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;

void send(const descriptor& to, std::string_view text) {
    ASSERT_EQ(::send(to.get(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
}

class idle_connections : public testing::Test {
protected:
    using acquired = acquired_lease<tcp::socket>;

    pool<tcp::socket>& make(pool_options options = {}) {
        return connections.emplace(io, dialer{io}, std::move(options));
    }
    target to() const { return target{"127.0.0.1", server.endpoint().port()}; }

    // A connection, and the server's end of it.
    descriptor acquire(acquired& into) {
        into = {};
        connections->acquire(to(), into.handler());
        run_until(io, [&] { return into.calls != 0; });
        expect(into, success);
        return server.accept();
    }
    descriptor make_idle() {
        descriptor peer = acquire(a);
        a.held.give_back();
        run_ready(io);
        EXPECT_EQ(counts().idle, 1u);
        return peer;
    }
    void acquire_again() {
        b = {};
        connections->acquire(to(), b.handler());
        run_until(io, [&] { return b.calls != 0; });
        expect(b, success);
    }
    pool_counts counts() const { return connections->stats().total; }
    std::uint64_t dead() const { return counts().closed_for(close_reason::dead); }

    asio::io_context io;
    tcp_server server;
    std::optional<pool<tcp::socket>> connections;
    acquired a, b;
};

// --- Found dead ---

TEST_F(idle_connections, that_the_peer_closes_are_closed_at_once) {
    make();
    descriptor peer = make_idle();
    peer.close();
    run_until(io, [&] { return dead() == 1; });
    EXPECT_EQ(counts().idle, 0u);
    acquire_again();
    EXPECT_FALSE(b.held.reused());
}

TEST_F(idle_connections, that_the_peer_resets_are_closed_at_once) {
    make();
    descriptor peer = make_idle();
    close_by_reset(peer.get());
    peer.close();
    run_until(io, [&] { return dead() == 1; });
}

TEST_F(idle_connections, on_which_something_arrives_are_closed_at_once) {
    make();
    const descriptor peer = make_idle();
    send(peer, "HTTP/1.1 408 Request Timeout\r\n\r\n");
    run_until(io, [&] { return dead() == 1; });
}

TEST_F(idle_connections, are_found_dead_after_having_been_used_many_times) {
    make();
    descriptor peer = acquire(a);
    char reply[5];
    for (int i = 0; i != 5; ++i) {
        bool read = false;
        asio::async_read(*a.held, asio::buffer(reply), [&](error_code ec, std::size_t) { read = !ec; });
        send(peer, "hello");
        run_until(io, [&] { return read; });
        a.held.give_back();
        run_ready(io);
        ASSERT_EQ(counts().idle, 1u);
        a = {};
        connections->acquire(to(), a.handler());
        run_ready(io);
        ASSERT_TRUE(a.held.reused());
    }
    a.held.give_back();
    run_ready(io);
    peer.close();
    run_until(io, [&] { return dead() == 1; });
}

TEST_F(idle_connections, lent_again_before_the_turn_was_over_are_watched_when_they_are_back) {
    make();
    descriptor peer = acquire(a);
    asio::post(io, [&] {
        a.held.give_back();
        connections->acquire(to(), b.handler());
    });
    run_until(io, [&] { return b.calls != 0; });
    expect(b, success);
    EXPECT_TRUE(b.held.reused());
    run_ready(io);
    EXPECT_EQ(counts().in_use, 1u);
    asio::post(io, [&] { b.held.give_back(); });
    run_ready(io);
    peer.close();
    run_until(io, [&] { return dead() == 1; });
}

TEST_F(idle_connections, closed_with_the_pool_before_the_turn_was_over_are_not_watched) {
    make();
    const descriptor peer = acquire(a);
    asio::post(io, [&] {
        a.held.give_back();
        connections.reset();
    });
    run_ready(io);
    EXPECT_TRUE(io.stopped());  // nothing is left to be done
    char byte;
    EXPECT_EQ(::recv(peer.get(), &byte, 1, MSG_DONTWAIT), 0);
}

TEST_F(idle_connections, closed_by_the_peer_while_in_use_are_found_when_they_come_back) {
    make();
    descriptor peer = acquire(a);
    peer.close();
    run_ready(io);
    EXPECT_EQ(dead(), 0u);  // its user is to see that
    a.held.give_back();
    run_until(io, [&] { return dead() == 1; });
}

TEST_F(idle_connections, with_bytes_left_unread_are_closed) {
    make();
    const descriptor peer = acquire(a);
    char one;
    bool read = false;
    a.held->async_read_some(asio::buffer(&one, 1), [&](error_code ec, std::size_t) { read = !ec; });
    send(peer, "two");
    run_until(io, [&] { return read; });
    a.held.give_back();
    run_until(io, [&] { return dead() == 1; });
}

TEST_F(idle_connections, whose_user_cancelled_everything_are_watched_all_the_same) {
    make();
    descriptor peer = acquire(a);
    a.held->cancel();
    a.held.give_back();  // before the watch has heard of it
    run_ready(io);
    EXPECT_EQ(counts().idle, 1u);
    peer.close();
    run_until(io, [&] { return dead() == 1; });
}

TEST_F(idle_connections, that_died_together_are_not_handed_out_one_after_the_other) {
    make();
    std::vector<descriptor> peers;
    std::vector<acquired> held(3);
    for (acquired& each : held) peers.push_back(acquire(each));
    for (acquired& each : held) each.held.give_back();
    run_ready(io);
    ASSERT_EQ(counts().idle, 3u);
    peers.clear();
    connections->acquire(to(), a.handler());  // in line before the reactor has heard of it
    io.restart();
    while (a.calls == 0) io.run_one();
    expect(a, success);
    if (a.held.reused()) a.held.discard();  // as its user does, when the first exchange fails
    acquire_again();
    EXPECT_FALSE(b.held.reused());
}

TEST_F(idle_connections, that_are_not_watched_are_looked_at_when_they_are_handed_out) {
    make(pool_options().watch_idle(false));
    descriptor peer = make_idle();
    peer.close();
    run_ready(io);
    EXPECT_EQ(counts().idle, 1u);
    acquire_again();
    EXPECT_FALSE(b.held.reused());
    EXPECT_EQ(dead(), 1u);
    b.held.give_back();
    acquire_again();
    EXPECT_TRUE(b.held.reused());
}

TEST_F(idle_connections, of_unix_sockets_are_watched_too) {
    const unix_server local;
    const target here{"unix:" + std::string{local.endpoint().path().replace(0, 1, "@")}};
    pool<asio::local::stream_protocol::socket> p{io, local_dialer{io}};
    acquired_lease<asio::local::stream_protocol::socket> got;
    p.acquire(here, got.handler());
    run_until(io, [&] { return got.calls != 0; });
    expect(got, success);
    descriptor peer = local.accept();
    got.held.give_back();
    run_ready(io);
    EXPECT_EQ(p.stats().total.idle, 1u);
    peer.close();
    run_until(io, [&] { return p.stats().total.dead() == 1; });
}

TEST_F(idle_connections, leave_no_descriptor_behind) {
    const std::size_t before = open_descriptors();
    {
        asio::io_context own;
        pool<tcp::socket> p{own, dialer{own}};
        for (int round = 0; round != 3; ++round) {
            acquired one, two;
            p.acquire(to(), one.handler());
            p.acquire(to(), two.handler());
            run_until(own, [&] { return one.calls + two.calls == 2; });
            p.reset();
        }
    }
    server.accept_all();
    EXPECT_EQ(open_descriptors(), before);
}

// --- In use ---

TEST_F(idle_connections, are_their_users_alone_once_they_are_handed_out) {
    make();
    const descriptor peer = make_idle();
    acquire_again();
    EXPECT_TRUE(b.held.reused());
    send(peer, "welcome");
    char text[7];
    bool read = false;
    asio::async_read(*b.held, asio::buffer(text), [&](error_code ec, std::size_t) { read = !ec; });
    run_until(io, [&] { return read; });
    EXPECT_EQ((std::string_view{text, 7}), "welcome");
    EXPECT_EQ(dead(), 0u);
}

TEST_F(idle_connections, can_be_released_while_they_are_watched) {
    make();
    descriptor peer = make_idle();
    acquire_again();
    tcp::socket own = b.held.release();
    run_ready(io);
    send(peer, "x");
    char text[1];
    bool read = false;
    asio::async_read(own, asio::buffer(text), [&](error_code ec, std::size_t) { read = !ec; });
    run_until(io, [&] { return read; });
    connections.reset();
    EXPECT_TRUE(own.is_open());
    own.close();
    run(io);
}

// --- Work ---

TEST_F(idle_connections, keep_no_io_context_at_work) {
    make();
    acquired got;
    connections->acquire(to(), got.handler());
    run(io, 20s);  // fails if there is still work to do; an idle connection would go after 60
    expect(got, success);
    descriptor peer = server.accept();
    io.restart();
    asio::post(io, [&] { got.held.give_back(); });  // as a coroutine on the io_context does
    run(io, 20s);
    EXPECT_EQ(counts().idle, 1u);
    // And it is watched when there is other work.
    peer.close();
    run_until(io, [&] { return dead() == 1; });
}

TEST_F(idle_connections, given_back_from_outside_leave_later_work_to_be_run) {
    make();
    const descriptor peer = acquire(a);
    run_ready(io);
    io.restart();
    a.held.give_back();
    bool ran = false;
    asio::post(io, [&] { ran = true; });
    io.run_for(100ms);
    EXPECT_TRUE(ran);
}

TEST_F(idle_connections, keep_counting_right_however_often_they_are_used) {
    make(pool_options().idle_timeout(5ms));
    for (int i = 0; i != 20; ++i) {
        bool done = false;
        const auto work = [&]() -> asio::awaitable<void> {
            for (int j = 0; j != 20; ++j) {
                auto held = co_await connections->acquire(to());
                if (j % 7 == 6) held.discard();
            }
            asio::steady_timer pause{io, 1ms};
            co_await pause.async_wait(asio::deferred);
            done = true;
        };
        asio::co_spawn(io, work(), asio::detached);
        io.restart();
        io.run();  // neither too early, nor never
        ASSERT_TRUE(done);
        server.accept_all();
    }
}

TEST(pools_on_a_thread_pool, let_it_be_joined_once_they_are_closed) {
    const tcp_server server;
    asio::thread_pool threads{2};
    pool<tcp::socket> p{threads, dialer{threads}};
    const target to{"127.0.0.1", server.endpoint().port()};
    std::vector<std::future<void>> all;
    for (int i = 0; i != 50; ++i)
        all.push_back(asio::co_spawn(
            threads,
            [&]() -> asio::awaitable<void> {
                for (int j = 0; j != 20; ++j) static_cast<void>(co_await p.acquire(to));
            },
            asio::use_future));
    for (auto& each : all) each.get();
    EXPECT_EQ(p.stats().total.acquired, 1000u);
    EXPECT_EQ(p.stats().total.idle, p.stats().total.opened);
    p.close();
    threads.join();
}

}  // namespace
}  // namespace dial::test
