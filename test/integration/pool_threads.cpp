// A pool that many threads use at once, in random order.
#include <dial/pool.hpp>
#include <support/pools.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace dial::test {
namespace {

using namespace std::chrono_literals;

// Connects after a moment, or fails, or takes so long that it has to be given up.
auto moody(std::atomic<unsigned>& seed) {
    return [&seed](const request& what, detail::connect_handler<fake_stream> handler) {
        const unsigned mood = seed++ * 2654435761u >> 16;
        if (mood % 3 == 0) return std::move(handler)(error_code{}, fake_stream{what.executor(), what.to().to_string()});
        auto timer = std::make_shared<asio::steady_timer>(what.executor(), std::chrono::microseconds{mood % 500});
        auto kept = std::make_shared<detail::connect_handler<fake_stream>>(std::move(handler));
        timer->async_wait([timer, kept, mood, executor = what.executor(), to = what.to().to_string()](error_code) {
            if (mood % 3 == 1)
                std::move (*kept)(error_code{}, fake_stream{executor, to});
            else
                std::move (*kept)(refused, fake_stream{executor});
        });
    };
}

class many_threads : public testing::TestWithParam<int> {
protected:
    struct counts_of_acquires {
        std::atomic<int> begun = 0, ended = 0, got = 0;
    };

    // Of a connection, as long as it lives. One connection is never two users'.
    class user {
    public:
        user(many_threads& test, lease<fake_stream> held) : test_{&test}, held_{std::move(held)} {
            EXPECT_TRUE(held_->is_open());
            const std::lock_guard lock{test_->mutex_};
            EXPECT_TRUE(test_->used_.insert(&*held_).second);
        }
        user(user&& other) noexcept = default;
        user& operator=(user&& other) noexcept {
            end();
            held_ = std::move(other.held_);
            return *this;
        }
        ~user() { end(); }

        void discard() {
            forget();
            held_.discard();
        }

    private:
        void forget() {
            if (!held_) return;
            const std::lock_guard lock{test_->mutex_};
            test_->used_.erase(&*held_);
        }
        void end() {
            forget();
            held_.give_back();
        }

        many_threads* test_;
        lease<fake_stream> held_;
    };

    asio::awaitable<void> client(pool<fake_stream>& p, unsigned number, int rounds, counts_of_acquires& acquires) {
        const auto executor = co_await asio::this_coro::executor;
        std::minstd_rand random{number + 1};
        std::vector<user> kept;
        for (int i = 0; i != rounds; ++i) {
            const std::string to = "db:" + std::to_string(1 + random() % 3);
            if (auto held = p.try_acquire(to)) kept.emplace_back(*this, std::move(held));
            const auto signal = std::make_shared<asio::cancellation_signal>();
            asio::steady_timer soon{executor};
            if (random() % 4 == 0) {  // emitted where the operation's executor runs
                soon.expires_after(std::chrono::microseconds{random() % 300});
                soon.async_wait([signal](error_code ec) {
                    if (!ec) signal->emit(asio::cancellation_type::terminal);
                });
            }
            ++acquires.begun;
            auto [ec, held] = co_await p.acquire({to, nullptr, std::chrono::steady_clock::now() + 5ms},
                asio::bind_cancellation_slot(signal->slot(), asio::as_tuple(asio::use_awaitable)));
            soon.cancel();
            ++acquires.ended;
            if (!ec) {
                ++acquires.got;
                user own{*this, std::move(held)};
                if (random() % 5 == 0)
                    own.discard();
                else if (random() % 3 == 0)
                    kept.push_back(std::move(own));
            }
            while (kept.size() > random() % 3) kept.pop_back();
            if (random() % 50 == 0) p.reset("db:1");
            if (random() % 50 == 0) static_cast<void>(p.stats());
        }
    }

private:
    std::mutex mutex_;
    std::set<const fake_stream*> used_;
};

TEST_P(many_threads, lose_no_acquire_and_no_connection) {
    asio::io_context io;
    std::atomic<unsigned> seed = 1;
    {
        pool<fake_stream> p{io, connector<fake_stream>{io, moody(seed)},
            pool_options()
                .max_per_target(4)
                .max_total(8)
                .min_idle(1)
                .idle_timeout(1ms)
                .max_lifetime(3ms, 0.5)
                .max_connecting(2)};
        counts_of_acquires acquires;
        constexpr int clients = 24, rounds = 150;
        for (unsigned i = 0; i != clients; ++i)
            asio::co_spawn(asio::make_strand(io), client(p, i, rounds, acquires), asio::detached);
        std::vector<std::thread> threads;
        std::atomic<bool> over = false;
        for (int i = 0; i != GetParam(); ++i)
            threads.emplace_back([&] {
                while (!over && acquires.ended != clients * rounds) io.run_one_for(10ms);
            });
        const auto bound = std::chrono::steady_clock::now() + 120s;
        while (acquires.ended != clients * rounds && std::chrono::steady_clock::now() < bound) io.run_one_for(10ms);
        over = true;
        for (std::thread& each : threads) each.join();
        EXPECT_EQ(acquires.ended, clients * rounds);
        EXPECT_EQ(acquires.begun, acquires.ended);
        EXPECT_GT(acquires.got, 0);
        run_until(io, [&] {
            io.poll();
            return p.stats().total.in_use == 0;
        });
        EXPECT_EQ(p.stats().total.waiting, 0u);
        outcome closed;
        p.close(30s, record(closed));
        run_until(io, [&] { return closed.calls == 1; });
        expect(closed, success);
    }
    run_ready(io);
    std::this_thread::sleep_for(2ms);  // connects that were given up end by themselves
    run_ready(io);
    EXPECT_EQ(fake_stream::open_now(), 0);
}

TEST_P(many_threads, may_try_to_acquire_from_anywhere) {
    asio::io_context io;
    std::atomic<unsigned> seed = 1;
    std::atomic<int> got = 0;
    constexpr int rounds = 2000;
    {
        pool<fake_stream> p{io, connector<fake_stream>{io, moody(seed)}, pool_options().min_idle(4).max_per_target(6)};
        p.warm_up("db:1");
        const auto work = asio::make_work_guard(io);
        std::vector<std::thread> threads;
        threads.emplace_back([&] { io.run(); });
        for (int i = 0; i != GetParam(); ++i)
            threads.emplace_back([&, random = std::minstd_rand{static_cast<unsigned>(i) + 1}]() mutable {
                for (int j = 0; j != rounds || (got == 0 && j < 1000 * rounds); ++j) {
                    if (auto held = p.try_acquire("db:1")) {
                        user own{*this, std::move(held)};
                        ++got;
                        if (random() % 20 == 0) own.discard();
                    }
                    if (random() % 100 == 0) p.reset("db:1");
                    if (random() % 10 == 0)
                        p.acquire("db:1", [this](error_code ec, lease<fake_stream> held) {
                            if (!ec) user{*this, std::move(held)};
                        });
                }
            });
        for (std::size_t i = 1; i != threads.size(); ++i) threads[i].join();
        p.close();
        io.stop();
        threads[0].join();
        EXPECT_GT(got, 0);
        EXPECT_FALSE(p.try_acquire("db:1"));
        run_until(io, [&] {
            io.poll();
            return p.stats().total.in_use == 0 && p.stats().total.waiting == 0;
        });
    }
    run_ready(io);
    std::this_thread::sleep_for(2ms);
    run_ready(io);
    EXPECT_EQ(fake_stream::open_now(), 0);
}

TEST_P(many_threads, may_close_it_at_any_time) {
    for (unsigned round = 0; round != 20; ++round) {
        asio::io_context io;
        std::atomic<unsigned> seed = round;
        std::atomic<int> ended = 0;
        constexpr int clients = 40;
        {
            auto p = std::make_optional<pool<fake_stream>>(
                io, connector<fake_stream>{io, moody(seed)}, pool_options().max_per_target(3));
            for (int i = 0; i != clients; ++i)
                p->acquire("db:1", [&ended](error_code, const lease<fake_stream>&) { ++ended; });
            std::vector<std::thread> threads;
            for (int i = 0; i != GetParam(); ++i) threads.emplace_back([&] { io.run_for(30s); });
            std::this_thread::sleep_for(std::chrono::microseconds{round * 50});
            if (round % 2 == 0)
                p->close();
            else
                p.reset();
            for (std::thread& each : threads) each.join();
        }
        EXPECT_EQ(ended, clients);
        EXPECT_EQ(fake_stream::open_now(), 0);
    }
}

// Functions that call their handlers from threads of their own, at any time, also when nobody waits for them any longer.
TEST_P(many_threads, may_close_it_while_functions_run) {
    asio::thread_pool elsewhere{2};
    for (unsigned round = 0; round != 20; ++round) {
        asio::io_context io;
        std::atomic<int> ended = 0;
        constexpr int clients = 20;
        const auto slow = [&elsewhere](fake_stream& s, detail::done_handler handler) {
            EXPECT_TRUE(s.is_open());
            asio::post(elsewhere, [handler = std::make_shared<detail::done_handler>(std::move(handler))] {
                std::move (*handler)(error_code{});
            });
        };
        {
            pool<fake_stream> p{io, connector<fake_stream>{io, connects_at_once()},
                pool_options().prepare(slow).check(slow).check_after(0s).connect_timeout(1ms).check_timeout(1ms)};
            std::vector<std::thread> threads;
            for (int i = 0; i != clients; ++i)
                asio::co_spawn(
                    io,
                    [&]() -> asio::awaitable<void> {
                        for (int j = 0; j != 5; ++j)
                            static_cast<void>(co_await p.acquire("db:1", asio::as_tuple(asio::use_awaitable)));
                        ++ended;
                    },
                    asio::detached);
            for (int i = 0; i != GetParam(); ++i) threads.emplace_back([&] { io.run_for(30s); });
            std::this_thread::sleep_for(std::chrono::microseconds{round * 100});
            p.close();
            for (std::thread& each : threads) each.join();
        }
        EXPECT_EQ(ended, clients);
    }
    elsewhere.join();
    EXPECT_EQ(fake_stream::open_now(), 0);
}

INSTANTIATE_TEST_SUITE_P(threads, many_threads, testing::Values(1, 2, 8));

}  // namespace
}  // namespace dial::test
