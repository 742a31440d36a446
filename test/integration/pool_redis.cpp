// A pool under load, against a real Redis server that is killed three times.
#include <dial/dialer.hpp>
#include <dial/pool.hpp>
#include <support/pools.hpp>
#include <support/redis_server.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using asio::as_tuple;
using asio::deferred;
using asio::ip::tcp;

// What is echoed is what was said: an answer that was meant for somebody else shows.
asio::awaitable<error_code> echo(tcp::socket& redis, const std::string& text) {
    const std::string length = std::to_string(text.size());
    const std::string command = "*2\r\n$4\r\nECHO\r\n$" + length + "\r\n" + text + "\r\n";
    const std::string answer = "$" + length + "\r\n" + text + "\r\n";
    auto [unsent, written] = co_await asio::async_write(redis, asio::buffer(command), as_tuple(deferred));
    if (unsent) co_return unsent;
    std::string reply(answer.size(), '\0');
    auto [unread, read] = co_await asio::async_read(redis, asio::buffer(reply), as_tuple(deferred));
    if (unread) co_return unread;
    EXPECT_EQ(reply, answer);
    co_return error_code{};
}

class a_pool_under_load : public testing::Test {
protected:
    static constexpr int coroutines = 200, commands = 100'000, each = commands / coroutines;

    void SetUp() override {
        if (!redis_server::is_installed()) GTEST_SKIP() << "no redis-server here";
    }

    asio::awaitable<void> client(pool<tcp::socket>& p, redis_server& redis, int number) {
        asio::steady_timer pause{co_await asio::this_coro::executor};
        const dial::target to = redis.target();
        for (int i = 0; i != each; ++i) {
            error_code ec;
            {
                auto [no_connection, held] = co_await p.acquire(to, as_tuple(deferred));
                ec = no_connection;
                if (held) ec = co_await echo(*held, std::to_string(number) + '-' + std::to_string(i));
                if (held && ec) held.discard();
                if (no_connection) ++unserved;
            }
            ++(ec ? failed : succeeded);
            const int done = succeeded + failed;
            if (done == commands / 5 || done == commands * 2 / 5 || done == commands * 3 / 5) redis.restart();
            if (!ec) continue;
            pause.expires_after(10ms);
            co_await pause.async_wait(as_tuple(deferred));
        }
        ++finished;
    }

    void load(int threads) {
        const std::size_t before = open_descriptors();
        {
            redis_server redis;
            ASSERT_TRUE(redis.ready());
            asio::io_context io;
            pool<tcp::socket> p{io, dialer{io}, pool_options().max_per_target(20)};
            for (int i = 0; i != coroutines; ++i) asio::co_spawn(io, client(p, redis, i), asio::detached);
            std::vector<std::thread> others;
            for (int i = 1; i != threads; ++i) others.emplace_back([&] { io.run_for(120s); });
            io.run_for(120s);
            EXPECT_TRUE(io.stopped());
            for (std::thread& one : others) one.join();

            EXPECT_EQ(finished, coroutines);  // no coroutine hangs
            EXPECT_EQ(succeeded + failed, commands);
            EXPECT_GT(failed, 0);  // it was killed, after all
            EXPECT_GT(succeeded, commands * 9 / 10);
            const pool_counts are = p.stats().total;
            EXPECT_EQ(are.in_use + are.waiting + are.connecting, 0u);
            EXPECT_LE(are.idle, 20u);
            EXPECT_EQ(are.acquired + static_cast<std::uint64_t>(unserved), static_cast<std::uint64_t>(commands));

            // It has recovered by itself.
            bool well = false;
            asio::co_spawn(
                io,
                [&]() -> asio::awaitable<void> {
                    auto held = co_await p.acquire(redis.target());
                    well = !co_await echo(*held, "still there?");
                },
                asio::detached);
            io.restart();
            run(io);
            EXPECT_TRUE(well);
        }
        EXPECT_EQ(open_descriptors(), before);
    }

    std::atomic<int> succeeded = 0, failed = 0, unserved = 0, finished = 0;
};

TEST_F(a_pool_under_load, survives_three_restarts_of_the_server) {
    load(1);
}
TEST_F(a_pool_under_load, survives_them_on_four_threads_too) {
    load(4);
}

}  // namespace
}  // namespace dial::test
