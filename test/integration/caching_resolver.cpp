// A cache between those who ask and another resolver, which the tests are.
#include <cache/core.hpp>
#include <dial/caching_resolver.hpp>
#include <dial/dialer.hpp>
#include <dial/resolve.hpp>
#include <support/loopback.hpp>
#include <support/resolvers.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <list>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
constexpr auto v4 = address_family::v4, v6 = address_family::v6;

// The cache, with a clock that the test sets.
class clocked : public resolver_base {
public:
    clocked(resolver next, const cache_options& options, const time_point& now)
        : core_{std::make_shared<caching_resolver::core>(std::move(next), options, [&now] { return now; })} {}
    void start(const lookup& question, answer_handler done) override { core_->ask(question, std::move(done)); }
    void start_records(const lookup& question, answer_handler done) override { core_->ask(question, std::move(done)); }
    cache_counters counters() const { return core_->counters(); }

private:
    std::shared_ptr<caching_resolver::core> core_;
};

struct heard {
    int calls = 0;
    error_code ec;
    std::optional<answer> given;
    asio::cancellation_signal cancel;
};

class caching : public testing::Test {
protected:
    void with(const cache_options& options) { cache = std::make_shared<clocked>(next, options, now); }

    heard& ask(const std::string& name = "name", address_family f = v4) {
        heard& h = all.emplace_back();
        dial::resolve(
            io, cache, {name, f}, asio::bind_cancellation_slot(h.cancel.slot(), [&h](error_code ec, const answer& a) {
                ++h.calls;
                h.ec = ec;
                h.given = a;
            }));
        run_ready(io);
        return h;
    }
    void reply(answer given, address_family f = v4) {
        EXPECT_TRUE(next.answer_next(f, std::move(given)));
        run_ready(io);
    }
    static answer here(std::optional<duration> ttl = 60s) {
        return answer{addresses({"127.0.0.1"})}.ttl(ttl).source("server");
    }

    manual_resolver next;
    asio::io_context io;
    time_point now{5h};
    std::list<heard> all;
    std::shared_ptr<clocked> cache = std::make_shared<clocked>(next, cache_options{}, now);
};

// --- Hits ---

TEST_F(caching, asks_once_and_answers_for_as_long_as_the_ttl_says) {
    const heard& first = ask();
    EXPECT_EQ(first.calls, 0);
    reply(here());
    EXPECT_EQ(first.given->source(), "server");
    EXPECT_EQ(first.given->ttl(), 60s);

    now += 59s;
    const heard& second = ask();
    EXPECT_EQ(second.calls, 1);
    EXPECT_EQ(second.given->addresses(), addresses({"127.0.0.1"}));
    EXPECT_EQ(second.given->ttl(), 1s) << "what is left";
    EXPECT_EQ(second.given->source(), "cache: server");
    EXPECT_EQ(next.asked(), 1u);

    now += 1s;
    ask();
    EXPECT_EQ(next.asked(), 2u);
    const cache_counters c = cache->counters();
    EXPECT_EQ(c.hits, 1u);
    EXPECT_EQ(c.misses, 2u);
    EXPECT_EQ(c.size, 1u);
}

TEST_F(caching, answers_inside_start_what_it_has) {
    ask();
    reply(here());
    bool inside = false;
    cache->start({"NAME", v4}, answer_handler{answer_handler{nullptr}, [&](const answer& a, const answer_handler&) {
                                                  inside = a.addresses().size() == 1;
                                              }});
    EXPECT_TRUE(inside);
}

TEST_F(caching, keeps_that_there_is_nothing_as_long_as_the_zone_says) {
    for (const answer& nothing : {answer{asio::error::host_not_found}.ttl(10s), answer{addresses({})}.ttl(10s)}) {
        const std::size_t before = next.asked();
        const std::string name = "nothing" + std::to_string(before);
        ask(name);
        reply(nothing);
        now += 9s;
        EXPECT_EQ(ask(name).ec, nothing.error());
        EXPECT_EQ(next.asked(), before + 1);
        now += 1s;
        ask(name);
        EXPECT_EQ(next.asked(), before + 2);
        reply(here());
    }
}

TEST_F(caching, does_not_keep_failures) {
    for (const auto why : {asio::error::host_not_found_try_again, asio::error::no_recovery}) {
        const heard& h = ask();
        reply(answer{why}.ttl(60s));
        EXPECT_EQ(h.ec, error_code{why});
    }
    EXPECT_EQ(next.asked(), 2u);
    EXPECT_EQ(cache->counters().size, 0u);
}

TEST_F(caching, keeps_what_has_no_ttl_for_the_default) {
    with(cache_options().default_ttl(5s));
    ask();
    reply(here({}));
    now += 4s;
    EXPECT_EQ(ask().calls, 1);
    now += 1s;
    EXPECT_EQ(ask().calls, 0);
}

TEST_F(caching, tells_families_and_records_apart) {
    ask("name", v4);
    reply(here());
    EXPECT_EQ(ask("name", v6).calls, 0);
    records_resolver records;
    records.has("_x._tcp.name", record_type::srv, answer{std::vector{service_record{1, 2, 3, "h"}}}.ttl(60s));
    const caching_resolver around{records};
    for (int i = 0; i != 2; ++i) {
        int found = 0;
        dial::resolve(io, around, {"_x._tcp.name", record_type::srv},
            [&](error_code, const answer& a) { found = static_cast<int>(a.services().size()); });
        run_ready(io);
        EXPECT_EQ(found, 1);
    }
    EXPECT_EQ(records.asked().size(), 1u);
    EXPECT_EQ(around.counters().hits, 1u);
}

TEST_F(caching, is_bounded_and_forgets_on_request) {
    records_resolver names;
    for (int i = 0; i != 100; ++i) names.has("n" + std::to_string(i), record_type::a, here());
    caching_resolver small{names, cache_options().max_entries(10)};
    for (int i = 0; i != 100; ++i)
        dial::resolve(io, small, {"n" + std::to_string(i), v4}, [](error_code, const answer&) {});
    run(io);
    EXPECT_EQ(small.counters().size, 10u);
    const caching_resolver copy = small;
    small.clear();
    EXPECT_EQ(copy.counters().size, 0u) << "copies share it";
}

// --- Many who ask ---

TEST_F(caching, asks_once_for_many_who_wait) {
    for (int i = 0; i != 5; ++i) ask(i % 2 ? "name" : "Name");
    EXPECT_EQ(next.asked(), 1u);
    reply(here());
    for (const heard& h : all) EXPECT_EQ(h.calls, 1);
    EXPECT_EQ(cache->counters().coalesced, 4u);
}

TEST_F(caching, lets_each_of_many_be_cancelled_by_itself) {
    heard& first = ask();
    heard& second = ask();
    first.cancel.emit(asio::cancellation_type::terminal);
    run_ready(io);
    EXPECT_EQ(first.ec, aborted);
    EXPECT_TRUE(next.wanted(v4)) << "somebody still waits";
    reply(here());
    EXPECT_EQ(second.ec, success);
    EXPECT_EQ(first.calls, 1);
}

TEST_F(caching, tells_the_next_when_nobody_waits_and_keeps_a_late_answer_all_the_same) {
    heard& first = ask();
    heard& second = ask();
    first.cancel.emit(asio::cancellation_type::terminal);
    second.cancel.emit(asio::cancellation_type::terminal);
    EXPECT_FALSE(next.wanted(v4));
    run(io);
    reply(here());
    EXPECT_EQ(ask().calls, 1);
    EXPECT_EQ(next.asked(), 1u);
}

TEST_F(caching, begins_afresh_for_who_comes_after_all_have_gone) {
    ask().cancel.emit(asio::cancellation_type::terminal);
    const heard& late = ask();
    EXPECT_EQ(next.asked(), 2u);
    next.drop_next(v4);  // the first
    run_ready(io);
    EXPECT_EQ(late.calls, 0);
    reply(here());
    EXPECT_EQ(late.ec, success);
}

TEST_F(caching, does_not_let_one_io_context_wait_for_another) {
    {
        asio::io_context other;
        dial::resolve(other, cache, {"name", v4}, [](error_code, const answer&) {});
        const heard& mine = ask();
        EXPECT_EQ(next.asked(), 2u);
        EXPECT_EQ(mine.calls, 0);
    }
    EXPECT_FALSE(next.wanted(v4)) << "the one that went away";
    next.drop_next(v4);
    reply(here());
    EXPECT_EQ(all.back().ec, success);
}

TEST_F(caching, passes_on_that_the_next_dropped_the_question) {
    const heard& h = ask();
    next.drop_next(v4);
    run(io);
    EXPECT_EQ(h.ec, asio::error::host_not_found_try_again);
}

TEST_F(caching, lives_on_until_its_lookups_are_over) {
    const heard& h = ask();
    cache.reset();
    reply(here());
    EXPECT_EQ(h.ec, success);
}

TEST_F(caching, serves_dials) {
    const tcp_server server;
    const caching_resolver names{static_resolver({{"name", addresses({"127.0.0.1"})}})};
    for (int i = 0; i != 2; ++i) {
        report story;
        dialer{io, {}, names}.connect({target{"name", server.endpoint().port()}, &story},
            [](error_code ec, const asio::ip::tcp::socket&) { EXPECT_EQ(ec, success); });
        run(io);
        EXPECT_EQ(story.lookups().at(1).source, i == 0 ? "" : "cache");
    }
    EXPECT_EQ(names.counters().hits, 2u);
}

// --- Stale ---

struct caching_stale : caching {
    void SetUp() override {
        with(cache_options().serve_stale(1h, patience));
        ask();
        reply(here(10s));
        now += 10s;
    }
    static constexpr duration patience = 30ms;
};

TEST_F(caching_stale, asks_anew_first) {
    const heard& h = ask();
    EXPECT_EQ(h.calls, 0);
    reply(answer{addresses({"127.0.0.2"})}.ttl(60s));
    EXPECT_EQ(h.given->addresses(), addresses({"127.0.0.2"}));
    EXPECT_EQ(cache->counters().stale, 0u);
    run(io);  // no timer is left
}

TEST_F(caching_stale, gives_what_is_stale_where_asking_fails_and_does_not_ask_again_for_30_s) {
    const heard& h = ask();
    reply(answer{asio::error::host_not_found_try_again});
    EXPECT_EQ(h.ec, success);
    EXPECT_EQ(h.given->addresses(), addresses({"127.0.0.1"}));
    EXPECT_EQ(h.given->ttl(), 30s);
    EXPECT_EQ(h.given->source(), "stale cache: server");
    now += 29s;
    EXPECT_EQ(ask().given->source(), "stale cache: server");
    EXPECT_EQ(next.asked(), 2u);
    now += 1s;
    EXPECT_EQ(ask().calls, 0);
    EXPECT_EQ(next.asked(), 3u);
    EXPECT_EQ(cache->counters().stale, 2u);
}

TEST_F(caching_stale, believes_that_there_is_no_such_name) {
    const heard& h = ask();
    reply(answer{asio::error::host_not_found}.ttl(60s));
    EXPECT_EQ(h.ec, asio::error::host_not_found);
}

TEST_F(caching_stale, gives_what_is_stale_where_asking_takes_too_long_and_takes_the_answer_when_it_comes) {
    const heard& h = ask();
    while (h.calls == 0) io.run_one();
    EXPECT_EQ(h.given->source(), "stale cache: server");
    EXPECT_TRUE(next.wanted(v4)) << "for those who come later";
    EXPECT_EQ(ask().calls, 1) << "who do not wait as long again";
    reply(answer{addresses({"127.0.0.2"})}.ttl(60s));
    EXPECT_EQ(h.calls, 1);
    EXPECT_EQ(ask().given->addresses(), addresses({"127.0.0.2"}));
    run(io);
}

TEST_F(caching_stale, leaves_no_timer_behind_when_all_are_cancelled) {
    with(cache_options().serve_stale(1h, 1h));
    ask();
    reply(here(10s));
    now += 10s;
    ask().cancel.emit(asio::cancellation_type::terminal);
    run(io);
    EXPECT_FALSE(next.wanted(v4));
}

TEST_F(caching_stale, survives_an_io_context_that_goes_away) {
    auto other = std::make_unique<asio::io_context>();
    dial::resolve(*other, cache, {"name", v4}, [](error_code, const answer&) {});
    other.reset();
    EXPECT_TRUE(next.answer_next(v4, here()));
}

// --- Threads ---

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

}  // namespace
}  // namespace dial::test
