// Which connections are fit to be lent: checks, what an idle one has to say, addresses that are gone.
#include <pool/engine.hpp>
#include <support/pool_script.hpp>

#include <gtest/gtest.h>

#include <string>

namespace dial::pooling {
namespace {

using namespace std::chrono_literals;
using script = test::pool_script;
using test::pool_with_idle;

// --- Checks ---

TEST(pool_engine_checks, one_that_was_idle_for_so_long_is_checked_before_it_is_lent) {
    script p = pool_with_idle({.max_per_target = 1, .check_after = 100ms}, 1);
    p.at(100ms - 1ns);
    EXPECT_EQ(p.acquire(), "lend a1 to 1");
    p.give_back(1);
    p.at(200ms - 1ns);
    EXPECT_EQ(p.acquire(), "check a1");
    EXPECT_EQ(p.counts().checking, 1u);
    EXPECT_EQ(p.at(210ms), "");
    EXPECT_EQ(p.checked(1), "lend a1 to 2");
    EXPECT_EQ(p.counts().checking, 0u);
}

TEST(pool_engine_checks, if_the_check_fails_another_is_opened) {
    script p = pool_with_idle({.check_after = 100ms}, 1);
    p.at(100ms);
    EXPECT_EQ(p.acquire(), "check a1") << "and no connect meanwhile";
    EXPECT_EQ(p.checked(1, false), "close a1 check_failed, open a2");
    EXPECT_EQ(p.counts().dead(), 1u);
}

TEST(pool_engine_checks, or_the_next_idle_one_is_checked) {
    script p = pool_with_idle({.check_after = 100ms}, 2);
    p.at(1s);
    EXPECT_EQ(p.acquire(), "check a2");
    EXPECT_EQ(p.checked(2, false), "close a2 check_failed, check a1");
    EXPECT_EQ(p.checked(1), "lend a1 to 1");
}

TEST(pool_engine_checks, a_connection_under_check_is_not_lent) {
    script p = pool_with_idle({.max_per_target = 1, .check_after = 100ms}, 1);
    p.at(100ms);
    p.acquire();
    EXPECT_EQ(p.acquire(), "");
    EXPECT_EQ(p.readable(1), "") << "the check reads from it";
    EXPECT_EQ(p.checked(1), "lend a1 to 1");
    EXPECT_EQ(p.give_back(1), "lend a1 to 2");
}

TEST(pool_engine_checks, as_many_are_checked_as_wait) {
    script p = pool_with_idle({.check_after = 100ms}, 3);
    p.at(1s);
    EXPECT_EQ(p.acquire_each("aa"), "check a3, check a2");
    EXPECT_EQ(p.checked(2), "lend a2 to 1");
    EXPECT_EQ(p.checked(3), "lend a3 to 2");
}

TEST(pool_engine_checks, a_return_overtakes_a_check) {
    script p = pool_with_idle({.check_after = 100ms}, 2);
    p.acquire();
    p.at(1s);
    EXPECT_EQ(p.acquire(), "check a1");
    EXPECT_EQ(p.give_back(2), "lend a2 to 2");
    EXPECT_EQ(p.checked(1), "");
    EXPECT_EQ(p.counts().idle, 1u);
    EXPECT_EQ(p.acquire(), "lend a1 to 3") << "it was checked just now";
}

TEST(pool_engine_checks, a_check_whose_wait_was_cancelled_serves_the_next) {
    script p = pool_with_idle({.check_after = 100ms}, 1);
    p.at(1s);
    p.acquire();
    p.cancel(1);
    EXPECT_EQ(p.acquire(), "") << "one is on its way";
    EXPECT_EQ(p.checked(1), "lend a1 to 2");
}

TEST(pool_engine_checks, checks_before_each_use_are_made_once_for_each) {
    for (const bool inspected : {false, true}) {
        const std::string look = inspected ? "inspect a1, " : "";
        script p{{.max_per_target = 1, .check_after = 0ms, .inspect = inspected}};
        p.acquire();
        p.now += 1ms;
        EXPECT_EQ(p.connected(1), look + "lend a1 to 1") << "new";
        EXPECT_EQ(p.give_back(1), "");
        p.now += 1ms;
        EXPECT_EQ(p.acquire(), look + "check a1");
        p.core.on_checked(p.id(1), true, p.now);
        p.now += 1ms;
        EXPECT_EQ(p.then(), look + "lend a1 to 2");
        p.acquire();
        p.now += 1ms;
        EXPECT_EQ(p.give_back(1), look + "check a1") << "it has been used since";
        EXPECT_EQ(p.checked(1), look + "lend a1 to 3");
    }
}

TEST(pool_engine_checks, one_is_checked_though_a_connect_is_under_way) {
    script p{{.check_after = 0ms}};
    p.acquire();
    p.acquire();
    p.at(1ms);
    p.connected(1);
    p.at(2ms);
    EXPECT_EQ(p.acquire(), "open a3");
    EXPECT_EQ(p.give_back(1), "check a1") << "it has been used since it was new, and who is faster";
    EXPECT_EQ(p.connected(2), "lend a2 to 2");
    EXPECT_EQ(p.checked(1), "lend a1 to 3");
    EXPECT_EQ(p.connected(3), "");
}

TEST(pool_engine_checks, one_that_passes_its_check_too_late_to_stay_idle_still_serves_who_waits) {
    script p = pool_with_idle({.idle_timeout = 200ms, .check_after = 100ms}, 1);
    p.at(199ms);
    EXPECT_EQ(p.acquire(), "check a1");
    p.at(250ms);
    EXPECT_EQ(p.checked(1), "lend a1 to 1");
    script q = pool_with_idle({.max_lifetime = 200ms, .check_after = 100ms}, 1);
    q.at(199ms);
    EXPECT_EQ(q.acquire(), "check a1");
    q.at(250ms);
    EXPECT_EQ(q.checked(1), "close a1 max_lifetime, open a2") << "but not beyond its life";
}

TEST(pool_engine_checks, idle_ones_are_checked_as_often_to_keep_them_alive) {
    script p = pool_with_idle({.keep_alive = 100ms}, 1);
    EXPECT_EQ(p.wakes(), 100ms);
    EXPECT_EQ(p.at(100ms), "check a1");
    EXPECT_EQ(p.wakes(), never);
    p.at(120ms);
    EXPECT_EQ(p.checked(1), "");
    EXPECT_EQ(p.wakes(), 220ms);
    EXPECT_EQ(p.at(220ms), "check a1");
    EXPECT_EQ(p.checked(1, false), "close a1 check_failed");
}

TEST(pool_engine_checks, to_be_kept_alive_does_not_prolong_the_time_to_be_idle) {
    script p = pool_with_idle({.idle_timeout = 250ms, .keep_alive = 100ms}, 1);
    p.at(100ms);
    p.checked(1);
    p.at(200ms);
    p.checked(1);
    EXPECT_EQ(p.wakes(), 250ms);
    EXPECT_EQ(p.at(250ms), "close a1 idle_timeout");
    script q = pool_with_idle({.idle_timeout = 150ms, .keep_alive = 100ms}, 1);
    q.at(100ms);
    q.at(160ms);
    EXPECT_EQ(q.checked(1), "close a1 idle_timeout") << "nor does a check that takes so long";
}

TEST(pool_engine_checks, nor_does_it_make_the_connection_the_newest) {
    script p = pool_with_idle({.keep_alive = 100ms}, 2);
    EXPECT_EQ(p.at(100ms), "check a1");
    p.checked(1);
    EXPECT_EQ(p.acquire(), "lend a2 to 1");
    script q = pool_with_idle({.keep_alive = 100ms}, 3);
    q.at(110ms);
    q.checked(2);
    q.checked(1);
    EXPECT_EQ(q.acquire_each("aaa"), "lend a3 to 1, lend a2 to 2, lend a1 to 3");
}

TEST(pool_engine_checks, one_that_was_checked_comes_back_to_its_place_between_the_others) {
    script p = pool_with_idle({.keep_alive = 100ms}, 4);
    p.at(110ms);
    p.checked(1);
    EXPECT_EQ(p.checked(2), "");
    EXPECT_EQ(p.acquire_each("aaaa"), "lend a4 to 1, lend a3 to 2, lend a2 to 3, lend a1 to 4");
    script q = pool_with_idle({.keep_alive = 100ms}, 4);
    EXPECT_EQ(q.at(110ms), "check a1, check a2");
    q.checked(2);
    EXPECT_EQ(q.at(120ms), "check a3");
    q.checked(3);
    EXPECT_EQ(q.checked(1), "");
    EXPECT_EQ(q.acquire_each("aaaa"), "lend a4 to 1, lend a3 to 2, lend a2 to 3, lend a1 to 4");
}

TEST(pool_engine_checks, one_is_not_checked_too_early_since_it_was_to_be_closed) {
    script p = pool_with_idle({.max_per_target = 3, .min_idle = 2, .idle_timeout = 150ms, .keep_alive = 100ms}, 3);
    EXPECT_EQ(p.at(120ms), "check a1, check a2, check a3");
    for (const std::size_t c : {1u, 2u, 3u}) p.checked(c);
    EXPECT_EQ(p.at(150ms), "close a1 idle_timeout");
    EXPECT_EQ(p.at(170ms), "") << "when a3 would have been closed";
    EXPECT_EQ(p.wakes(), 220ms);
}

TEST(pool_engine_checks, a_check_to_keep_it_alive_is_for_nobody_though_the_last_one_was) {
    script p = pool_with_idle({.check_after = 100ms, .keep_alive = 300ms}, 1);
    p.at(100ms);
    EXPECT_EQ(p.acquire(), "check a1");
    p.cancel(1);
    p.checked(1);
    EXPECT_EQ(p.at(400ms), "check a1");
    EXPECT_EQ(p.acquire(), "open a2");
    EXPECT_EQ(p.checked(1), "lend a1 to 2");
    EXPECT_EQ(p.acquire_each("aa"), "open a3") << "a2 is on its way";
}

TEST(pool_engine_checks, one_that_is_kept_alive_needs_no_check_so_soon) {
    script p = pool_with_idle({.check_after = 100ms, .keep_alive = 150ms}, 1);
    EXPECT_EQ(p.at(150ms), "check a1");
    p.checked(1);
    p.at(200ms);
    EXPECT_EQ(p.acquire(), "lend a1 to 1");
}

TEST(pool_engine_checks, who_waits_gets_a_connect_meanwhile_or_the_one_that_is_kept_alive_if_it_is_faster) {
    script p = pool_with_idle({.keep_alive = 100ms}, 1);
    p.at(100ms);
    EXPECT_EQ(p.acquire(), "open a2");
    EXPECT_EQ(p.checked(1), "lend a1 to 1");
}

TEST(pool_engine_checks, one_that_is_being_kept_alive_is_one_that_is_kept_ready) {
    script p{{.min_idle = 1, .keep_alive = 100ms}};
    p.warm_up('a');
    p.connected(1);
    EXPECT_EQ(p.at(100ms), "check a1") << "and no other is opened";
    EXPECT_EQ(p.checked(1, false), "close a1 check_failed, open a2");
}

TEST(pool_engine_checks, one_that_is_checked_for_who_waits_is_not) {
    script p{{.min_idle = 1, .check_after = 100ms}};
    p.warm_up('a');
    p.connected(1);
    p.at(1s);
    EXPECT_EQ(p.acquire(), "check a1, open a2") << "the one that is checked will be in use, another is to be ready";
    p.cancel(1);
    EXPECT_EQ(p.checked(1), "");
    EXPECT_EQ(p.connected(2), "");
    EXPECT_EQ(p.counts().idle, 2u);
}

// --- What an idle connection has to say ---

TEST(pool_engine_checks, one_that_has_something_to_read_while_it_is_idle_is_looked_at) {
    script p = pool_with_idle({}, 2);
    EXPECT_EQ(p.readable(1), "inspect a1") << "it is alive: a false alarm";
    EXPECT_EQ(p.acquire_each("aa"), "lend a2 to 1, lend a1 to 2") << "and keeps its place";
    p.give_back(1);
    p.dead = {1};
    EXPECT_EQ(p.readable(1), "inspect a1, close a1 dead");
    EXPECT_EQ(p.counts().dead(), 1u);
}

TEST(pool_engine_checks, a_connection_that_has_something_to_say_is_looked_at_before_it_is_lent) {
    script p = pool_with_idle({.max_per_target = 1}, 1);
    p.dead = {1};
    p.core.on_readable(p.id(1));
    EXPECT_EQ(p.acquire(), "inspect a1, close a1 dead, open a2");
}

TEST(pool_engine_checks, what_is_told_of_one_in_use_is_looked_at_when_it_comes_back) {
    script p{{.max_per_target = 1}};
    p.acquire();
    p.acquire();
    p.connected(1);
    EXPECT_EQ(p.readable(1), "") << "its user reads";
    p.dead = {1};
    EXPECT_EQ(p.give_back(1), "inspect a1, close a1 dead, open a2");
    p.connected(2);
    p.readable(2);
    EXPECT_EQ(p.give_back(2), "inspect a2");
    p.acquire();
    EXPECT_EQ(p.give_back(2), "") << "once";
}

TEST(pool_engine_checks, what_is_told_twice_does_no_harm) {
    script p = pool_with_idle({}, 1);
    p.dead = {1};
    p.core.on_readable(p.id(1));
    p.core.on_readable(p.id(1));
    EXPECT_EQ(p.then(), "inspect a1, close a1 dead");
}

TEST(pool_engine_checks, when_a_used_one_is_discarded_the_idle_ones_are_looked_at) {
    script p = pool_with_idle({}, 3);
    EXPECT_EQ(p.acquire(), "lend a3 to 1");
    p.dead = {1, 2};
    EXPECT_EQ(p.give_back(3, false), "close a3 discarded, inspect a2, inspect a1, close a2 dead, close a1 dead");
    EXPECT_EQ(p.acquire(), "open a4") << "not one that died with it";
}

TEST(pool_engine_checks, a_new_one_that_is_discarded_says_nothing_of_the_others) {
    script p = pool_with_idle({}, 1);
    p.acquire();
    p.acquire();
    p.connected(2);
    p.give_back(1);
    EXPECT_EQ(p.give_back(2, false), "close a2 discarded");
}

TEST(pool_engine_checks, idle_ones_that_nobody_watches_are_looked_at_before_they_are_lent) {
    script p = pool_with_idle({.inspect = true}, 3);
    EXPECT_EQ(p.acquire(), "inspect a3, lend a3 to 1");
    p.dead = {2};
    EXPECT_EQ(p.acquire(), "inspect a2, close a2 dead, inspect a1, lend a1 to 2");
    p.give_back(1);
    p.dead = {1};
    EXPECT_EQ(p.acquire(), "inspect a1, close a1 dead, open a4");
}

TEST(pool_engine_checks, what_an_inspection_found_counts_for_who_waited_then) {
    script p = pool_with_idle({.inspect = true}, 1);
    p.acquire();  // lent
    p.give_back(1);
    p.at(1ms);
    p.waiters.push_back(p.core.on_acquire(p.target_of('a'), p.now, time_point::max()));
    EXPECT_EQ(p.step(), "inspect a1");
    p.core.on_cancelled(p.waiters.back(), p.now);
    EXPECT_EQ(p.then(), "");
    p.at(1h);
    p.dead = {1};
    EXPECT_EQ(p.acquire(), "inspect a1, close a1 dead, open a2") << "much has happened since";
}

// --- The address ---

TEST(pool_engine_checks, a_connection_whose_address_is_gone_is_not_used_again) {
    script p = pool_with_idle({.check_after = 100ms}, 3);
    EXPECT_EQ(p.address_gone(1), "close a1 address_gone");
    p.acquire();
    EXPECT_EQ(p.address_gone(3), "") << "in use";
    p.at(1s);
    EXPECT_EQ(p.acquire(), "check a2");
    EXPECT_EQ(p.address_gone(2), "");
    EXPECT_EQ(p.checked(2), "close a2 address_gone, open a4") << "though it is alive";
    EXPECT_EQ(p.address_gone(4), "") << "not connected yet";
    EXPECT_EQ(p.connected(4), "lend a4 to 2");
    EXPECT_EQ(p.give_back(3), "close a3 address_gone");
    EXPECT_EQ(p.give_back(4), "");
}

TEST(pool_engine_checks, a_reset_closes_what_is_under_check_and_the_first_reason_counts) {
    script p = pool_with_idle({.check_after = 100ms}, 2);
    p.at(1s);
    p.acquire();
    EXPECT_EQ(p.reset(), "close a1 reset");
    p.address_gone(2);
    EXPECT_EQ(p.checked(2), "close a2 reset, open a3");
    p.connected(3);
    p.address_gone(3);
    p.reset();
    EXPECT_EQ(p.give_back(3), "close a3 address_gone");
}

TEST(pool_engine_checks, close_closes_what_is_under_check) {
    script p = pool_with_idle({.check_after = 100ms}, 1);
    p.at(1s);
    p.acquire();
    EXPECT_EQ(p.close(), "end 1 closed, close a1 pool_closed");
    EXPECT_EQ(p.checked(1), "");
    EXPECT_EQ(p.core.size(), 0u);
}

TEST(pool_engine_checks, a_closed_pool_wakes_up_for_nothing) {
    script p{{.min_idle = 1}};
    p.warm_up('a');
    p.failed(1);
    p.close();
    EXPECT_EQ(p.at(1h), "");
    EXPECT_EQ(p.wakes(), never);
}

}  // namespace
}  // namespace dial::pooling
