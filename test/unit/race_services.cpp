// What services add to the race: records that tell where to connect first, groups by priority, and what is known beforehand.
#include <race/engine.hpp>

#include <gtest/gtest.h>

#include <vector>

namespace dial::race {
namespace {

using namespace std::chrono_literals;
constexpr time_point t0{5h};
constexpr auto v4 = family::v4, v6 = family::v6;
using candidates = std::vector<candidate>;

class race_services : public testing::Test {
protected:
    explicit race_services(const rules& r = {}) : race{r, t0} {}

    engine race;
};

// --- Records that are out ---

TEST_F(race_services, addresses_of_both_families_wait_for_the_record_of_the_service) {
    race.on_asked_for_service();
    race.on_addresses(candidates{{0, v6}, {1, v4}});
    EXPECT_EQ(race.next(t0), step{wait_until{t0 + 50ms}});
    race.on_service_answered();
    EXPECT_EQ(race.next(t0 + 10ms), step{start_attempt{0}});
}

TEST_F(race_services, a_record_that_does_not_come_costs_the_resolution_delay_and_no_more) {
    race.on_asked_for_service();
    race.on_addresses(candidates{{0, v6}, {1, v4}});
    EXPECT_EQ(race.next(t0), step{wait_until{t0 + 50ms}});
    EXPECT_EQ(race.next(t0 + 50ms), step{start_attempt{0}});
}

TEST_F(race_services, a_record_that_is_out_keeps_the_race_from_its_end) {
    race.on_asked_for_service();
    race.on_addresses(candidates{{0, v6}});
    EXPECT_EQ(race.next(t0 + 0ms), step{wait_until{t0 + 50ms}});
    EXPECT_EQ(race.next(t0 + 50ms), step{start_attempt{0}});
    race.on_failed(0);
    EXPECT_FALSE(race.only_one_left());
    EXPECT_EQ(race.next(t0 + 60ms), step{wait_until{time_point::max()}}) << "it may lead elsewhere";
    race.on_service_answered();
    EXPECT_EQ(race.next(t0 + 70ms), (step{finish{ending::all_failed, {}}}));
}

// --- Groups ---

TEST_F(race_services, a_group_is_tried_before_those_behind_it_its_families_in_turn) {
    race.on_addresses(candidates{{0, v6, 0}, {1, v6, 0}, {2, v4, 0}, {3, v6, 1}, {4, v4, 1}});
    std::vector<std::size_t> order;
    time_point now = t0;
    for (int i = 0; i != 5; ++i, now += 250ms) {
        const auto s = race.next(now);
        ASSERT_TRUE(std::holds_alternative<start_attempt>(s));
        order.push_back(std::get<start_attempt>(s).index);
    }
    EXPECT_EQ(order, (std::vector<std::size_t>{0, 2, 1, 4, 3}));
}

TEST_F(race_services, a_better_group_that_comes_late_goes_next) {
    race.on_addresses(candidates{{0, v4, 1}, {1, v4, 1}});
    EXPECT_EQ(race.next(t0), step{start_attempt{0}});
    race.on_addresses(candidates{{2, v4, 0}, {0, v4, 1}, {1, v4, 1}});
    EXPECT_EQ(race.next(t0 + 250ms), step{start_attempt{2}});
}

// --- What is known beforehand ---

TEST_F(race_services, the_preferred_family_is_the_one_that_is_waited_for) {
    race.prefer(v4);
    race.on_asked(v6);
    race.on_asked(v4);
    race.on_addresses(candidates{{0, v6}});
    EXPECT_EQ(race.next(t0), step{wait_until{t0 + 50ms}}) << "IPv6 waits for IPv4";
    race.on_answered(v4);
    race.on_addresses(candidates{{1, v4}, {0, v6}});
    EXPECT_EQ(race.next(t0 + 1ms), step{start_attempt{1}});
}

TEST_F(race_services, an_attempt_has_the_time_that_is_known_to_be_right_for_it) {
    race.on_addresses(candidates{{0, v6, 0, 100ms}, {1, v4, 0, 2s}, {2, v6}});
    EXPECT_EQ(race.next(t0), step{start_attempt{0}});
    EXPECT_EQ(race.next(t0), step{wait_until{t0 + 100ms}});
    EXPECT_EQ(race.next(t0 + 100ms), step{start_attempt{1}});
    EXPECT_EQ(race.next(t0 + 100ms), step{wait_until{t0 + 2100ms}});
    race.on_failed(1);
    EXPECT_EQ(race.next(t0 + 200ms), step{start_attempt{2}}) << "its failure ends that";
    EXPECT_EQ(race.next(t0 + 200ms), step{wait_until{time_point::max()}});
}

}  // namespace
}  // namespace dial::race
