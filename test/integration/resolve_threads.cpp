// The threads of the system's resolver: when they start, when they end, and what becomes of what they are given.
#include <resolve/threads.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using threads = system_resolver::threads;

// What happens on the threads, counted. Waiting is bounded.
class counter {
public:
    void add(int n) {
        const std::lock_guard lock{mutex_};
        value_ += n;
        most_ = std::max(most_, value_);
        changed_.notify_all();
    }
    int value() const {
        const std::lock_guard lock{mutex_};
        return value_;
    }
    int most() const {
        const std::lock_guard lock{mutex_};
        return most_;
    }
    [[nodiscard]] bool becomes(int expected) {
        std::unique_lock lock{mutex_};
        return changed_.wait_for(lock, 20s, [&] { return value_ == expected; });
    }

private:
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    int value_ = 0, most_ = 0;
};

struct resolve_threads : testing::Test {
    void TearDown() override { EXPECT_TRUE(there.becomes(0)) << "what was given is still somewhere"; }

    class job : public threads::job {
    public:
        job(resolve_threads& t, bool wanted, std::function<void()> f) : t_{t}, wanted_{wanted}, f_{std::move(f)} {
            t_.there.add(1);
        }
        ~job() override { t_.there.add(-1); }
        bool wanted() const override { return wanted_; }
        void run() override {
            t_.running.add(1);
            if (f_) f_();
            t_.running.add(-1);
            t_.done.add(1);
        }

    private:
        resolve_threads& t_;
        bool wanted_;
        std::function<void()> f_;
    };

    auto work(std::function<void()> f = {}) { return std::make_unique<job>(*this, true, std::move(f)); }
    auto unwanted() { return std::make_unique<job>(*this, false, nullptr); }
    auto hang() {
        return work([this] { (void)released.becomes(1); });
    }
    // Nobody tells when a thread ends.
    static bool all_end(const threads& pool) {
        const auto limit = std::chrono::steady_clock::now() + 20s;
        while (pool.running() != 0 && std::chrono::steady_clock::now() < limit) std::this_thread::sleep_for(1ms);
        return pool.running() == 0;
    }

    counter there, running, done, released;
};

TEST_F(resolve_threads, start_on_demand_up_to_the_most) {
    threads pool{3};
    EXPECT_EQ(pool.running(), 0u);
    for (int i = 1; i <= 3; ++i) {
        pool.run(hang());
        EXPECT_TRUE(running.becomes(i));
        EXPECT_EQ(pool.running(), static_cast<std::size_t>(i));
    }
    for (int i = 0; i != 10; ++i) pool.run(hang());
    EXPECT_EQ(pool.running(), 3u);
    released.add(1);
    EXPECT_TRUE(done.becomes(13));
    EXPECT_EQ(running.most(), 3);
}

TEST_F(resolve_threads, run_in_the_order_of_asking_what_has_to_wait) {
    threads pool{1};
    pool.run(hang());
    std::vector<int> order;  // by one thread
    for (int i = 0; i != 100; ++i) pool.run(work([&order, i] { order.push_back(i); }));
    released.add(1);
    ASSERT_TRUE(done.becomes(101));
    ASSERT_EQ(order.size(), 100u);
    EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST_F(resolve_threads, end_when_they_are_idle_and_start_again) {
    threads pool{4, 5ms};
    for (int i = 0; i != 3; ++i) {
        for (int j = 0; j != 4; ++j) pool.run(work());
        EXPECT_TRUE(done.becomes(4 * (i + 1)));
        EXPECT_TRUE(all_end(pool));
    }
}

TEST_F(resolve_threads, lose_nothing_as_they_end) {
    for (const duration idle : {duration{0ns}, duration{50us}, duration{1ms}}) {
        threads pool{2, idle};
        const int before = done.value();
        for (int i = 1; i <= 500; ++i) {
            pool.run(work());
            if (i % 3 == 0) continue;
            ASSERT_TRUE(done.becomes(before + i));
        }
        ASSERT_TRUE(done.becomes(before + 500));
        EXPECT_TRUE(all_end(pool));
    }
}

TEST_F(resolve_threads, take_work_from_several_threads_at_once) {
    threads pool{4, 100us};
    const auto give = [&] {
        for (int i = 0; i != 1000; ++i) pool.run(work());
    };
    std::thread a{give}, b{give}, c{give};
    a.join();
    b.join();
    c.join();
    EXPECT_TRUE(done.becomes(3000));
    EXPECT_LE(running.most(), 4);
}

TEST_F(resolve_threads, drop_what_is_not_wanted_when_its_turn_comes) {
    threads pool{1};
    pool.run(hang());
    pool.run(unwanted());
    pool.run(work());
    pool.run(unwanted());
    released.add(1);
    EXPECT_TRUE(there.becomes(0));
    EXPECT_EQ(done.value(), 2);
}

// While calls hang, dials come and give up.
TEST_F(resolve_threads, do_not_keep_what_is_not_wanted_for_a_turn_that_may_be_far) {
    threads pool{1};
    pool.run(hang());
    ASSERT_TRUE(running.becomes(1));
    for (int i = 0; i != 50; ++i) pool.run(work());
    for (int i = 0; i != 20'000; ++i) pool.run(unwanted());
    EXPECT_LT(there.value(), 1000);
    released.add(1);
    EXPECT_TRUE(done.becomes(51)) << "the others are all still there";
}

TEST_F(resolve_threads, drop_what_waits_when_they_are_destroyed_and_finish_what_runs) {
    std::optional<threads> pool{std::in_place, 2u};
    pool->run(hang());
    pool->run(hang());
    ASSERT_TRUE(running.becomes(2));
    for (int i = 0; i != 10; ++i) pool->run(work());
    pool.reset();
    EXPECT_EQ(there.value(), 2);
    EXPECT_EQ(done.value(), 0);
    released.add(1);
    EXPECT_TRUE(done.becomes(2));
}

TEST_F(resolve_threads, may_be_given_work_by_what_they_run_and_by_what_they_drop) {
    struct gives : job {
        gives(resolve_threads& t, bool w, threads& p) : job{t, w, [&p, &t] { p.run(t.work()); }}, t_{t}, p_{p} {}
        ~gives() override { p_.run(t_.work()); }
        resolve_threads& t_;
        threads& p_;
    };
    threads pool{1};
    pool.run(std::make_unique<gives>(*this, true, pool));
    pool.run(std::make_unique<gives>(*this, false, pool));
    EXPECT_TRUE(done.becomes(4));
}

}  // namespace
}  // namespace dial::test
