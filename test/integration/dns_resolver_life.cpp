// Lookups of dns_resolver that are given up, and what becomes of them when io_contexts, handles and processes come and go.
#include <dial/dialer.hpp>
#include <support/dns_lookups.hpp>
#include <support/resolvers.hpp>
#include <support/sanitizers.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <iterator>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

// What the sanitizers cannot do.
#if DIAL_TEST_TSAN
#define SKIP_UNDER_TSAN() GTEST_SKIP() << "the thread sanitizer starts no threads in the child of a fork"
#else
#define SKIP_UNDER_TSAN() static_cast<void>(0)
#endif

namespace dial::test {
namespace {

using namespace std::chrono_literals;

constexpr auto at_once = 2s;  // far from the 10 s of a try, and bearable for a busy machine

class dns_resolver_life : public dns_lookups {
protected:
    dns_resolver_life() {
        server.has({a("name.test", "127.0.0.1"), aaaa("name.test", "::1")});
        server.on("silent.test", [](const dns_question&) { return silence(); });
        server.on("slow.test", [](const dns_question& q) {
            dns_message m;
            if (q.type == record_type::a) m.answers = {a("slow.test", "127.0.0.1")};
            return dns_replies{{m, 30ms}};
        });
    }

    void start(const std::string& name, heard_answer& heard, record_type type = v4) {
        dial::resolve(io, names, {name, type}, heard.handler());
    }
    void start(const std::string& name, heard_answer& heard, asio::cancellation_signal& cancel) {
        dial::resolve(io, names, {name, v4}, asio::bind_cancellation_slot(cancel.slot(), heard.handler()));
    }
    static void cancel(asio::cancellation_signal& signal) { signal.emit(asio::cancellation_type::terminal); }

    // Whether it becomes true, of what another thread does: the server's, which closes a connection some time.
    static bool becomes_true(const std::function<bool()>& is) {
        for (const auto end = std::chrono::steady_clock::now() + 20s; std::chrono::steady_clock::now() < end;) {
            if (is()) return true;
            std::this_thread::yield();
        }
        return false;
    }

    dial::dns_resolver names{asking(server)};
};

// --- Given up ---

TEST_F(dns_resolver_life, of_a_cancelled_lookup_ends_at_once) {
    for (const auto kind :
        {asio::cancellation_type::terminal, asio::cancellation_type::partial, asio::cancellation_type::total}) {
        asio::cancellation_signal signal;
        heard_answer heard;
        start("silent.test", heard, signal);
        ASSERT_TRUE(run_until_asked("silent.test", v4));
        EXPECT_EQ(heard.calls, 0);
        signal.emit(kind);
        EXPECT_LT(time_of([&] { run(io); }), at_once) << "nobody wants what is out";
        EXPECT_EQ(heard.calls, 1);
        EXPECT_EQ(heard.ec, aborted);
    }
    EXPECT_EQ(ask(names, "name.test").error(), success);
}

TEST_F(dns_resolver_life, of_a_lookup_that_is_cancelled_before_anything_was_sent_ends_at_once) {
    asio::cancellation_signal signal;
    heard_answer heard;
    start("silent.test", heard, signal);
    cancel(signal);
    EXPECT_LT(time_of([&] { run(io); }), at_once);
    EXPECT_EQ(heard.calls, 1);
    EXPECT_EQ(heard.ec, aborted);
}

TEST_F(dns_resolver_life, of_one_that_was_given_up_does_not_hold_the_io_context_when_others_have_their_answers) {
    asio::cancellation_signal signal;
    heard_answer given_up, wanted;
    start("silent.test", given_up, signal);
    start("slow.test", wanted);
    ASSERT_TRUE(run_until_asked("silent.test", v4) && run_until_asked("slow.test", v4));
    cancel(signal);
    EXPECT_LT(time_of([&] { run(io); }), at_once);
    EXPECT_EQ(given_up.ec, aborted);
    EXPECT_EQ(wanted.given.addresses(), addresses({"127.0.0.1"}));
}

TEST_F(dns_resolver_life, of_one_waiter_does_not_matter_to_another_who_wants_the_same) {
    asio::cancellation_signal signal;
    heard_answer given_up, wanted;
    start("slow.test", given_up, signal);
    start("slow.test", wanted);
    ASSERT_TRUE(run_until_asked("slow.test", v4));
    cancel(signal);
    run(io);
    EXPECT_EQ(given_up.ec, aborted);
    EXPECT_EQ(wanted.calls, 1);
    EXPECT_EQ(wanted.given.addresses(), addresses({"127.0.0.1"}));
    EXPECT_EQ(server.asked("slow.test", v4), 1u);
}

TEST_F(dns_resolver_life, of_one_that_waits_for_its_turn_ends_at_once) {
    names = dial::dns_resolver{asking(server).max_queries(1)};
    asio::cancellation_signal first, second;
    heard_answer out, waiting;
    start("silent.test", out, first);
    ASSERT_TRUE(run_until_asked("silent.test", v4));
    start("name.test", waiting, second);
    run_ready(io);
    EXPECT_EQ(server.asked("name.test", v4), 0u) << "it is not its turn";
    cancel(second);
    run_ready(io);
    EXPECT_EQ(waiting.ec, aborted);
    EXPECT_EQ(out.calls, 0);
    cancel(first);
    EXPECT_LT(time_of([&] { run(io); }), at_once);
    EXPECT_EQ(out.ec, aborted);
    EXPECT_EQ(server.asked("name.test", v4), 0u) << "nobody wants it";
}

TEST_F(dns_resolver_life, of_one_that_was_given_up_does_not_take_the_turn_of_others_for_ever) {
    names = dial::dns_resolver{asking(server).timeout(50ms).tries(2).max_queries(1)};
    asio::cancellation_signal signal;
    heard_answer out, waiting;
    start("silent.test", out, signal);
    ASSERT_TRUE(run_until_asked("silent.test", v4));
    start("name.test", waiting);
    run_ready(io);
    cancel(signal);
    run(io);
    EXPECT_EQ(out.ec, aborted);
    EXPECT_EQ(waiting.given.addresses(), addresses({"127.0.0.1"}));
}

TEST_F(dns_resolver_life, of_a_dial_that_is_cancelled_ends_with_it) {
    asio::cancellation_signal signal;
    error_code heard;
    dialer{io, {}, names}.connect("silent.test:1",
        asio::bind_cancellation_slot(signal.slot(), [&](error_code ec, const asio::ip::tcp::socket&) { heard = ec; }));
    ASSERT_TRUE(run_until_asked("silent.test", v4) && run_until_asked("silent.test", v6));
    cancel(signal);
    EXPECT_LT(time_of([&] { run(io); }), at_once);
    EXPECT_EQ(heard, aborted);
}

TEST_F(dns_resolver_life, of_a_lookup_that_was_given_up_before_its_turn_sends_nothing) {
    server.has({a("slow.test", "127.0.0.1")});
    server.on("slow.test", [&](const dns_question& q) { return dns_replies{{server.usual(q), 50ms}}; });
    const dial::dns_resolver one_by_one{asking(server).max_queries(1)};
    heard_answer first, last;
    dial::resolve(io, one_by_one, {"slow.test", v4}, first.handler());
    std::list<asio::cancellation_signal> signals;
    for (int i = 0; i != 3; ++i)
        dial::resolve(io, one_by_one, {"given-up.test", i % 2 ? v6 : v4},
            asio::bind_cancellation_slot(
                signals.emplace_back().slot(), [](error_code ec, const answer&) { EXPECT_EQ(ec, aborted); }));
    dial::resolve(io, one_by_one, {"name.test", v4}, last.handler());
    for (auto& signal : signals) signal.emit(asio::cancellation_type::terminal);
    run(io);
    EXPECT_EQ(first.ec, success);
    EXPECT_EQ(last.ec, success);
    EXPECT_EQ(server.asked("given-up.test", v4) + server.asked("given-up.test", v6), 0u);
}

TEST_F(dns_resolver_life, of_a_lookup_that_comes_after_one_that_was_given_up_begins_anew) {
    server.on("name.test", [&](const dns_question& q) { return dns_replies{{server.usual(q), 20ms}}; });
    heard_answer other, again;
    asio::cancellation_signal signal;
    start("slow-other.test", other);  // keeps the channel at work
    heard_answer given_up;
    start("name.test", given_up, signal);
    signal.emit(asio::cancellation_type::terminal);
    start("name.test", again);
    run(io);
    EXPECT_EQ(given_up.ec, aborted);
    EXPECT_EQ(again.ec, success);
}

// --- What is left ---

TEST_F(dns_resolver_life, leaves_no_descriptor_open_when_nothing_is_asked) {
    for (int i = 0; i != 100; ++i) server.has({a("large.test", "127.0.1." + std::to_string(i))});
    const asio::ip::udp::socket makes_the_reactor{io};
    const std::size_t before = open_descriptors();
    for (const auto* name : {"name.test", "nobody.test", "large.test", "name.test"}) {
        heard_answer heard;
        start(name, heard);
        ASSERT_TRUE(run_until_asked(name, v4));
        run(io);
        EXPECT_TRUE(becomes_true([&] { return open_descriptors() == before; })) << name << open_descriptors() - before;
    }
    heard_answer heard;
    asio::cancellation_signal signal;
    start("silent.test", heard, signal);
    ASSERT_TRUE(run_until_asked("silent.test", v4));
    EXPECT_GT(open_descriptors(), before);
    cancel(signal);
    run_ready(io);
    EXPECT_EQ(open_descriptors(), before) << "at once, as nobody waits";
}

TEST_F(dns_resolver_life, sends_from_another_port_each_time) {
    for (int i = 0; i != 20; ++i) ask(names, "name.test");
    EXPECT_GE(server.source_ports().size(), 10u) << "whoever wants to forge an answer has to guess it";
}

TEST_F(dns_resolver_life, needs_no_thread) {
    const auto threads = [] { return std::distance(std::filesystem::directory_iterator{"/proc/self/task"}, {}); };
    const auto before = threads();
    std::vector<heard_answer> heard(200);
    for (std::size_t i = 0; i != heard.size(); ++i) start("n" + std::to_string(i) + ".test", heard[i]);
    run_ready(io);
    EXPECT_EQ(threads(), before);
    run(io);
    EXPECT_EQ(threads(), before);
}

// --- Handles and io_contexts ---

TEST_F(dns_resolver_life, goes_on_when_the_handle_is_gone) {
    heard_answer heard;
    {
        const dial::dns_resolver own{asking(server)};
        dial::resolve(io, own, {"slow.test", v4}, heard.handler());
    }
    run(io);
    EXPECT_EQ(heard.given.addresses(), addresses({"127.0.0.1"}));
    {
        const dialer d{io, {}, dial::dns_resolver{asking(server)}};
        d.connect("slow.test:1", [&](error_code ec, const asio::ip::tcp::socket&) { heard.ec = ec; });
    }
    run(io);
    EXPECT_EQ(heard.ec, asio::error::connection_refused);
}

TEST_F(dns_resolver_life, ends_with_the_io_context_and_the_handler_is_released) {
    for (const auto* name : {"silent.test", "slow.test", "name.test"}) {
        const auto held = std::make_shared<int>();
        const std::size_t before = open_descriptors();
        {
            asio::io_context other;
            for (const auto type : {v4, v6, record_type::srv})
                dial::resolve(other, names, {name, type}, [held](error_code, const answer&) {});
            other.run_for(1ms);
            EXPECT_GE(held.use_count(), 1);
        }
        EXPECT_EQ(held.use_count(), 1) << name;
        EXPECT_EQ(open_descriptors(), before) << name;
        EXPECT_EQ(ask(names, "name.test").error(), success) << "elsewhere it goes on";
    }
}

TEST_F(dns_resolver_life, ends_with_the_io_context_also_when_the_handle_went_before) {
    const auto held = std::make_shared<int>();
    {
        asio::io_context other;
        dial::resolve(
            other, dial::dns_resolver{asking(server)}, {"silent.test", v4}, [held](error_code, const answer&) {});
        other.poll();
    }
    EXPECT_EQ(held.use_count(), 1);
}

TEST_F(dns_resolver_life, of_the_handle_may_be_longer_than_that_of_many_io_contexts) {
    for (int i = 0; i != 100; ++i) {
        asio::io_context other;
        heard_answer heard;
        dial::resolve(other, names, {"name.test", v4}, heard.handler());
        if (i % 3 != 0) run(other);
        EXPECT_EQ(heard.calls, i % 3 != 0);
    }
}

TEST_F(dns_resolver_life, goes_on_when_the_io_context_was_stopped_and_runs_again) {
    heard_answer heard;
    start("slow.test", heard);
    ASSERT_TRUE(run_until_asked("slow.test", v4));
    io.stop();
    EXPECT_EQ(heard.calls, 0);
    run(io);
    EXPECT_EQ(heard.given.addresses(), addresses({"127.0.0.1"}));
    EXPECT_EQ(ask(names, "name.test").error(), success) << "and after it was out of work";
}

TEST_F(dns_resolver_life, goes_on_from_a_handler_that_asks_the_next) {
    int left = 50;
    std::function<void(error_code, const answer&)> next = [&](error_code ec, const answer&) {
        EXPECT_EQ(ec, success);
        if (--left != 0) dial::resolve(io, names, {"name.test", left % 2 ? v4 : v6}, next);
    };
    dial::resolve(io, names, {"name.test", v4}, next);
    run(io);
    EXPECT_EQ(left, 0);
}

TEST_F(dns_resolver_life, is_on_several_io_contexts_and_their_threads_at_once) {
    std::atomic<int> found = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t != 4; ++t)
        threads.emplace_back([&, t] {
            for (int round = 0; round != 5; ++round) {
                asio::io_context own;
                for (int i = 0; i != 50; ++i)
                    dial::resolve(own, names, {i % 2 ? "name.test" : "n" + std::to_string(t) + ".test", v4},
                        [&, i](error_code ec, const answer&) {
                            if (ec == (i % 2 ? success : not_found)) ++found;
                        });
                if (round != 4) own.run();  // the last goes away with its lookups
            }
        });
    for (auto& t : threads) t.join();
    EXPECT_EQ(found, 4 * 4 * 50);
}

TEST_F(dns_resolver_life, is_on_an_io_context_that_several_threads_run) {
    std::atomic<int> found = 0, cancelled = 0;
    struct each {
        asio::cancellation_signal cancel;
    };
    std::vector<each> lookups(400);
    std::vector<asio::strand<asio::io_context::executor_type>> strands;  // a signal is not for two threads at a time
    for (std::size_t i = 0; i != lookups.size(); ++i) {
        strands.push_back(asio::make_strand(io));
        asio::post(strands[i], [&, i] {
            dial::resolve(strands[i], names, {i % 4 ? "name.test" : "silent.test", i % 2 ? v4 : v6},
                asio::bind_cancellation_slot(
                    lookups[i].cancel.slot(), [&](error_code ec, const answer&) { ++(ec ? cancelled : found); }));
            if (i % 4 == 0)
                asio::post(strands[i], [&, i] { lookups[i].cancel.emit(asio::cancellation_type::terminal); });
        });
    }
    std::vector<std::thread> threads;
    for (int t = 0; t != 3; ++t) threads.emplace_back([&] { io.run_for(30s); });
    for (auto& t : threads) t.join();
    EXPECT_EQ(found, 300);
    EXPECT_EQ(cancelled, 100);
}

TEST_F(dns_resolver_life, calls_the_handler_where_it_belongs) {
    const auto strand = asio::make_strand(io);
    bool there = false;
    dial::resolve(io, names, {"name.test", v4},
        asio::bind_executor(strand, [&](error_code, const answer&) { there = strand.running_in_this_thread(); }));
    run(io);
    EXPECT_TRUE(there);
}

// --- fork ---

// Runs `child` in a child process, for 20 s at the most, and gives its exit status; -1 for any other end.
template <class Child>
int in_child(Child child) {
    std::fflush(nullptr);
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::alarm(20);
        ::_exit(child());
    }
    int status = -1;
    if (pid == -1 || ::waitpid(pid, &status, 0) != pid) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool finds(asio::io_context& on, const resolver& from, const std::string& name) {
    heard_answer heard;
    dial::resolve(on, from, {name, record_type::a}, heard.handler());
    on.restart();
    while (heard.calls == 0 && on.run_one_for(10s) != 0) {}
    return heard.calls == 1 && heard.given.addresses() == addresses({"127.0.0.1"});
}

TEST_F(dns_resolver_life, begins_afresh_in_the_child_of_a_fork_while_the_parents_lookups_go_on) {
    SKIP_UNDER_TSAN();
    std::atomic<bool> forked = false;
    server.on("waits.test", [&](const dns_question&) {
        dns_message m;
        m.answers = {a("waits.test", "127.0.0.1")};
        return forked ? dns_replies{m} : silence();
    });
    names = dial::dns_resolver{asking(server).timeout(500ms).tries(4)};
    heard_answer heard;
    start("waits.test", heard);
    ASSERT_TRUE(run_until_asked("waits.test", v4));
    EXPECT_EQ(in_child([&] {
        asio::io_context fresh;
        return finds(fresh, names, "name.test") && finds(fresh, names, "slow.test") ? 0 : 1;
    }),
        0);
    forked = true;
    run(io);
    EXPECT_EQ(heard.given.addresses(), addresses({"127.0.0.1"}));
    EXPECT_EQ(in_child([&] {  // now with nothing under way
        asio::io_context fresh;
        return finds(fresh, names, "name.test") ? 0 : 1;
    }),
        0);
}

TEST_F(dns_resolver_life, of_the_parents_lookups_ends_in_a_child_that_goes_on_with_the_io_context) {
    SKIP_UNDER_TSAN();
    heard_answer heard;
    asio::cancellation_signal signal;
    start("silent.test", heard, signal);
    ASSERT_TRUE(run_until_asked("silent.test", v4));
    io.notify_fork(asio::execution_context::fork_prepare);
    const int status = in_child([&] {
        io.notify_fork(asio::execution_context::fork_child);
        io.restart();
        io.run_for(5s);
        if (heard.calls != 1 || heard.ec != try_again) return 1;
        return finds(io, names, "name.test") ? 0 : 2;
    });
    io.notify_fork(asio::execution_context::fork_parent);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(heard.calls, 0) << "the parent's goes on";
    cancel(signal);
    run(io);
    EXPECT_EQ(heard.ec, aborted);
    EXPECT_EQ(ask(names, "name.test").error(), success);
}

TEST_F(dns_resolver_life, ends_in_peace_in_a_child_that_throws_all_away) {
    SKIP_UNDER_TSAN();
    auto own = std::make_unique<asio::io_context>();
    auto handle = std::make_unique<dial::dns_resolver>(asking(server));
    heard_answer heard;
    dial::resolve(*own, *handle, {"slow.test", v4}, heard.handler());
    own->poll();
    EXPECT_EQ(in_child([&] {
        handle.reset();
        own.reset();
        return heard.calls;
    }),
        0);
    run(*own);
    EXPECT_EQ(heard.given.addresses(), addresses({"127.0.0.1"})) << "closing the copies leaves the parent's alone";
}

}  // namespace
}  // namespace dial::test
