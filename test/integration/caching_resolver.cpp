// A cache between those who ask and another resolver, which the tests are.
#include <cache/core.hpp>
#include <dial/caching_resolver.hpp>
#include <dial/dialer.hpp>
#include <dial/resolve.hpp>
#include <support/loopback.hpp>
#include <support/resolvers.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <list>
#include <memory>
#include <optional>
#include <string>
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
    void clear() { core_->clear(); }

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

// Lets the test ask the handler what a resolver may ask it.
class holding_resolver : public resolver_base {
public:
    struct state {
        std::vector<answer_handler> held;
        int told = 0;
    };
    void start(const lookup&, answer_handler done) override {
        done.on_unwanted([s = std::weak_ptr{state_}] {
            if (const auto alive = s.lock()) ++alive->told;
        });
        state_->held.push_back(std::move(done));
    }
    state& seen() { return *state_; }

private:
    std::shared_ptr<state> state_ = std::make_shared<state>();
};

TEST_F(caching, lends_the_next_the_executor_of_one_who_still_waits) {
    holding_resolver holding;
    cache = std::make_shared<clocked>(holding, cache_options{}, now);
    heard& first = ask();
    ask();
    first.cancel.emit(asio::cancellation_type::terminal);
    run_ready(io);
    ASSERT_EQ(holding.seen().held.size(), 1u);
    EXPECT_TRUE(holding.seen().held[0].get_executor());
    EXPECT_EQ(holding.seen().told, 0);
    all.back().cancel.emit(asio::cancellation_type::terminal);
    EXPECT_FALSE(holding.seen().held[0].get_executor());
    EXPECT_FALSE(holding.seen().held[0].wanted());
    EXPECT_EQ(holding.seen().told, 1);
    run(io);
}

TEST_F(caching, begins_afresh_in_the_child_of_a_fork) {
    ask();
    io.notify_fork(asio::execution_context::fork_prepare);
    const pid_t child = ::fork();
    if (child == 0) {
        io.notify_fork(asio::execution_context::fork_child);
        run_ready(io);
        ask();
        ::_exit(next.asked() == 2 ? 0 : 1);
    }
    io.notify_fork(asio::execution_context::fork_parent);
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0) << "who had been asked is on the other side";
    reply(here());
    EXPECT_EQ(all.back().ec, success);
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

TEST_F(caching_stale, does_not_take_a_lookup_that_was_given_up_for_a_failed_one) {
    ask().cancel.emit(asio::cancellation_type::terminal);
    next.drop_next(v4);
    run(io);
    EXPECT_EQ(ask().calls, 0) << "asked anew";
    EXPECT_EQ(next.asked(), 3u);
    reply(here());
}

TEST_F(caching_stale, is_over_in_time_even_if_the_next_never_answers) {
    const heard& h = ask();
    while (h.calls == 0) io.run_one();
    now += 1h;
    EXPECT_EQ(ask().calls, 0);
    next.drop_next(v4);
    run(io);
    EXPECT_EQ(all.back().ec, asio::error::host_not_found_try_again);
}

TEST_F(caching_stale, is_forgotten_on_request_also_by_lookups_that_are_out) {
    const heard& h = ask();
    while (h.calls == 0) io.run_one();
    cache->clear();
    EXPECT_EQ(ask().calls, 0);
    reply(answer{asio::error::no_recovery});
    EXPECT_EQ(all.back().ec, asio::error::no_recovery);
}

struct caching_refresh : caching_stale {
    void SetUp() override {
        cache = std::make_shared<clocked>(holding, cache_options().serve_stale(1h, patience), now);
        ask();
        std::exchange(holding.seen().held, {}).at(0)(here(10s));
        run_ready(io);
        now += 10s;
    }
    // Asks, and waits until patience is over.
    void begin(asio::io_context& on) {
        int calls = 0;
        dial::resolve(on, cache, {"name", v4}, [&](error_code, const answer&) { ++calls; });
        on.restart();
        while (calls == 0) on.run_one();
        ASSERT_EQ(holding.seen().held.size(), 1u);
        EXPECT_TRUE(holding.seen().held[0].wanted() && holding.seen().held[0].get_executor());
    }
    void expect_over() {
        EXPECT_FALSE(holding.seen().held[0].wanted());
        EXPECT_FALSE(holding.seen().held[0].get_executor());
        EXPECT_EQ(holding.seen().told, 1);
    }
    holding_resolver holding;
};

TEST_F(caching_refresh, is_over_when_its_io_context_goes_away) {
    {
        asio::io_context other;
        begin(other);
    }
    expect_over();
    holding.seen().held.clear();
}

TEST_F(caching_refresh, is_over_when_the_cache_goes_away) {
    begin(io);
    cache.reset();
    expect_over();
    run(io);
    holding.seen().held.clear();
}

}  // namespace
}  // namespace dial::test
