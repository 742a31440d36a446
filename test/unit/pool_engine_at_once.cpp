// Who gets an idle connection at once, without a place in the line, in virtual time.
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

// --- Reserved ---

TEST(pool_engine_at_once, lends_the_one_whose_turn_it_is) {
    script p = pool_with_in_use({}, 3);
    for (std::size_t i = 1; i <= 3; ++i) EXPECT_EQ(p.give_back(i), "");
    EXPECT_EQ(p.reserve(), "a3, used before");
    EXPECT_EQ(p.reserve(), "a2, used before");
    EXPECT_EQ(p.counts().in_use, 2u);
    EXPECT_EQ(p.counts().idle, 1u);
    EXPECT_EQ(p.counts().reused, 2u);
    EXPECT_EQ(p.counts().waits.count(), 5u);
    EXPECT_EQ(p.then(), "") << "there is nothing else to do";
    EXPECT_EQ(p.give_back(3), "");
    EXPECT_EQ(p.acquire(), "lend a3 to 4");
}

TEST(pool_engine_at_once, or_the_one_that_has_been_idle_for_longest) {
    script p = pool_with_idle({.oldest_first = true}, 3);
    EXPECT_EQ(p.reserve(), "a1, used before");
}

TEST(pool_engine_at_once, says_whether_it_was_used_before) {
    script p{{.min_idle = 1}};
    EXPECT_EQ(p.warm_up('a'), "open a1");
    EXPECT_EQ(p.connected(1), "");
    EXPECT_EQ(p.reserve(), "a1, new");
    EXPECT_EQ(p.counts().acquired, 1u);
    EXPECT_EQ(p.counts().reused, 0u);
}

TEST(pool_engine_at_once, has_none_where_none_is_idle_and_opens_none) {
    script p = pool_with_in_use({}, 1);
    EXPECT_EQ(p.reserve(), "");
    EXPECT_EQ(p.reserve('b'), "");
    EXPECT_EQ(p.then(), "");
    EXPECT_EQ(p.core.on_reserve(12345, p.now), std::nullopt) << "nor for a target that there is not";
}

TEST(pool_engine_at_once, has_none_while_somebody_waits) {
    script p = pool_with_in_use({.max_per_target = 1}, 1);
    EXPECT_EQ(p.acquire(), "");
    p.core.on_returned(p.id(1), p.loan(1), true, p.now);
    EXPECT_EQ(p.reserve(), "");
    EXPECT_EQ(p.then(), "lend a1 to 2");
}

TEST(pool_engine_at_once, has_none_that_is_to_be_looked_at_first) {
    script inspected = pool_with_idle({.inspect = true}, 1);
    EXPECT_EQ(inspected.reserve(), "");
    script checked = pool_with_idle({.check_after = 5ms}, 1);
    checked.at(4ms);
    EXPECT_EQ(checked.reserve(), "a1, used before");
    checked.give_back(1);
    checked.now += 5ms;
    EXPECT_EQ(checked.reserve(), "");
}

TEST(pool_engine_at_once, has_none_after_one_that_was_discarded_until_the_others_were_looked_at) {
    script p = pool_with_in_use({}, 2);
    p.give_back(1);
    p.give_back(2);
    EXPECT_EQ(p.reserve(), "a2, used before");
    p.core.on_returned(p.id(2), p.loan(2), false, p.now);
    EXPECT_EQ(p.reserve(), "");
    p.dead.insert(1);
    EXPECT_EQ(p.then(), "close a2 discarded, inspect a1, close a1 dead");
    EXPECT_EQ(p.reserve(), "");
}

TEST(pool_engine_at_once, has_none_that_is_too_old) {
    script idle = pool_with_idle({.idle_timeout = 5ms}, 1);
    idle.now += 5ms;
    EXPECT_EQ(idle.reserve(), "");
    EXPECT_EQ(idle.then(), "close a1 idle_timeout");
    script old = pool_with_idle({.max_lifetime = 5ms}, 1);
    old.now += 5ms;
    EXPECT_EQ(old.reserve(), "");
    script stale = pool_with_idle({.keep_alive = 5ms}, 1);
    stale.now += 5ms;
    EXPECT_EQ(stale.reserve(), "");
    EXPECT_EQ(stale.then(), "check a1");
}

TEST(pool_engine_at_once, has_none_after_close) {
    script p = pool_with_idle({}, 1);
    p.core.on_close(p.now);
    EXPECT_EQ(p.reserve(), "");
}

TEST(pool_engine_at_once, opens_another_to_keep_ready) {
    script p{{.min_idle = 1}};
    EXPECT_EQ(p.warm_up('a'), "open a1");
    EXPECT_EQ(p.connected(1), "");
    EXPECT_EQ(p.reserve(), "a1, new");
    EXPECT_FALSE(p.core.is_at_rest(p.now));
    EXPECT_EQ(p.then(), "open a2");
}

// --- Confirmed, or not ---

TEST(pool_engine_at_once, confirms_what_was_reserved) {
    script p = pool_with_idle({}, 1);
    p.reserve();
    EXPECT_TRUE(p.confirm(1));
    EXPECT_EQ(p.then(), "");
    EXPECT_EQ(p.counts().in_use, 1u);
}

TEST(pool_engine_at_once, looks_at_what_became_readable_and_keeps_it_if_it_is_alive) {
    script p = pool_with_in_use({}, 2);
    p.give_back(1);
    p.at(1ms);
    p.give_back(2);
    const pool_counts before = p.counts();
    EXPECT_EQ(p.reserve(), "a2, used before");
    p.core.on_readable(p.id(2));
    EXPECT_FALSE(p.confirm(2, true));
    EXPECT_EQ(p.counts().acquired, before.acquired);
    EXPECT_EQ(p.counts().reused, before.reused);
    EXPECT_EQ(p.counts().waits.count(), before.waits.count());
    EXPECT_EQ(p.reserve(), "") << "not before it was looked at";
    EXPECT_EQ(p.then(), "inspect a2");
    EXPECT_EQ(p.reserve(), "a2, used before") << "it is still the one that was used last";
    EXPECT_EQ(p.give_back(2), "") << "what came before is not held against it";
}

TEST(pool_engine_at_once, closes_what_became_readable_and_is_dead) {
    script p = pool_with_idle({}, 1);
    p.reserve();
    p.dead.insert(1);
    EXPECT_FALSE(p.confirm(1, true));
    EXPECT_EQ(p.acquire(), "inspect a1, close a1 dead, open a2");
    EXPECT_EQ(p.counts().acquired, 1u) << "when it was opened";
}

TEST(pool_engine_at_once, closes_what_was_reset_in_between) {
    script p = pool_with_idle({}, 1);
    p.reserve();
    EXPECT_EQ(p.reset(), "");
    EXPECT_FALSE(p.confirm(1));
    EXPECT_EQ(p.then(), "close a1 reset");
    EXPECT_EQ(p.counts().acquired, 1u) << "when it was opened";
    EXPECT_EQ(p.core.size(), 0u);
}

TEST(pool_engine_at_once, closes_what_it_has_when_it_was_closed_in_between) {
    script p = pool_with_idle({}, 1);
    p.reserve();
    EXPECT_EQ(p.close(), "");
    EXPECT_FALSE(p.confirm(1));
    EXPECT_EQ(p.then(), "close a1 pool_closed");
    EXPECT_EQ(p.core.size(), 0u);
}

TEST(pool_engine_at_once, confirms_nothing_that_was_given_back) {
    script p = pool_with_idle({}, 1);
    p.reserve();
    p.give_back(1);
    EXPECT_FALSE(p.confirm(1));
    EXPECT_EQ(p.counts().idle, 1u);
    EXPECT_EQ(p.counts().acquired, 2u) << "it was";
}

// --- At rest ---

TEST(pool_engine_at_once, is_at_rest_only_while_there_is_nothing_to_do) {
    script p = pool_with_in_use({.max_per_target = 1, .idle_timeout = 10ms}, 1);
    EXPECT_TRUE(p.core.is_at_rest(p.now));
    p.core.on_returned(p.id(1), p.loan(1), true, p.now);
    EXPECT_TRUE(p.core.is_at_rest(p.now)) << "nobody waits for it";
    EXPECT_EQ(p.core.earliest(), p.now + 10ms);
    p.now += 10ms;
    EXPECT_FALSE(p.core.is_at_rest(p.now)) << "it is to be closed";
    EXPECT_EQ(p.then(), "close a1 idle_timeout");
    EXPECT_EQ(p.acquire(), "open a2");
    p.core.on_connected(p.id(2), p.now, 0);
    EXPECT_FALSE(p.core.is_at_rest(p.now)) << "somebody waits for it";
    EXPECT_EQ(p.then(), "lend a2 to 2");
    EXPECT_TRUE(p.core.is_at_rest(p.now));
    p.core.on_acquire(p.target_of('a'), p.now, p.now + 1ms);
    EXPECT_FALSE(p.core.is_at_rest(p.now));
}

}  // namespace
}  // namespace dial::pooling
