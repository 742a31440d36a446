// A cache that many threads ask, each with an io_context of its own.
#include <dial/caching_resolver.hpp>
#include <dial/resolve.hpp>
#include <support/loopback.hpp>
#include <support/resolvers.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <list>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
constexpr auto v4 = address_family::v4;

// Answers inline, or from threads of its own, or not at all.
class moody_resolver : public resolver_base {
public:
    explicit moody_resolver(asio::io_context& threads) : threads_{&threads} {}
    void start(const lookup& question, answer_handler done) override {
        const unsigned mood = (*count_)++ % 4;
        answer given = answer{addresses({"127.0.0.1"})}.ttl(std::chrono::microseconds{200}).source(question.name());
        if (mood == 0) return done(std::move(given));
        if (mood == 1) return;
        asio::post(*threads_,
            [d = std::make_shared<answer_handler>(std::move(done)), given]() mutable { (*d)(std::move(given)); });
    }

private:
    asio::io_context* threads_;
    std::shared_ptr<std::atomic<unsigned>> count_ = std::make_shared<std::atomic<unsigned>>();
};

TEST(caching_threads, lookups_from_many_threads_are_each_answered_once) {
    asio::io_context answering;
    auto work = asio::make_work_guard(answering);
    std::thread answerer{[&] { answering.run(); }};
    const caching_resolver names{moody_resolver{answering}, cache_options().max_entries(8).serve_stale(1ms, 1ms)};
    std::vector<std::thread> threads;
    std::atomic<int> calls = 0;
    constexpr int each = 2000;
    for (unsigned t = 0; t != 4; ++t)
        threads.emplace_back([&, t] {
            asio::io_context io;
            std::mt19937 random{t};
            std::list<asio::cancellation_signal> signals;
            for (int i = 0; i != each; ++i) {
                auto& signal = signals.emplace_back();
                dial::resolve(io, names, {"n" + std::to_string(random() % 16), v4},
                    asio::bind_cancellation_slot(signal.slot(), [&](error_code, const answer&) { ++calls; }));
                if (random() % 2) io.poll();
                if (random() % 3 == 0) signal.emit(asio::cancellation_type::terminal);
            }
            io.restart();
            run(io);
        });
    for (auto& t : threads) t.join();
    work.reset();
    answerer.join();
    EXPECT_EQ(calls, 4 * each);
    const cache_counters c = names.counters();
    EXPECT_LE(c.size, 8u);
    EXPECT_GT(c.hits, 0u);
    EXPECT_GT(c.misses, 0u);
}

TEST(caching_threads, io_contexts_may_go_away_at_any_time) {
    asio::io_context answering;
    auto work = asio::make_work_guard(answering);
    std::thread answerer{[&] { answering.run(); }};
    const caching_resolver names{moody_resolver{answering}, cache_options().serve_stale(1h, 0s)};
    std::vector<std::thread> threads;
    for (unsigned t = 0; t != 3; ++t)
        threads.emplace_back([&, t] {
            std::mt19937 random{t};
            for (int i = 0; i != 300; ++i) {
                asio::io_context io;
                for (int q = 0; q != 8; ++q) {
                    dial::resolve(
                        io, names, {"n" + std::to_string(random() % 4), v4}, [](error_code, const answer&) {});
                    if (random() % 2) io.poll();
                }
            }
        });
    for (auto& t : threads) t.join();
    work.reset();
    answerer.join();
    asio::io_context io;
    int calls = 0;
    for (int n = 0; n != 4; ++n)
        dial::resolve(io, names, {"n" + std::to_string(n), v4}, [&](error_code, const answer&) { ++calls; });
    run(io);
    EXPECT_EQ(calls, 4);
}

}  // namespace
}  // namespace dial::test
