#include <dial/detail/connect_engine.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <iostream>
#include <random>
#include <string>

namespace dial::detail {
namespace {

using namespace std::chrono_literals;
using action = connect_step::action;

constexpr time_point t0{1000s};

constexpr verdict connected{progress::connected};
constexpr verdict to_itself{progress::to_itself};
constexpr verdict in_progress{progress::in_progress};
constexpr verdict queue_full{progress::queue_full};

error_code system_error(int error) {
    return {error, boost::system::system_category()};
}

const error_code aborted = system_error(ECANCELED);
const error_code refused = system_error(ECONNREFUSED);

const connect_step call{.what = action::call};

connect_step ready_by(time_point deadline) {
    return {.what = action::wait_ready, .until = deadline};
}
connect_step pause_until(time_point when) {
    return {.what = action::wait_time, .until = when};
}
connect_step done(error_code result = {}) {
    return {.what = action::finish, .result = result};
}
connect_step done_and_withdrawn(error_code result) {
    return {.what = action::finish, .withdraw = true, .result = result};
}

// An engine that has made its call, at t0, and has heard `v`.
connect_engine called(verdict v, duration timeout = never, unsigned char spare_calls = 0) {
    connect_engine engine{timeout, spare_calls};
    EXPECT_EQ(engine.next(t0), call);
    engine.on_verdict(v);
    return engine;
}

TEST(connect_engine, calls_first) {
    connect_engine engine{never, 0};
    EXPECT_FALSE(engine.decided());
    EXPECT_EQ(engine.next(t0), call);
}

TEST(connect_engine, connected_finishes_without_error) {
    auto engine = called(connected);
    EXPECT_TRUE(engine.decided());
    EXPECT_EQ(engine.next(t0), done());
}

TEST(connect_engine, every_errno_passes_untouched_and_leaves_nothing_to_withdraw) {
    for (int error = 1; error <= 133; ++error) {
        auto engine = called(failed(error), 5s, 1);
        EXPECT_TRUE(engine.decided());
        const connect_step step = engine.next(t0);
        EXPECT_EQ(step, done(system_error(error))) << error;
        EXPECT_EQ(step.result.category(), boost::system::system_category());
    }
}

TEST(connect_engine, a_decided_answer_needs_no_clock) {
    for (const verdict v : {connected, failed(ECONNREFUSED)}) {
        auto engine = called(v, 1ns);
        const connect_step answer = engine.next(time_point::min());
        EXPECT_EQ(answer, v == connected ? done() : done(refused));
        EXPECT_EQ(engine.next(time_point::max()), answer);
    }
}

TEST(connect_engine, a_timeout_of_zero_or_less_ends_before_any_call) {
    for (const duration timeout : {duration{0ns}, duration{-1ns}, duration{-5s}, duration::min()}) {
        connect_engine engine{timeout, 1};
        EXPECT_EQ(engine.next(t0), done(error::timeout)) << timeout.count();
    }
}

TEST(connect_engine, the_shortest_timeout_above_zero_makes_the_call) {
    connect_engine engine{1ns, 0};
    EXPECT_EQ(engine.next(t0), call);
}

TEST(connect_engine, an_attempt_in_progress_is_waited_for_until_the_deadline) {
    auto engine = called(in_progress, 5s);
    EXPECT_FALSE(engine.decided());
    EXPECT_EQ(engine.next(t0), ready_by(t0 + 5s));
}

TEST(connect_engine, without_a_timeout_the_wait_has_no_end) {
    auto engine = called(in_progress);
    EXPECT_EQ(engine.next(t0), ready_by(time_point::max()));
    engine.on_verdict(in_progress);
    EXPECT_EQ(engine.next(t0 + 24h * 365), ready_by(time_point::max()));
}

TEST(connect_engine, a_timeout_beyond_the_end_of_time_never_comes) {
    for (const duration timeout : {never - 1ns, never - 999s}) {
        auto engine = called(in_progress, timeout);
        EXPECT_EQ(engine.next(t0), ready_by(time_point::max())) << timeout.count();
    }
    auto longest = called(in_progress, never - 1000s - 1ns);
    EXPECT_EQ(longest.next(t0), ready_by(time_point::max() - 1ns));
}

TEST(connect_engine, the_deadline_counts_from_the_first_look_at_the_clock) {
    connect_engine engine{5s, 0};
    EXPECT_EQ(engine.next(time_point::min()), call);  // the call needs no clock
    engine.on_verdict(in_progress);
    EXPECT_EQ(engine.next(t0 + 1s), ready_by(t0 + 6s));
    engine.on_verdict(in_progress);
    EXPECT_EQ(engine.next(t0 + 3s), ready_by(t0 + 6s));
}

TEST(connect_engine, readiness_that_means_nothing_waits_on) {
    auto engine = called(in_progress, 5s);
    for (duration passed = 0s; passed < 5s; passed += 100ms) {
        EXPECT_EQ(engine.next(t0 + passed), ready_by(t0 + 5s));
        engine.on_verdict(in_progress);
    }
}

TEST(connect_engine, the_deadline_ends_an_attempt_in_progress_and_withdraws_it) {
    auto engine = called(in_progress, 5s);
    EXPECT_EQ(engine.next(t0), ready_by(t0 + 5s));
    engine.on_verdict(in_progress);
    EXPECT_EQ(engine.next(t0 + 5s - 1ns), ready_by(t0 + 5s));
    EXPECT_EQ(engine.next(t0 + 5s), done_and_withdrawn(error::timeout));
}

TEST(connect_engine, a_success_found_after_the_deadline_is_a_success) {
    auto engine = called(in_progress, 5s);
    EXPECT_EQ(engine.next(t0), ready_by(t0 + 5s));
    engine.on_verdict(connected);  // the loop was late, not the peer
    EXPECT_EQ(engine.next(t0 + 7s), done());
}

TEST(connect_engine, an_error_found_after_the_deadline_is_that_error) {
    auto engine = called(in_progress, 5s);
    EXPECT_EQ(engine.next(t0), ready_by(t0 + 5s));
    engine.on_verdict(failed(ECONNREFUSED));
    EXPECT_EQ(engine.next(t0 + 7s), done(refused));
}

TEST(connect_engine, a_full_queue_is_tried_again_after_1_ms_doubling_to_50) {
    auto engine = called(queue_full);
    time_point now = t0;
    for (const duration pause : {1ms, 2ms, 4ms, 8ms, 16ms, 32ms, 50ms, 50ms, 50ms}) {
        EXPECT_FALSE(engine.decided());
        EXPECT_EQ(engine.next(now), pause_until(now + pause));
        now += pause;
        EXPECT_EQ(engine.next(now), call);
        engine.on_verdict(queue_full);
    }
    EXPECT_EQ(engine.next(now), pause_until(now + 50ms));
    EXPECT_EQ(engine.next(now + 50ms), call);
    engine.on_verdict(connected);
    EXPECT_EQ(engine.next(now + 50ms), done());
}

TEST(connect_engine, a_full_queue_is_tried_once_more_at_the_deadline_and_never_later) {
    auto engine = called(queue_full, 5ms);
    EXPECT_EQ(engine.next(t0), pause_until(t0 + 1ms));
    EXPECT_EQ(engine.next(t0 + 1ms), call);
    engine.on_verdict(queue_full);
    EXPECT_EQ(engine.next(t0 + 1ms), pause_until(t0 + 3ms));
    EXPECT_EQ(engine.next(t0 + 3ms), call);
    engine.on_verdict(queue_full);
    EXPECT_EQ(engine.next(t0 + 3ms), pause_until(t0 + 5ms));  // not 4 ms, which would be too late
    EXPECT_EQ(engine.next(t0 + 5ms), call);
    engine.on_verdict(queue_full);
    EXPECT_EQ(engine.next(t0 + 5ms), done(error::timeout));  // an empty hand: nothing to withdraw
}

TEST(connect_engine, the_last_call_in_a_full_queue_may_still_succeed) {
    auto engine = called(queue_full, 1ms);
    EXPECT_EQ(engine.next(t0), pause_until(t0 + 1ms));
    EXPECT_EQ(engine.next(t0 + 9ms), call);
    engine.on_verdict(connected);
    EXPECT_EQ(engine.next(t0 + 9ms), done());
}

TEST(connect_engine, an_error_after_a_full_queue_passes_untouched) {
    auto engine = called(queue_full);
    EXPECT_EQ(engine.next(t0), pause_until(t0 + 1ms));
    EXPECT_EQ(engine.next(t0 + 1ms), call);
    engine.on_verdict(failed(ENOENT));
    EXPECT_EQ(engine.next(t0 + 1ms), done(system_error(ENOENT)));
}

TEST(connect_engine, pauses_without_a_timeout_saturate_at_the_end_of_time) {
    auto engine = called(queue_full);
    EXPECT_EQ(engine.next(time_point::max() - 1ns), pause_until(time_point::max()));
}

TEST(connect_engine, a_callers_socket_that_connected_to_itself_is_refused_and_unconnected) {
    auto engine = called(to_itself, never, 0);
    EXPECT_EQ(engine.next(t0), done_and_withdrawn(refused));
}

TEST(connect_engine, a_socket_of_dials_own_that_connected_to_itself_is_replaced_once) {
    auto engine = called(to_itself, 5s, 1);
    EXPECT_FALSE(engine.decided());
    EXPECT_EQ(engine.next(t0), call);
    engine.on_verdict(to_itself);
    EXPECT_EQ(engine.next(t0), done_and_withdrawn(refused));
}

TEST(connect_engine, the_replacement_of_a_socket_that_connected_to_itself_may_connect) {
    auto engine = called(to_itself, 5s, 1);
    EXPECT_EQ(engine.next(t0), call);
    engine.on_verdict(in_progress);
    EXPECT_EQ(engine.next(t0 + 1s), ready_by(t0 + 5s));  // one deadline over both
    engine.on_verdict(connected);
    EXPECT_EQ(engine.next(t0 + 1s), done());
}

TEST(connect_engine, a_socket_that_connected_to_itself_while_waiting_is_seen_through) {
    auto engine = called(in_progress, 5s, 0);
    EXPECT_EQ(engine.next(t0), ready_by(t0 + 5s));
    engine.on_verdict(to_itself);
    EXPECT_FALSE(engine.decided());
    EXPECT_EQ(engine.next(t0 + 1s), done_and_withdrawn(refused));
}

TEST(connect_engine, cancelled_before_the_call_makes_none) {
    connect_engine engine{never, 0};
    engine.on_cancelled();
    EXPECT_TRUE(engine.decided());
    EXPECT_EQ(engine.next(t0), done(aborted));
}

TEST(connect_engine, cancelled_outweighs_a_timeout_of_zero) {
    connect_engine engine{0ns, 0};
    engine.on_cancelled();
    EXPECT_EQ(engine.next(t0), done(aborted));
}

TEST(connect_engine, cancelled_in_progress_withdraws_the_attempt) {
    auto engine = called(in_progress, 5s);
    EXPECT_EQ(engine.next(t0), ready_by(t0 + 5s));
    engine.on_cancelled();
    EXPECT_TRUE(engine.decided());
    EXPECT_EQ(engine.next(t0 + 1s), done_and_withdrawn(aborted));
}

TEST(connect_engine, cancelled_in_the_pause_of_a_full_queue_has_nothing_to_withdraw) {
    auto engine = called(queue_full, 5s);
    EXPECT_EQ(engine.next(t0), pause_until(t0 + 1ms));
    engine.on_cancelled();
    EXPECT_EQ(engine.next(t0), done(aborted));
}

TEST(connect_engine, cancelled_with_a_connection_that_nobody_has_heard_of_withdraws_it) {
    for (const verdict v : {connected, to_itself}) {
        auto engine = called(v, never, 1);
        engine.on_cancelled();
        EXPECT_EQ(engine.next(t0), done_and_withdrawn(aborted));
    }
}

TEST(connect_engine, cancelled_after_a_failure_has_nothing_to_withdraw) {
    auto engine = called(failed(ECONNREFUSED));
    engine.on_cancelled();
    EXPECT_EQ(engine.next(t0), done(aborted));
}

TEST(connect_engine, cancelled_at_the_deadline_is_the_callers_word) {
    auto engine = called(in_progress, 5s);
    EXPECT_EQ(engine.next(t0), ready_by(t0 + 5s));
    engine.on_cancelled();
    EXPECT_EQ(engine.next(t0 + 5s), done_and_withdrawn(aborted));
}

// --- Any order of events ---

// Drives one engine through a random life, and checks what holds in all of them.
class random_life {
public:
    explicit random_life(std::mt19937& random) : random_{random} {}

    void run() {
        const duration timeout = a_timeout();
        const auto spare_calls = static_cast<unsigned char>(below(3));
        connect_engine engine{timeout, spare_calls};
        connect_step step = engine.next(now_);
        if (step.what == action::finish) {
            EXPECT_LE(timeout, 0ns);
            return;
        }
        for (int events = 0; events != 200; ++events) {
            if (step.what == action::finish) return check_finish(engine, step);
            if (step.what == action::call) {
                calls_to_itself_ += called_ && last_.what == progress::to_itself;
                EXPECT_LE(calls_to_itself_, spare_calls);
                hear(engine, a_verdict());
            } else {
                check_wait(step, timeout);
                happen(engine, step);
            }
            if (first_look_ == time_point::max() && !engine.decided()) first_look_ = now_;
            step = engine.next(now_);
        }
    }

    bool finished() const { return finished_; }
    bool success() const { return success_; }

private:
    void check_wait(const connect_step& step, duration timeout) {
        EXPECT_FALSE(step.withdraw);
        EXPECT_FALSE(step.result);
        EXPECT_LE(step.until, saturating_add(first_look_, timeout)) << "a wait that outlasts the deadline";
        EXPECT_GT(step.until, now_) << "a wait for what has passed";
        if (step.what == action::wait_ready) {
            EXPECT_EQ(last_.what, progress::in_progress);
            EXPECT_EQ(step.until, timeout == never ? time_point::max() : saturating_add(first_look_, timeout));
            return;
        }
        EXPECT_EQ(last_.what, progress::queue_full);
        const duration pause = step.until - now_;
        EXPECT_LE(pause, connect_engine::longest_pause);
        const bool cut_short = step.until == saturating_add(first_look_, timeout);
        EXPECT_TRUE(pause >= last_pause_ || cut_short) << "the pauses never get shorter, but at the deadline";
        last_pause_ = std::max(pause, last_pause_);
    }

    void happen(connect_engine& engine, const connect_step& step) {
        if (below(12) == 0) {
            cancelled_ = true;
            engine.on_cancelled();
            return;
        }
        const bool ready = step.what == action::wait_ready && below(2) == 0;
        if (ready) {
            const duration left = step.until - now_;
            now_ += std::min<duration>(left - 1ns, std::chrono::microseconds{below(20'000)});
        } else if (step.until != time_point::max()) {
            const std::chrono::microseconds late{below(4) ? 0 : below(5'000)};
            now_ = saturating_add(step.until, late);  // never early
        }
        if (step.what == action::wait_ready) hear(engine, a_verdict());
    }

    void hear(connect_engine& engine, verdict v) {
        last_ = v;
        called_ = true;
        engine.on_verdict(v);
    }

    void check_finish(connect_engine& engine, const connect_step& step) {
        finished_ = true;
        success_ = !step.result;
        EXPECT_TRUE(called_);
        if (success_) {
            EXPECT_EQ(last_, connected);
            EXPECT_FALSE(cancelled_);
            EXPECT_FALSE(step.withdraw);
        } else if (cancelled_) {
            EXPECT_EQ(step.result, aborted);
        } else if (last_.what == progress::failed) {
            EXPECT_EQ(step.result, system_error(last_.error));
        } else if (last_.what == progress::to_itself) {
            EXPECT_EQ(step.result, refused);
        } else {
            EXPECT_EQ(step.result, make_error_code(error::timeout));
        }
        const bool held = last_.what != progress::failed && last_.what != progress::queue_full;
        EXPECT_EQ(step.withdraw, held && !success_);
        for (const duration later : {0ns, 1ns, 10'000'000'000ns})
            EXPECT_EQ(engine.next(saturating_add(now_, later)), step);
    }

    duration a_timeout() {
        switch (below(8)) {
            case 0: return never;
            case 1: return never - std::chrono::seconds{below(2'000)};
            case 2: return duration{-below(3)};
            case 3: return duration{1 + below(1'000)};
            default: return std::chrono::microseconds{1 + below(300'000)};
        }
    }

    verdict a_verdict() {
        switch (below(16)) {
            case 0: return connected;
            case 1: return failed(1 + below(133));
            case 2:
            case 3: return to_itself;
            case 4:
            case 5:
            case 6: return in_progress;
            default: return called_ && last_.what == progress::in_progress ? in_progress : queue_full;
        }
    }

    int below(int end) { return std::uniform_int_distribution{0, end - 1}(random_); }

    std::mt19937& random_;
    time_point now_ = t0;
    time_point first_look_ = time_point::max();
    duration last_pause_ = 0ns;
    verdict last_ = {};
    int calls_to_itself_ = 0;
    bool called_ = false;
    bool cancelled_ = false;
    bool finished_ = false;
    bool success_ = false;
};

TEST(connect_engine, keeps_its_promises_in_any_order_of_events) {
    constexpr unsigned seed = 20240917;
    std::mt19937 random{seed};
    int finished = 0, successes = 0;
    for (int run = 0; run != 20'000; ++run) {
        random_life life{random};
        life.run();
        finished += life.finished();
        successes += life.success();
        ASSERT_FALSE(HasFailure()) << "seed " << seed << ", run " << run;
    }
    EXPECT_GT(finished, 15'000);
    EXPECT_GT(successes, 1'000);
    RecordProperty("seed", std::to_string(seed));
    std::cout << "seed " << seed << ": " << finished << " lives ended, " << successes << " of them connected\n";
}

}  // namespace
}  // namespace dial::detail
