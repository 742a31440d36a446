// When what is due.
#include <pool/deadlines.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <vector>

namespace dial::pooling {
namespace {

using namespace std::chrono_literals;

constexpr time_point t0{1000s};

TEST(pool_deadlines, nothing_is_never_due) {
    const deadlines none;
    EXPECT_EQ(none.earliest(), time_point::max());
    EXPECT_FALSE(none.any_due(time_point::max()));
}

TEST(pool_deadlines, the_earliest_is_first_and_due_from_its_own_time_on) {
    deadlines all;
    all.set(7, t0 + 20ms);
    all.set(3, t0 + 10ms);
    EXPECT_EQ(all.first(), 3u);
    EXPECT_EQ(all.earliest(), t0 + 10ms);
    EXPECT_FALSE(all.any_due(t0 + 10ms - 1ns));
    EXPECT_TRUE(all.any_due(t0 + 10ms));
}

TEST(pool_deadlines, each_has_one_time_and_the_last_that_was_set_counts) {
    deadlines all;
    all.set(1, t0 + 10ms);
    all.set(2, t0 + 20ms);
    all.set(1, t0 + 30ms);
    EXPECT_EQ(all.first(), 2u);
    all.set(1, t0 + 5ms);
    EXPECT_EQ(all.first(), 1u);
    all.clear(1);
    EXPECT_EQ(all.first(), 2u) << "and no other time of it is left";
    EXPECT_EQ(all.earliest(), t0 + 20ms);
}

TEST(pool_deadlines, never_is_no_time) {
    deadlines all;
    all.set(1, t0);
    all.set(1, time_point::max());
    all.set(2, time_point::max());
    EXPECT_FALSE(all.any_due(time_point::max()));
}

TEST(pool_deadlines, clears_what_has_no_time_or_was_never_heard_of) {
    deadlines all;
    all.set(1, t0);
    all.clear(0);
    all.clear(1000);
    EXPECT_EQ(all.earliest(), t0);
    all.clear(1);
    all.clear(1);
    EXPECT_EQ(all.earliest(), time_point::max());
}

TEST(pool_deadlines, does_what_a_map_does) {
    for (unsigned seed = 0; seed != 200; ++seed) {
        SCOPED_TRACE(seed);
        std::mt19937 random{seed};
        deadlines all;
        std::map<deadlines::key, time_point> model;
        const auto earliest = [&] {
            time_point least = time_point::max();
            for (const auto& [key, when] : model) least = std::min(least, when);
            return least;
        };
        for (int i = 0; i != 300; ++i) {
            const auto key = static_cast<deadlines::key>(random() % 20);
            if (random() % 3 == 0) {
                all.clear(key);
                model.erase(key);
            } else {
                model[key] = t0 + std::chrono::milliseconds{random() % 50};
                all.set(key, model[key]);
            }
            ASSERT_EQ(all.earliest(), earliest());
            if (!model.empty()) {
                ASSERT_EQ(model.at(all.first()), earliest());
            }
        }
        while (!model.empty()) {
            ASSERT_EQ(all.earliest(), earliest());
            ASSERT_EQ(model.erase(all.first()), 1u);
            all.clear(all.first());
        }
        ASSERT_EQ(all.earliest(), time_point::max());
    }
}

}  // namespace
}  // namespace dial::pooling
