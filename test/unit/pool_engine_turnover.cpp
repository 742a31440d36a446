// Which connections a pool keeps, and for how long: idle ones, lifetimes, those that are opened ahead.
#include <pool/engine.hpp>
#include <support/pool_script.hpp>

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace dial::pooling {
namespace {

using namespace std::chrono_literals;
using script = test::pool_script;
using test::pool_with_idle;

TEST(pool_engine_turnover, a_connect_that_is_given_up_is_counted) {
    script p;
    p.acquire();
    EXPECT_EQ(p.reset(), "cancel a1, open a2");
    EXPECT_EQ(p.close(), "end 1 closed, cancel a2");
    EXPECT_EQ(p.counts().given_up, 2u);
    EXPECT_EQ(p.counts().opened + p.counts().open_failed, 0u);
}

// --- Idle ones ---

TEST(pool_engine_turnover, an_idle_connection_is_closed_so_long_after_its_return) {
    script p = pool_with_idle({.idle_timeout = 100ms}, 3);
    EXPECT_EQ(p.wakes(), 100ms);
    EXPECT_EQ(p.at(100ms - 1ns), "");
    EXPECT_EQ(p.at(100ms), "close a1 idle_timeout");
    EXPECT_EQ(p.wakes(), 110ms) << "each on its own clock";
    EXPECT_EQ(p.acquire(), "lend a3 to 1");
    p.at(115ms);
    p.give_back(3);
    EXPECT_EQ(p.wakes(), 215ms) << "which starts again at each return";
    EXPECT_EQ(p.at(215ms), "close a3 idle_timeout");
    EXPECT_EQ(p.counts().expired(), 3u);
}

TEST(pool_engine_turnover, one_that_was_never_lent_is_idle_since_it_was_connected) {
    script p{{.idle_timeout = 100ms}};
    p.acquire();
    p.cancel(1);
    p.at(30ms);
    p.connected(1);
    EXPECT_EQ(p.wakes(), 130ms);
}

TEST(pool_engine_turnover, who_comes_when_it_is_due_gets_another) {
    script p = pool_with_idle({.idle_timeout = 100ms}, 1);
    p.at(100ms);
    EXPECT_EQ(p.acquire(), "open a2");
    script late = pool_with_idle({.idle_timeout = 100ms}, 2);
    late.now += 1h;
    EXPECT_EQ(late.acquire(), "close a2 idle_timeout, close a1 idle_timeout, open a3") << "nobody asked in time";
    script dead = pool_with_idle({.max_lifetime = 100ms}, 1);
    dead.now += 1h;
    EXPECT_EQ(dead.acquire(), "close a1 max_lifetime, open a2");
}

TEST(pool_engine_turnover, no_more_idle_ones_than_the_limit_the_least_recently_used_goes) {
    script p = pool_with_idle({.max_idle = 2}, 2);
    p.acquire();
    p.acquire();
    p.acquire();
    p.connected(3);
    p.give_back(3);
    p.give_back(2);
    EXPECT_EQ(p.give_back(1), "close a3 max_idle");
    EXPECT_EQ(p.counts().idle, 2u);
}

TEST(pool_engine_turnover, where_none_may_be_idle_each_is_used_once_unless_somebody_waits) {
    script p{{.max_per_target = 1, .min_idle = 1, .max_idle = 0}};
    p.acquire();
    p.acquire();
    p.connected(1);
    EXPECT_EQ(p.give_back(1), "lend a1 to 2");
    EXPECT_EQ(p.give_back(1), "close a1 max_idle");
}

// --- Those that are kept ready ---

TEST(pool_engine_turnover, idle_ones_are_opened_ahead_once_the_target_was_asked_for) {
    script p{{.min_idle = 2}};
    p.target_of('a');
    EXPECT_EQ(p.then(), "");
    EXPECT_EQ(p.acquire(), "open a1, open a2, open a3");
    EXPECT_EQ(p.connected(1), "lend a1 to 1");
    EXPECT_EQ(p.connected(2), "");
    EXPECT_EQ(p.connected(3), "");
    EXPECT_EQ(p.acquire(), "lend a3 to 2, open a4");
}

TEST(pool_engine_turnover, or_once_it_was_warmed_up) {
    script p{{.min_idle = 2}};
    EXPECT_EQ(p.warm_up('a'), "open a1, open a2");
    EXPECT_EQ(p.warm_up('a'), "");
    p.connected(1);
    EXPECT_EQ(p.acquire(), "lend a1 to 1, open a3");
    EXPECT_EQ(script{}.warm_up('a'), "") << "none are to be kept";
}

TEST(pool_engine_turnover, those_kept_ready_count_for_the_limits) {
    script p{{.max_per_target = 2, .min_idle = 5}};
    EXPECT_EQ(p.warm_up('a'), "open a1, open a2");
    script q{{.min_idle = 3, .max_idle = 1}};
    EXPECT_EQ(q.warm_up('a'), "open a1");
    script r{{.min_idle = 3, .max_connecting = 1}};
    EXPECT_EQ(r.warm_up('a'), "open a1");
    EXPECT_EQ(r.connected(1), "open a2");
    script s{{.max_total = 1, .min_idle = 1}};
    EXPECT_EQ(s.warm_up('a'), "open a1");
    EXPECT_EQ(s.warm_up('b'), "");
    s.connected(1);
    EXPECT_EQ(s.warm_up('b'), "") << "nothing is evicted for an idle one";
    EXPECT_EQ(s.acquire('b'), "close a1 evicted, open b2");
    s.connected(2);
    EXPECT_EQ(s.take(2), "open b3") << "as soon as there is a place: whose turn it is";
    EXPECT_EQ(s.failed(3), "open a4");
}

TEST(pool_engine_turnover, what_is_lost_is_opened_again) {
    script p{{.min_idle = 1, .max_lifetime = 100ms}};
    p.warm_up('a');
    p.connected(1);
    p.dead = {1};
    EXPECT_EQ(p.readable(1), "inspect a1, close a1 dead, open a2");
    EXPECT_EQ(p.reset(), "cancel a2, open a3");
    p.connected(3);
    EXPECT_EQ(p.reset(), "close a3 reset, open a4");
    p.connected(4);
    EXPECT_EQ(p.at(100ms), "close a4 max_lifetime, open a5");
}

TEST(pool_engine_turnover, those_kept_ready_are_not_closed_for_being_idle_the_others_are_the_oldest_first) {
    script p = pool_with_idle({.max_per_target = 4, .min_idle = 2, .idle_timeout = 100ms}, 4);
    EXPECT_EQ(p.core.size(), 4u);
    EXPECT_EQ(p.at(100ms), "close a1 idle_timeout");
    EXPECT_EQ(p.wakes(), 110ms);
    EXPECT_EQ(p.at(110ms), "close a2 idle_timeout");
    EXPECT_EQ(p.at(1h), "");
    EXPECT_EQ(p.wakes(), never);
    EXPECT_EQ(p.acquire(), "lend a4 to 1, open a5");
    p.connected(5);
    EXPECT_EQ(p.give_back(4), "close a3 idle_timeout") << "there are three now: the oldest is due for long";
}

TEST(pool_engine_turnover, the_oldest_of_those_that_are_left_is_due_when_older_ones_go_another_way) {
    script p = pool_with_idle({.max_per_target = 4, .min_idle = 2, .idle_timeout = 100ms, .oldest_first = true}, 4);
    EXPECT_EQ(p.acquire(), "lend a1 to 1");
    EXPECT_EQ(p.wakes(), 110ms);
    EXPECT_EQ(p.at(110ms), "close a2 idle_timeout");
    EXPECT_EQ(p.at(1h), "");
}

// --- Refills that fail ---

TEST(pool_engine_turnover, a_refill_that_fails_is_tried_again_later_twice_as_late_each_time) {
    script p{{.min_idle = 1, .refill_delay = 100ms, .max_refill_delay = 350ms}};
    p.warm_up('a');
    EXPECT_EQ(p.failed(1), "");
    EXPECT_EQ(p.wakes(), 50ms) << "chance 0: half of 100 ms";
    EXPECT_EQ(p.at(50ms), "open a2");
    EXPECT_EQ(p.failed(2, 0.5), "");
    EXPECT_EQ(p.wakes(), 200ms) << "three quarters of 200 ms";
    EXPECT_EQ(p.at(200ms - 1ns), "");
    EXPECT_EQ(p.at(200ms), "open a3");
    p.failed(3);
    EXPECT_EQ(p.wakes(), 375ms) << "half of 350 ms, the most";
    p.at(375ms);
    p.connected(4);
    EXPECT_EQ(p.acquire(), "lend a4 to 1, open a5");
    p.failed(5);
    EXPECT_EQ(p.wakes(), 425ms) << "after one that succeeded it begins anew";
}

TEST(pool_engine_turnover, a_delay_is_never_longer_than_the_longest) {
    script p{{.min_idle = 1, .refill_delay = 100ms, .max_refill_delay = 50ms}};
    p.warm_up('a');
    p.failed(1);
    EXPECT_EQ(p.wakes(), 25ms);
}

TEST(pool_engine_turnover, a_success_ends_the_delay_of_the_others) {
    script p{{.min_idle = 2}};
    EXPECT_EQ(p.warm_up('a'), "open a1, open a2");
    EXPECT_EQ(p.failed(1), "");
    EXPECT_EQ(p.connected(2), "open a3");
}

TEST(pool_engine_turnover, a_refill_is_tried_for_ever) {
    script p{{.min_idle = 1}};
    EXPECT_EQ(p.warm_up('a'), "open a1");
    duration last = 0s;
    for (std::size_t i = 1; i != 51; ++i) {
        ASSERT_EQ(p.failed(i, 0.999), "");
        ASSERT_NE(p.wakes(), never);
        ASSERT_LE(p.wakes() - last, 10s);
        last = p.wakes();
        ASSERT_EQ(p.at(p.wakes()), "open a" + std::to_string(i + 1));
    }
    EXPECT_EQ(p.connected(51), "");
    EXPECT_EQ(p.counts().idle, 1u);
    EXPECT_EQ(p.wakes(), never);
}

TEST(pool_engine_turnover, a_delay_that_may_be_for_ever_does_not_overflow) {
    script p{{.min_idle = 1, .max_refill_delay = never}};
    p.warm_up('a');
    for (std::size_t i = 1; i != 80; ++i) {
        p.failed(i, 0);
        if (p.wakes() == never) return;
        ASSERT_GT(p.wakes(), p.now - test::pool_begins) << i;
        ASSERT_EQ(p.at(p.wakes()), "open a" + std::to_string(i + 1));
    }
}

TEST(pool_engine_turnover, who_waits_is_not_held_up_by_that) {
    script p{{.min_idle = 1}};
    p.warm_up('a');
    p.failed(1);
    EXPECT_EQ(p.acquire(), "open a2");
    EXPECT_EQ(p.failed(2), "end 1 connect_failed");
    EXPECT_EQ(p.acquire('a', 0ms), "end 2 too_late");
}

TEST(pool_engine_turnover, a_pool_without_idle_ones_to_keep_tries_nothing_again) {
    script p;
    p.acquire();
    p.failed(1);
    EXPECT_EQ(p.wakes(), never);
}

// --- Lifetime ---

TEST(pool_engine_turnover, a_connection_is_closed_so_long_after_it_was_connected) {
    script p{{.max_lifetime = 700ms}};
    p.acquire();
    p.at(10ms);
    p.connected(1);
    p.at(20ms);
    p.give_back(1);
    EXPECT_EQ(p.wakes(), 710ms);
    EXPECT_EQ(p.at(710ms - 1ns), "");
    EXPECT_EQ(p.at(710ms), "close a1 max_lifetime");
    EXPECT_EQ(p.core.size(), 0u);
}

TEST(pool_engine_turnover, one_in_use_when_it_comes_back) {
    script p{{.max_per_target = 1, .max_lifetime = 700ms}};
    p.acquire();
    p.connected(1);
    EXPECT_EQ(p.wakes(), never);
    EXPECT_EQ(p.at(900ms), "");
    p.acquire();
    EXPECT_EQ(p.give_back(1), "close a1 max_lifetime, open a2") << "though somebody waits";
}

TEST(pool_engine_turnover, chance_takes_a_part_of_a_life) {
    script p{{.max_lifetime = 1s, .lifetime_jitter = 0.2}};
    p.acquire();
    p.acquire();
    p.connected(1, 0);
    p.connected(2, 0.5);
    p.give_back(1);
    p.give_back(2);
    EXPECT_EQ(p.wakes(), 900ms);
    EXPECT_EQ(p.at(900ms), "close a2 max_lifetime");
    EXPECT_EQ(p.at(1s), "close a1 max_lifetime");
}

TEST(pool_engine_turnover, jitter_is_no_more_than_all_and_no_less_than_nothing) {
    for (const auto& [jitter, left] : {std::pair{2.0, 500ms}, std::pair{-1.0, 1000ms}}) {
        script p{{.max_lifetime = 1s, .lifetime_jitter = jitter}};
        p.acquire();
        p.connected(1, 0.5);
        p.give_back(1);
        EXPECT_EQ(p.wakes(), left) << jitter;
    }
}

TEST(pool_engine_turnover, a_very_long_life_does_not_end_at_once) {
    script p{{.max_lifetime = never - 1ns}};
    p.acquire();
    EXPECT_EQ(p.connected(1), "lend a1 to 1");
    EXPECT_EQ(p.give_back(1), "");
    EXPECT_EQ(p.counts().idle, 1u);
}

}  // namespace
}  // namespace dial::pooling
