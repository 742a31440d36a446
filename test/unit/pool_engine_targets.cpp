// Targets that share a pool; what ends all connections of one, or of all; what is forgotten.
#include <pool/engine.hpp>
#include <support/pool_script.hpp>

#include <gtest/gtest.h>

#include <vector>

namespace dial::pooling {
namespace {

using namespace std::chrono_literals;
using script = test::pool_script;
using test::pool_with_idle;
using test::pool_with_in_use;

// --- Targets that share the places of the pool ---

TEST(pool_engine_targets, no_more_than_the_limit_in_all) {
    script p{{.max_total = 2}};
    EXPECT_EQ(p.acquire_each("abc"), "open a1, open b2");
    p.connected(1);
    EXPECT_EQ(p.wakes(), never);
    EXPECT_EQ(p.take(1), "open c3") << "what is taken has no place any more";
}

TEST(pool_engine_targets, targets_take_turns) {
    script p{{.max_total = 3}};
    std::vector<waiter_id>& waiters = p.waiters;
    for (const char t : {'a', 'a', 'a', 'b', 'c'})
        waiters.push_back(p.core.on_acquire(p.target_of(t), p.now, time_point::max()));
    EXPECT_EQ(p.then(), "open a1, open b2, open c3");
}

TEST(pool_engine_targets, the_next_place_goes_to_the_target_that_has_waited_longest_for_one) {
    script p{{.max_total = 1}};
    p.acquire('a');
    p.connected(1);
    p.acquire('a');
    p.acquire('b');
    EXPECT_EQ(p.give_back(1, false), "close a1 discarded, open b2") << "a has something while it waits, b has not";
    p.acquire('b');
    p.acquire('c');
    p.connected(2);
    EXPECT_EQ(p.give_back(2, false), "close b2 discarded, open a3");
    p.connected(3);
    EXPECT_EQ(p.give_back(3, false), "close a3 discarded, open c4");
    p.connected(4);
    EXPECT_EQ(p.give_back(4, false), "close c4 discarded, open b5");
}

TEST(pool_engine_targets, a_target_with_nothing_goes_before_one_that_wants_more) {
    script p{{.max_total = 2}};
    EXPECT_EQ(p.acquire_each("caa"), "open c1, open a2");
    p.connected(1);
    EXPECT_EQ(p.acquire('b'), "");
    EXPECT_EQ(p.give_back(1, false), "close c1 discarded, open b3") << "though a has waited for its second for longer";
}

TEST(pool_engine_targets, an_idle_one_of_another_target_makes_room_the_least_recently_used_first) {
    script p{{.max_total = 3}};
    for (const char t : {'a', 'b', 'c'}) p.acquire(t);
    for (const std::size_t c : {1u, 2u, 3u}) p.connected(c);
    p.at(1ms);
    p.give_back(2);
    p.at(2ms);
    p.give_back(1);
    EXPECT_EQ(p.acquire('d'), "close b2 evicted, open d4");
    EXPECT_EQ(p.acquire('b'), "close a1 evicted, open b5");
    EXPECT_EQ(p.acquire('a'), "");
    EXPECT_EQ(p.give_back(3), "close c3 evicted, open a6") << "as soon as one is idle";
}

TEST(pool_engine_targets, nothing_is_evicted_before_its_own_target_is_served) {
    script p = pool_with_in_use({.max_total = 1}, 1);
    p.acquire('b');
    p.acquire('a');
    EXPECT_EQ(p.give_back(1), "lend a1 to 3");
    EXPECT_EQ(p.give_back(1), "close a1 evicted, open b2");
}

TEST(pool_engine_targets, a_place_made_by_eviction_is_not_taken_by_another_target) {
    script p{{.max_total = 2}};
    p.acquire('a');
    p.acquire('b');
    p.connected(1);
    p.connected(2);
    p.acquire('c');
    p.acquire('d');
    p.core.on_returned(p.id(1), p.loan(1), true, p.now);
    p.core.on_returned(p.id(2), p.loan(2), true, p.now);
    EXPECT_EQ(p.then(), "close a1 evicted, open c3, close b2 evicted, open d4");
}

TEST(pool_engine_targets, a_target_with_nothing_takes_the_newest_connect_of_one_that_has_more) {
    script p{{.max_total = 3}};
    for (int i = 0; i != 3; ++i) p.acquire('a');
    EXPECT_EQ(p.acquire('b'), "cancel a3, open b4");
    EXPECT_EQ(p.counts('a').connecting, 2u);
    EXPECT_EQ(p.acquire('c'), "cancel a2, open c5");
    EXPECT_EQ(p.acquire('d'), "") << "each has just one";
    EXPECT_EQ(p.acquire('b'), "") << "who has one takes none";
    EXPECT_EQ(p.connected(3), "unwanted ");
    EXPECT_EQ(p.connected(1), "lend a1 to 1");
    EXPECT_EQ(p.counts('a').waiting, 2u);
}

TEST(pool_engine_targets, a_connect_is_not_taken_for_an_idle_one_can_go) {
    script p{{.max_total = 3}};
    p.acquire('c');
    p.connected(1);
    p.acquire('a');
    p.acquire('a');
    p.give_back(1);
    EXPECT_EQ(p.acquire('b'), "close c1 evicted, open b4");
}

TEST(pool_engine_targets, who_frees_places_does_not_take_them_before_a_target_with_nothing) {
    script p{{.max_total = 2}};
    p.acquire('a');
    p.acquire('a');
    p.connected(1);
    p.connected(2);
    p.acquire('a');
    p.acquire('a');
    p.acquire('b');
    p.core.on_returned(p.id(1), p.loan(1), false, p.now);
    p.core.on_returned(p.id(2), p.loan(2), false, p.now);
    EXPECT_EQ(p.then(), "close a1 discarded, close a2 discarded, open b3, open a4");
}

TEST(pool_engine_targets, who_goes_first_has_had_its_turn) {
    script p = pool_with_in_use({.max_total = 3}, 3);
    p.acquire_each("bb");
    for (const char t : {'b', 'c'}) p.core.on_acquire(p.target_of(t), p.now, time_point::max());
    for (const std::size_t c : {1u, 2u, 3u}) p.core.on_returned(p.id(c), p.loan(c), false, p.now);
    EXPECT_EQ(p.then(), "close a1 discarded, close a2 discarded, close a3 discarded, open b4, open c5, open b6");
}

TEST(pool_engine_targets, who_gives_up_waiting_for_a_place_holds_up_nobody) {
    script p{{.max_total = 1}};
    p.acquire('a');
    p.connected(1);
    p.acquire('b');
    p.acquire('c');
    p.cancel(2);
    EXPECT_EQ(p.give_back(1, false), "close a1 discarded, open c2");
}

// --- Reset, closed, forgotten ---

TEST(pool_engine_targets, a_reset_closes_what_is_idle_now_and_what_is_in_use_when_it_comes_back) {
    script p = pool_with_in_use({}, 2);
    p.give_back(1);
    p.acquire('b');
    p.connected(3);
    EXPECT_EQ(p.reset(), "close a1 reset");
    EXPECT_EQ(p.core.size(), 2u);
    EXPECT_EQ(p.give_back(2), "close a2 reset");
    EXPECT_EQ(p.give_back(3), "") << "of another target";
}

TEST(pool_engine_targets, a_reset_starts_connects_anew) {
    script p{{.max_per_target = 2}};
    p.acquire();
    p.acquire();
    p.acquire();
    EXPECT_EQ(p.reset(), "cancel a1, cancel a2, open a3, open a4");
    EXPECT_EQ(p.connected(1), "unwanted ");
    EXPECT_EQ(p.failed(2), "");
    EXPECT_EQ(p.connected(3), "lend a3 to 1");
}

TEST(pool_engine_targets, close_ends_all_waits_and_all_that_is_not_in_use) {
    script p = pool_with_idle({.max_per_target = 3}, 2);
    p.acquire();
    p.acquire();
    p.acquire();
    p.acquire();
    p.give_back(1);
    p.connected(3);
    p.acquire();
    EXPECT_FALSE(p.core.closed());
    EXPECT_EQ(p.close(), "end 5 closed");
    EXPECT_TRUE(p.core.closed());
    EXPECT_EQ(p.core.in_use(), 3u);
    EXPECT_EQ(p.give_back(1), "close a1 pool_closed");
    EXPECT_EQ(p.give_back(2, false), "close a2 pool_closed");
    EXPECT_EQ(p.take(3), "");
    EXPECT_EQ(p.core.size(), 0u);
    EXPECT_EQ(p.close(), "");
    EXPECT_EQ(p.wakes(), never);
}

TEST(pool_engine_targets, close_closes_idle_ones_and_cancels_connects) {
    script p = pool_with_idle({}, 2);
    p.acquire_each("bb");
    EXPECT_EQ(
        p.close(), "end 1 closed, end 2 closed, close a1 pool_closed, close a2 pool_closed, cancel b3, cancel b4");
    EXPECT_EQ(p.connected(3), "unwanted ");
    EXPECT_EQ(p.core.size(), 0u);
    EXPECT_EQ(p.counts('a').closed_for(close_reason::pool_closed), 2u);
    EXPECT_EQ(p.counts('b').closed_for(close_reason::pool_closed), 0u);
}

TEST(pool_engine_targets, who_asks_a_closed_pool_gets_nothing_and_nothing_is_opened) {
    script p{{.min_idle = 1}};
    EXPECT_EQ(p.close(), "");
    p.at(10ms);
    EXPECT_EQ(p.acquire(), "end 1 closed");
    EXPECT_EQ(p.ended.waited, 0ms);
    EXPECT_EQ(p.warm_up('a'), "");
    EXPECT_EQ(p.cancel(1), "too late ");
}

TEST(pool_engine_targets, targets_nobody_uses_are_forgotten_the_one_that_was_used_least_recently_first) {
    script p{{.remembered = 1}};
    for (const char t : {'a', 'b', 'c'}) {
        p.target_of(t);
        p.acquire(t);
    }
    for (const std::size_t c : {1u, 2u, 3u}) p.connected(c);
    EXPECT_EQ(p.give_back(2, false), "close b2 discarded");
    EXPECT_EQ(p.give_back(1, false), "close a1 discarded, forget b") << "c is in use";
    EXPECT_EQ(p.core.forgotten().acquired, 1u);
    EXPECT_EQ(p.core.forgotten().closed_for(close_reason::discarded), 1u);
    EXPECT_EQ(p.give_back(3), "") << "idle: not unused";
    EXPECT_EQ(p.reset('c'), "close c3 reset, forget a");
    EXPECT_EQ(p.core.forgotten().acquired, 2u);
    EXPECT_EQ(p.core.forgotten().opened, 2u);
}

TEST(pool_engine_targets, nobody_is_forgotten_who_waits_or_is_kept_ready) {
    script p{{.max_per_target = 1, .remembered = 0}};
    EXPECT_EQ(p.acquire('a'), "open a1");
    EXPECT_EQ(p.failed(1), "end 1 connect_failed, forget a");
    EXPECT_EQ(p.core.forgotten().open_failed, 1u);
    script q{{.min_idle = 1, .remembered = 0}};
    EXPECT_EQ(q.warm_up('a'), "open a1");
    EXPECT_EQ(q.failed(1), "") << "it is tried again";
}

TEST(pool_engine_targets, who_is_forgotten_waits_for_no_place_and_no_time) {
    script p{{.max_total = 1, .remembered = 0}};
    p.acquire('a');
    p.connected(1);
    p.acquire('b');
    EXPECT_EQ(p.cancel(2), "forget b");
    p.acquire_each("cd");
    EXPECT_EQ(p.give_back(1, false), "close a1 discarded, open c2, forget a");
    p.connected(2);
    EXPECT_EQ(p.give_back(2, false), "close c2 discarded, open d3, forget c");
    script q{{.min_idle = 1, .remembered = 0}};
    q.warm_up('a');
    q.failed(1);
    q.close();
    EXPECT_EQ(q.acquire(), "end 1 closed, forget a");
    EXPECT_EQ(q.at(1h), "");
}

TEST(pool_engine_targets, what_comes_too_late_does_nothing) {
    script p;
    p.acquire();
    p.connected(1);
    p.give_back(1, false);
    EXPECT_EQ(p.connected(1), "unwanted ");
    EXPECT_EQ(p.failed(1) + p.give_back(1) + p.give_back(1, false) + p.take(1) + p.readable(1) + p.checked(1) +
            p.checked(1, false) + p.address_gone(1),
        "");
    p.core.on_inspected(p.id(1), false, p.now);
    p.core.on_warm_up(12345, p.now);
    p.core.on_reset(12345, p.now);
    EXPECT_EQ(p.then(), "");
    EXPECT_EQ(p.acquire(), "open a2") << "the same place";
    EXPECT_EQ(p.connected(1), "unwanted ");
    EXPECT_EQ(p.failed(1) + p.address_gone(1), "");
    EXPECT_EQ(p.connected(2), "lend a2 to 2");
    EXPECT_EQ(p.failed(2), "") << "it is connected";
    EXPECT_EQ(p.connected(2), "unwanted ");
}

TEST(pool_engine_targets, shows_every_connection_of_a_target_that_is_open) {
    script p = pool_with_idle({}, 2);
    p.acquire();
    p.acquire('b');
    p.connected(3);
    p.acquire();
    p.acquire();
    std::vector<connection_id> seen;
    p.core.each_open(p.target_of('a'), [&](connection_id c) { seen.push_back(c); });
    EXPECT_EQ(seen, (std::vector<connection_id>{p.id(1), p.id(2)})) << "not the one that is being opened";
}

TEST(pool_engine_targets, counts_what_there_is) {
    script p = pool_with_in_use({.max_per_target = 3, .keep_alive = 10ms}, 2);
    p.acquire();
    p.acquire();
    EXPECT_EQ(p.counts().in_use, 2u);
    EXPECT_EQ(p.counts().connecting, 1u);
    EXPECT_EQ(p.counts().waiting, 2u);
    p.cancel(3);
    p.cancel(4);
    p.give_back(1);
    p.give_back(2);
    EXPECT_EQ(p.at(10ms), "check a1, check a2");
    p.checked(1);
    EXPECT_EQ(p.counts().checking, 1u);
    EXPECT_EQ(p.counts().idle, 1u);
    EXPECT_EQ(p.core.size(), 3u);
    EXPECT_EQ(p.counts().waits.count(), 2u);
}

}  // namespace
}  // namespace dial::pooling
