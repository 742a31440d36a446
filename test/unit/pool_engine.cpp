// Who gets which connection, and in which order, in virtual time.
#include <pool/engine.hpp>
#include <support/pool_script.hpp>

#include <gtest/gtest.h>

#include <string>

namespace dial::pooling {
namespace {

using namespace std::chrono_literals;
using script = test::pool_script;
using test::pool_with_idle;
using test::pool_with_in_use;

// --- Lending ---

TEST(pool_engine, opens_a_connection_for_who_asks_and_lends_it) {
    script p;
    EXPECT_EQ(p.acquire(), "open a1");
    p.at(10ms);
    EXPECT_EQ(p.connected(1), "lend a1 to 1");
    EXPECT_EQ(p.wakes(), never);
    EXPECT_EQ(p.core.size(), 1u);
    EXPECT_EQ(p.core.in_use(), 1u);
    EXPECT_EQ(p.core.target_of(p.id(1)), p.target_of('a'));
}

TEST(pool_engine, says_whether_it_was_used_before_and_how_long_was_waited) {
    script p;
    p.acquire();
    p.at(10ms);
    p.connected(1);
    EXPECT_FALSE(p.lent.reused);
    EXPECT_EQ(p.lent.waited, 10ms);
    EXPECT_EQ(p.lent.loan, 1u);
    p.give_back(1);
    p.at(15ms);
    EXPECT_EQ(p.acquire(), "lend a1 to 2");
    EXPECT_TRUE(p.lent.reused);
    EXPECT_EQ(p.lent.waited, 0ms);
    EXPECT_EQ(p.lent.loan, 2u);
}

TEST(pool_engine, the_one_that_was_returned_last_is_lent_first) {
    script p = pool_with_idle({}, 3);
    EXPECT_EQ(p.acquire(), "lend a3 to 1");
    EXPECT_EQ(p.acquire(), "lend a2 to 2");
    EXPECT_EQ(p.acquire(), "lend a1 to 3");
}

TEST(pool_engine, or_the_one_that_has_been_idle_for_longest) {
    script p = pool_with_idle({.oldest_first = true}, 3);
    EXPECT_EQ(p.acquire(), "lend a1 to 1");
    EXPECT_EQ(p.acquire(), "lend a2 to 2");
    EXPECT_EQ(p.acquire(), "lend a3 to 3");
}

TEST(pool_engine, who_came_first_is_served_first) {
    script p = pool_with_in_use({.max_per_target = 1}, 1);
    EXPECT_EQ(p.acquire_each("aaa"), "");
    EXPECT_EQ(p.give_back(1), "lend a1 to 2");
    p.core.on_returned(p.id(1), p.loan(1), true, p.now);
    EXPECT_EQ(p.acquire(), "lend a1 to 3") << "who comes in the moment of the return has no precedence";
    EXPECT_EQ(p.give_back(1), "lend a1 to 4");
    EXPECT_EQ(p.give_back(1), "lend a1 to 5");
}

TEST(pool_engine, a_return_overtakes_a_connect_which_then_stays_idle) {
    script p = pool_with_in_use({}, 1);
    EXPECT_EQ(p.acquire(), "open a2");
    EXPECT_EQ(p.give_back(1), "lend a1 to 2");
    p.at(5ms);
    EXPECT_EQ(p.connected(2), "");
    EXPECT_EQ(p.counts().idle, 1u);
    EXPECT_EQ(p.acquire(), "lend a2 to 3");
    EXPECT_FALSE(p.lent.reused);
}

TEST(pool_engine, connections_of_another_target_are_not_lent) {
    script p = pool_with_idle({}, 1);
    EXPECT_EQ(p.acquire('b'), "open b2");
    EXPECT_EQ(p.acquire('a'), "lend a1 to 2");
}

TEST(pool_engine, what_came_while_somebody_waited_goes_to_them_however_short_it_may_be_idle_or_live) {
    for (const pool_rules& rules : {pool_rules{.max_per_target = 1, .idle_timeout = 0ms},
             pool_rules{.max_per_target = 1, .idle_timeout = -1ms}, pool_rules{.max_per_target = 1, .max_idle = 0},
             pool_rules{.max_per_target = 1, .idle_timeout = 1ns, .inspect = true}}) {
        script p{rules};
        p.acquire();
        p.acquire();
        const std::string looked_at = rules.inspect ? "inspect a1, " : "";
        p.at(10ms);
        p.core.on_connected(p.id(1), p.now, 0);
        p.now += 1ms;  // the clock goes on until it is asked
        EXPECT_EQ(p.then(), looked_at + "lend a1 to 1");
        p.at(20ms);
        p.core.on_returned(p.id(1), p.loan(1), true, p.now);
        p.now += 1ms;
        EXPECT_EQ(p.then(), looked_at + "lend a1 to 2");
    }
}

TEST(pool_engine, even_one_that_may_not_live_at_all_is_lent_once) {
    script p{{.max_lifetime = 0ms}};
    EXPECT_EQ(p.acquire(), "open a1");
    p.at(10ms);
    EXPECT_EQ(p.connected(1), "lend a1 to 1");
    EXPECT_EQ(p.give_back(1), "close a1 max_lifetime");
}

// --- Limits ---

TEST(pool_engine, opens_one_for_each_who_waits_at_the_same_time) {
    script p;
    EXPECT_EQ(p.acquire(), "open a1");
    EXPECT_EQ(p.acquire(), "open a2");
    EXPECT_EQ(p.connected(1), "lend a1 to 1");
    EXPECT_EQ(p.connected(2), "lend a2 to 2");
}

TEST(pool_engine, no_more_than_the_limit_per_target) {
    script p{{.max_per_target = 2}};
    EXPECT_EQ(p.acquire_each("aaa"), "open a1, open a2");
    EXPECT_EQ(p.acquire('b'), "open b3") << "each target has its own";
    p.connected(1);
    EXPECT_EQ(p.give_back(1, false), "close a1 discarded, open a4") << "a place is free again";
}

TEST(pool_engine, none_per_target_in_all_or_at_a_time_is_one) {
    script p{{.max_per_target = 0, .max_total = 0, .max_connecting = 0}};
    EXPECT_EQ(p.acquire(), "open a1");
    EXPECT_EQ(p.acquire(), "");
    EXPECT_EQ(p.acquire('b'), "");
}

TEST(pool_engine, so_many_connects_at_a_time_per_target) {
    script p{{.max_connecting = 2}};
    EXPECT_EQ(p.acquire_each("aaaa"), "open a1, open a2");
    EXPECT_EQ(p.acquire('b'), "open b3");
    EXPECT_EQ(p.connected(1), "lend a1 to 1, open a4");
    EXPECT_EQ(p.failed(2), "end 2 connect_failed, open a5");
}

TEST(pool_engine, so_many_wait_beyond_those_for_whom_one_is_on_its_way) {
    script p{{.max_per_target = 2, .max_waiting = 1}};
    EXPECT_EQ(p.acquire_each("aaa"), "open a1, open a2");
    EXPECT_EQ(p.acquire(), "end 4 too_many") << "who came last goes";
    p.connected(1);
    p.connected(2);
    EXPECT_EQ(p.acquire(), "end 5 too_many");
    EXPECT_EQ(p.give_back(1), "lend a1 to 3");
    EXPECT_EQ(p.acquire(), "");
    EXPECT_EQ(p.counts().turned_away, 2u);
}

TEST(pool_engine, where_nobody_may_wait_an_idle_one_or_a_place_still_serves) {
    script p{{.max_per_target = 1, .max_waiting = 0}};
    EXPECT_EQ(p.acquire(), "open a1");
    EXPECT_EQ(p.acquire(), "end 2 too_many");
    p.connected(1);
    p.give_back(1);
    EXPECT_EQ(p.acquire(), "lend a1 to 3");
}

TEST(pool_engine, so_many_wait_where_the_pool_is_full) {
    script p{{.max_total = 1, .max_waiting = 1}};
    EXPECT_EQ(p.acquire('a'), "open a1");
    EXPECT_EQ(p.acquire('b'), "");
    EXPECT_EQ(p.acquire('b'), "end 3 too_many");
}

// --- Connects that fail ---

TEST(pool_engine, a_failed_connect_ends_the_longest_wait_and_another_starts_for_the_next) {
    script p{{.max_per_target = 1}};
    p.acquire();
    p.acquire();
    p.at(10ms);
    EXPECT_EQ(p.failed(1), "end 1 connect_failed, open a2");
    EXPECT_EQ(p.ended.connection, p.id(1));
    EXPECT_EQ(p.ended.waited, 10ms);
    EXPECT_EQ(p.counts().open_failed, 1u);
    EXPECT_EQ(p.failed(2), "end 2 connect_failed");
    EXPECT_EQ(p.core.size(), 0u);
    EXPECT_EQ(p.wakes(), never) << "nobody wants another";
}

TEST(pool_engine, one_that_fails_when_nobody_waits_is_just_gone) {
    script p = pool_with_in_use({}, 1);
    p.acquire();
    p.give_back(1);
    EXPECT_EQ(p.failed(2), "");
    EXPECT_EQ(p.counts().in_use, 1u);
    EXPECT_EQ(p.core.size(), 1u);
}

// --- Waits that end ---

TEST(pool_engine, full_if_in_time_none_was_returned_and_there_was_no_place) {
    script p = pool_with_in_use({.max_per_target = 1}, 1);
    p.at(15ms);
    EXPECT_EQ(p.acquire('a', 50ms), "");
    EXPECT_EQ(p.wakes(), 65ms);
    EXPECT_EQ(p.at(65ms - 1ns), "");
    EXPECT_EQ(p.at(65ms), "end 2 full");
    EXPECT_EQ(p.ended.waited, 50ms);
    EXPECT_EQ(p.ended.connection, 0u);
    EXPECT_EQ(p.counts().wait_timeouts, 1u);
    EXPECT_EQ(p.wakes(), never);
    script q = pool_with_in_use({.max_total = 1}, 1);
    q.acquire('b', 50ms);
    EXPECT_EQ(q.at(50ms), "end 2 full");
}

TEST(pool_engine, unreachable_if_in_time_none_was_opened_and_the_connect_goes_on) {
    script p;
    p.acquire('a', 50ms);
    EXPECT_EQ(p.at(50ms), "end 1 unreachable");
    EXPECT_EQ(p.connected(1), "");
    EXPECT_EQ(p.acquire(), "lend a1 to 2");
    EXPECT_EQ(p.counts().wait_timeouts, 1u);
}

TEST(pool_engine, who_has_no_time_gets_what_is_idle_or_nothing) {
    for (const duration none : {0ms, -1ms}) {
        script p{{.max_per_target = 1}};
        EXPECT_EQ(p.acquire('a', none), "end 1 too_late") << "and no connect is started";
        p.acquire();
        EXPECT_EQ(p.acquire('a', none), "end 3 full");
        p.connected(1);
        p.give_back(1);
        EXPECT_EQ(p.acquire('a', none), "lend a1 to 4");
        EXPECT_EQ(p.counts().wait_timeouts, 2u);
    }
}

TEST(pool_engine, a_return_at_the_last_moment_still_serves) {
    script p = pool_with_in_use({.max_per_target = 1}, 1);
    p.acquire('a', 10ms);
    p.now += 10ms;
    EXPECT_EQ(p.give_back(1), "lend a1 to 2") << "told before it was asked for the time";
}

TEST(pool_engine, a_limit_that_is_never_never_ends) {
    script p = pool_with_in_use({.max_per_target = 1}, 1);
    p.acquire('a', never);
    p.acquire('a', never - 1ns);
    EXPECT_EQ(p.wakes(), never);
    EXPECT_EQ(p.at(24h * 365), "");
}

TEST(pool_engine, nobody_has_waited_for_less_than_no_time) {
    script p = pool_with_in_use({.max_per_target = 1}, 1);
    for (int i = 0; i != 2; ++i)  // by another thread, which has read the clock later
        p.waiters.push_back(p.core.on_acquire(p.target_of('a'), p.now + 1ms, p.now + 1h));
    EXPECT_EQ(p.give_back(1), "lend a1 to 2");
    EXPECT_EQ(p.lent.waited, 0ms);
    EXPECT_EQ(p.close(), "end 3 closed");
    EXPECT_EQ(p.ended.waited, 0ms);
}

// --- Cancelling ---

TEST(pool_engine, a_wait_that_is_cancelled_is_passed_over) {
    script p = pool_with_in_use({.max_per_target = 1}, 1);
    p.acquire('a', 50ms);
    p.acquire();
    EXPECT_EQ(p.cancel(2), "");
    EXPECT_EQ(p.counts().cancelled, 1u);
    EXPECT_EQ(p.wakes(), never);
    EXPECT_EQ(p.give_back(1), "lend a1 to 3");
    EXPECT_EQ(p.cancel(2), "too late ") << "twice";
    EXPECT_EQ(p.counts().cancelled, 1u);
}

TEST(pool_engine, the_connect_of_a_wait_that_is_cancelled_goes_on_for_the_next) {
    script p;
    p.acquire();
    p.cancel(1);
    EXPECT_EQ(p.acquire(), "") << "one is under way";
    EXPECT_EQ(p.connected(1), "lend a1 to 2");
    p.acquire();
    p.cancel(3);
    EXPECT_EQ(p.connected(2), "");
    EXPECT_EQ(p.counts().idle, 1u);
}

TEST(pool_engine, cancelled_before_a_step_was_asked_for_nothing_is_opened) {
    script p;
    const waiter_id w = p.core.on_acquire(p.target_of('a'), p.now, time_point::max());
    EXPECT_TRUE(p.core.on_cancelled(w, p.now));
    EXPECT_EQ(p.then(), "");
}

TEST(pool_engine, it_is_too_late_to_cancel_what_was_served_or_has_ended) {
    script p;
    p.acquire();
    p.connected(1);
    EXPECT_EQ(p.cancel(1), "too late ");
    p.acquire('b');
    p.failed(2);
    EXPECT_EQ(p.cancel(2), "too late ");
    p.acquire('b');
    p.core.on_connect_failed(p.id(3), p.now, 0);
    EXPECT_EQ(p.cancel(3), "too late end 3 connect_failed") << "its end is about to be told";
    EXPECT_EQ(p.counts('b').cancelled, 0u);
}

TEST(pool_engine, the_place_of_who_waited_is_used_again_when_its_end_has_been_told) {
    script p;
    p.acquire();
    p.core.on_connect_failed(p.id(1), p.now, 0);
    p.waiters.push_back(p.core.on_acquire(p.target_of('b'), p.now, time_point::max()));
    EXPECT_NE(static_cast<slot>(p.waiters[0]), static_cast<slot>(p.waiters[1]));
    EXPECT_EQ(p.then(), "end 1 connect_failed, open b2");
    EXPECT_EQ(p.acquire(), "open a3");
    EXPECT_EQ(static_cast<slot>(p.waiters[2]), static_cast<slot>(p.waiters[0]));
    p.core.on_close(p.now);
    EXPECT_FALSE(p.core.on_cancelled(p.waiters[1], p.now));
    p.core.on_close(p.now);
    EXPECT_EQ(p.then(), "end 3 closed, end 2 closed, cancel b2, cancel a3") << "each end is told once";
}

// --- Returned, taken ---

TEST(pool_engine, one_that_is_not_to_be_used_again_is_closed) {
    script p = pool_with_in_use({}, 1);
    EXPECT_EQ(p.give_back(1, false), "close a1 discarded");
    EXPECT_EQ(p.core.size(), 0u);
    EXPECT_EQ(p.core.in_use(), 0u);
}

TEST(pool_engine, a_loan_ends_once) {
    script p = pool_with_in_use({.max_per_target = 1}, 1);
    p.give_back(1);
    EXPECT_EQ(p.give_back(1), "") << "it is idle";
    EXPECT_EQ(p.give_back(1, false), "");
    p.acquire();
    EXPECT_EQ(p.give_back(1, 1, true), "") << "lent to another";
    EXPECT_EQ(p.give_back(1, 1, false), "");
    EXPECT_EQ(p.take(1, 1), "");
    EXPECT_EQ(p.counts().in_use, 1u);
    EXPECT_EQ(p.acquire('a', 0ms), "end 3 full");
}

TEST(pool_engine, what_is_taken_is_gone_without_being_closed) {
    script p = pool_with_in_use({.max_per_target = 1}, 1);
    p.acquire();
    EXPECT_EQ(p.take(1), "open a2");
    EXPECT_EQ(p.give_back(1), "");
    EXPECT_EQ(p.take(1), "");
    EXPECT_EQ(p.counts().closed, pool_counts{}.closed);
    EXPECT_EQ(p.counts().in_use, 0u);
    EXPECT_EQ(p.core.in_use(), 0u);
    EXPECT_EQ(p.core.size(), 1u);
}

}  // namespace
}  // namespace dial::pooling
