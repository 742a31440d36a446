#include <race/engine.hpp>

#include <gtest/gtest.h>

#include <ostream>

namespace dial::race {

// For messages: times count from t0.
constexpr time_point t0{std::chrono::seconds{1000}};

inline void PrintTo(const start_attempt& s, std::ostream* out) {
    *out << "start " << s.index;
}
inline void PrintTo(const close_attempt& c, std::ostream* out) {
    *out << "close " << c.index << ", cause " << static_cast<int>(c.why);
}
inline void PrintTo(const wait_until& w, std::ostream* out) {
    if (w.when == time_point::max())
        *out << "wait for news";
    else
        *out << "wait until " << std::chrono::duration<double, std::milli>{w.when - t0}.count() << " ms";
}
inline void PrintTo(const finish& f, std::ostream* out) {
    *out << "finish " << static_cast<int>(f.how);
    if (f.winner) *out << ", winner " << *f.winner;
}

namespace {

using namespace std::chrono_literals;
using cause = close_attempt::cause;
using list = std::vector<candidate>;

constexpr family v4 = family::v4, v6 = family::v6;

step start(std::size_t index) {
    return start_attempt{index};
}
step close(std::size_t index, cause why) {
    return close_attempt{index, why};
}
step wait(duration until) {
    return wait_until{saturating_add(t0, until)};
}
const step wait_for_news = wait_until{time_point::max()};
step won_by(std::size_t index) {
    return finish{ending::connected, index};
}
step end(ending how) {
    return finish{how, {}};
}

// An engine made at t0.
struct race : engine {
    explicit race(const rules& r = {}) : engine{r, t0} {}
    explicit race(const list& known, const rules& r = {}) : engine{r, t0} { on_addresses(known); }
    step at(duration when) { return next(t0 + when); }
};

// Two lookups are out.
race resolving(const rules& r = {}) {
    race it{r};
    it.on_asked(v6);
    it.on_asked(v4);
    return it;
}

list of_one_family(std::size_t n) {
    list all;
    for (std::size_t i = 0; i != n; ++i) all.push_back({i, v4});
    return all;
}

// The order in which a list is tried, when nobody answers.
std::vector<std::size_t> order_of(const list& known, std::size_t first_family_count = 1) {
    race it{known, {.max_in_flight = 100, .first_family_count = first_family_count}};
    std::vector<std::size_t> order;
    for (duration t{};; t += 250ms) {
        const step s = it.at(t);
        if (!std::holds_alternative<start_attempt>(s)) return order;
        order.push_back(std::get<start_attempt>(s).index);
    }
}

// --- Starts: RFC 8305 section 5 ---

TEST(race_engine, the_first_address_is_tried_at_once) {
    race it{of_one_family(2)};
    EXPECT_EQ(it.at(0ms), start(0));
}

TEST(race_engine, the_next_starts_one_attempt_delay_after_the_newest) {
    race it{of_one_family(3)};
    EXPECT_EQ(it.at(0ms), start(0));
    EXPECT_EQ(it.at(0ms), wait(250ms));
    EXPECT_EQ(it.at(250ms - 1ns), wait(250ms));
    EXPECT_EQ(it.at(250ms), start(1));
    EXPECT_EQ(it.at(250ms), wait(500ms));
    EXPECT_EQ(it.at(500ms), start(2));
}

TEST(race_engine, a_late_wake_up_starts_one_attempt_and_the_delay_counts_from_there) {
    race it{of_one_family(3)};
    EXPECT_EQ(it.at(0ms), start(0));
    EXPECT_EQ(it.at(900ms), start(1));
    EXPECT_EQ(it.at(900ms), wait(1150ms));
}

TEST(race_engine, a_failed_attempt_lets_the_next_start_at_once) {
    race it{of_one_family(2)};
    EXPECT_EQ(it.at(0ms), start(0));
    it.on_failed(0);
    EXPECT_EQ(it.at(100ms), start(1));
}

TEST(race_engine, the_delay_counts_from_each_start_and_is_no_grid) {
    race it{of_one_family(3)};
    EXPECT_EQ(it.at(0ms), start(0));
    it.on_failed(0);
    EXPECT_EQ(it.at(249ms), start(1));
    EXPECT_EQ(it.at(250ms), wait(499ms));
    EXPECT_EQ(it.at(499ms), start(2));
}

TEST(race_engine, a_failure_on_the_tick_of_the_delay_starts_one_attempt) {
    race it{of_one_family(3)};
    EXPECT_EQ(it.at(0ms), start(0));
    it.on_failed(0);
    EXPECT_EQ(it.at(250ms), start(1));
    EXPECT_EQ(it.at(250ms), wait(500ms));
}

TEST(race_engine, the_failure_of_an_older_attempt_leaves_the_newest_its_delay) {
    race it{of_one_family(3)};
    EXPECT_EQ(it.at(0ms), start(0));
    EXPECT_EQ(it.at(250ms), start(1));
    it.on_failed(0);
    EXPECT_EQ(it.at(300ms), wait(500ms));
    EXPECT_EQ(it.at(500ms), start(2));
}

TEST(race_engine, the_failure_of_the_newest_moves_on_while_an_older_one_hangs) {
    race it{of_one_family(3)};
    EXPECT_EQ(it.at(0ms), start(0));
    EXPECT_EQ(it.at(250ms), start(1));
    it.on_failed(1);
    EXPECT_EQ(it.at(260ms), start(2));
}

TEST(race_engine, older_failures_and_then_the_newest_start_one_attempt) {
    race it{of_one_family(5)};
    EXPECT_EQ(it.at(0ms), start(0));
    EXPECT_EQ(it.at(250ms), start(1));
    EXPECT_EQ(it.at(500ms), start(2));
    it.on_failed(0);
    it.on_failed(1);
    EXPECT_EQ(it.at(520ms), wait(750ms));
    it.on_failed(2);
    EXPECT_EQ(it.at(530ms), start(3));
    EXPECT_EQ(it.at(530ms), wait(780ms));
}

TEST(race_engine, with_nothing_left_to_try_it_waits_for_news_only) {
    race it{of_one_family(1)};
    EXPECT_EQ(it.at(0ms), start(0));
    EXPECT_EQ(it.at(0ms), wait_for_news);
    EXPECT_EQ(it.at(1h), wait_for_news);
}

// --- The distance between two first packets: section 5 ---

TEST(race_engine, after_a_quick_refusal_the_next_packet_waits_for_10_ms_since_the_last) {
    race it{of_one_family(3)};
    EXPECT_EQ(it.at(0ms), start(0));
    it.on_failed(0);
    EXPECT_EQ(it.at(0ms), wait(10ms));
    EXPECT_EQ(it.at(10ms), start(1));
    it.on_failed(1);
    EXPECT_EQ(it.at(13ms), wait(20ms));
    EXPECT_EQ(it.at(20ms), start(2));
}

TEST(race_engine, a_refusal_that_took_10_ms_costs_no_more) {
    race it{of_one_family(2)};
    EXPECT_EQ(it.at(0ms), start(0));
    it.on_failed(0);
    EXPECT_EQ(it.at(10ms), start(1));
}

TEST(race_engine, an_attempt_that_the_kernel_refused_costs_no_wait) {
    race it{of_one_family(4)};
    for (std::size_t i = 0; i != 3; ++i) {
        EXPECT_EQ(it.at(0ms), start(i));
        it.on_refused_locally(i);
    }
    EXPECT_EQ(it.at(0ms), start(3));
    EXPECT_EQ(it.at(0ms), wait_for_news);
}

TEST(race_engine, a_local_refusal_does_not_shorten_the_distance_of_packets_around_it) {
    race it{of_one_family(4)};
    EXPECT_EQ(it.at(0ms), start(0));
    it.on_failed(0);
    EXPECT_EQ(it.at(10ms), start(1));
    it.on_refused_locally(1);
    EXPECT_EQ(it.at(10ms), start(2));  // the last packet left at 0
    it.on_failed(2);
    EXPECT_EQ(it.at(11ms), wait(20ms));
}

TEST(race_engine, an_attempt_delay_of_zero_or_less_is_raised_to_the_distance_of_packets) {
    for (const duration delay : {duration{0ms}, duration{1ms}, duration{-5s}, duration::min()}) {
        race it{of_one_family(3), {.attempt_delay = delay}};
        EXPECT_EQ(it.at(0ms), start(0));
        EXPECT_EQ(it.at(0ms), wait(10ms));
        EXPECT_EQ(it.at(10ms), start(1));
        EXPECT_EQ(it.at(10ms), wait(20ms));
    }
}

TEST(race_engine, the_distance_is_an_option_and_may_be_none) {
    race far{of_one_family(2), {.spacing = 100ms}};
    EXPECT_EQ(far.at(0ms), start(0));
    far.on_failed(0);
    EXPECT_EQ(far.at(5ms), wait(100ms));

    race none{of_one_family(2), {.spacing = 0ms}};
    EXPECT_EQ(none.at(0ms), start(0));
    none.on_failed(0);
    EXPECT_EQ(none.at(0ms), start(1));
}

// --- The winner ---

TEST(race_engine, the_first_connected_wins_and_all_others_are_closed_before_the_end) {
    race it{of_one_family(5)};
    EXPECT_EQ(it.at(0ms), start(0));
    EXPECT_EQ(it.at(250ms), start(1));
    it.on_failed(1);
    EXPECT_EQ(it.at(260ms), start(2));
    EXPECT_EQ(it.at(510ms), start(3));
    it.on_connected(2);
    EXPECT_EQ(it.at(520ms), close(0, cause::another_won));
    EXPECT_EQ(it.at(520ms), close(3, cause::another_won));
    EXPECT_EQ(it.at(520ms), won_by(2));
}

TEST(race_engine, a_slow_attempt_runs_on_while_later_ones_start_and_may_win) {
    race it{of_one_family(2)};
    EXPECT_EQ(it.at(0ms), start(0));
    EXPECT_EQ(it.at(250ms), start(1));
    it.on_connected(0);
    EXPECT_EQ(it.at(300ms), close(1, cause::another_won));
    EXPECT_EQ(it.at(300ms), won_by(0));
}

TEST(race_engine, a_success_on_the_tick_of_the_delay_starts_nothing_more) {
    race it{of_one_family(2)};
    EXPECT_EQ(it.at(0ms), start(0));
    it.on_connected(0);
    EXPECT_EQ(it.at(250ms), won_by(0));
}

TEST(race_engine, of_two_that_connect_in_one_turn_the_one_told_first_wins) {
    race it{of_one_family(2)};
    EXPECT_EQ(it.at(0ms), start(0));
    EXPECT_EQ(it.at(250ms), start(1));
    it.on_connected(1);
    it.on_connected(0);
    EXPECT_EQ(it.at(260ms), close(0, cause::another_won));
    EXPECT_EQ(it.at(260ms), won_by(1));
}

TEST(race_engine, the_last_address_may_fail_first_and_an_older_one_still_win) {
    race it{of_one_family(2)};
    EXPECT_EQ(it.at(0ms), start(0));
    EXPECT_EQ(it.at(250ms), start(1));
    it.on_failed(1);
    EXPECT_EQ(it.at(255ms), wait_for_news);
    it.on_connected(0);
    EXPECT_EQ(it.at(600ms), won_by(0));
}

TEST(race_engine, the_end_is_final) {
    race it{of_one_family(3)};
    EXPECT_EQ(it.at(0ms), start(0));
    EXPECT_EQ(it.at(250ms), start(1));
    it.on_connected(0);
    EXPECT_EQ(it.at(260ms), close(1, cause::another_won));
    EXPECT_EQ(it.at(260ms), won_by(0));
    it.on_connected(1);
    it.on_failed(0);
    it.on_cancelled();
    it.on_addresses(list{{7, v6}, {8, v4}});
    it.on_answered(v6);
    EXPECT_EQ(it.at(1h), won_by(0));
}

// --- Nobody wins ---

TEST(race_engine, it_ends_with_the_last_running_attempt_and_not_with_the_last_address) {
    race it{of_one_family(2)};
    EXPECT_EQ(it.at(0ms), start(0));
    EXPECT_EQ(it.at(250ms), start(1));
    it.on_failed(1);
    EXPECT_EQ(it.at(300ms), wait_for_news);
    it.on_failed(0);
    EXPECT_EQ(it.at(1s), end(ending::all_failed));
}

TEST(race_engine, the_last_failure_ends_it_at_once) {
    race it{of_one_family(1), {.timeout = 30s}};
    EXPECT_EQ(it.at(0ms), start(0));
    it.on_failed(0);
    EXPECT_EQ(it.at(0ms), end(ending::all_failed));
}

TEST(race_engine, without_addresses_and_lookups_it_ends_at_once) {
    race it;
    EXPECT_EQ(it.at(0ms), end(ending::no_addresses));
}

TEST(race_engine, lookups_that_bring_nothing_end_it_when_the_last_is_over) {
    race it = resolving();
    it.on_answered(v4);
    EXPECT_EQ(it.at(10ms), wait_for_news);  // a failed A opens no window
    it.on_answered(v6);
    EXPECT_EQ(it.at(100ms), end(ending::no_addresses));
}

TEST(race_engine, all_failed_is_not_the_end_while_a_lookup_is_out) {
    race it = resolving();
    it.on_addresses(list{{0, v6}});
    it.on_answered(v6);
    EXPECT_EQ(it.at(0ms), start(0));
    it.on_failed(0);
    EXPECT_EQ(it.at(1ms), wait_for_news);
    it.on_answered(v4);
    EXPECT_EQ(it.at(50ms), end(ending::all_failed));
}

// --- The Resolution Delay: section 3 ---

TEST(race_engine, a_first_answer_with_ipv6_is_tried_at_once) {
    race it = resolving();
    EXPECT_EQ(it.at(0ms), wait_for_news);
    it.on_addresses(list{{0, v6}});
    it.on_answered(v6);
    EXPECT_EQ(it.at(5ms), start(0));
}

TEST(race_engine, a_first_answer_with_ipv4_waits_50_ms_for_the_other) {
    race it = resolving();
    it.on_addresses(list{{0, v4}});
    it.on_answered(v4);
    EXPECT_EQ(it.at(10ms), wait(60ms));
    EXPECT_EQ(it.at(60ms - 1ns), wait(60ms));
    EXPECT_EQ(it.at(60ms), start(0));
    EXPECT_EQ(it.at(60ms), wait_for_news);
}

TEST(race_engine, ipv6_inside_the_window_is_tried_at_once_and_first) {
    race it = resolving();
    it.on_addresses(list{{0, v4}});
    it.on_answered(v4);
    EXPECT_EQ(it.at(10ms), wait(60ms));
    it.on_addresses(list{{1, v6}, {0, v4}});
    it.on_answered(v6);
    EXPECT_EQ(it.at(40ms), start(1));
    EXPECT_EQ(it.at(60ms), wait(290ms));  // the window is forgotten
}

TEST(race_engine, an_empty_or_failed_answer_inside_the_window_ends_it) {
    race it = resolving();
    it.on_addresses(list{{0, v4}});
    it.on_answered(v4);
    EXPECT_EQ(it.at(10ms), wait(60ms));
    it.on_answered(v6);
    EXPECT_EQ(it.at(40ms), start(0));
}

TEST(race_engine, an_answer_on_the_tick_the_window_ends_starts_one_attempt) {
    race it = resolving();
    it.on_addresses(list{{0, v4}});
    it.on_answered(v4);
    EXPECT_EQ(it.at(0ms), wait(50ms));
    it.on_answered(v6);
    EXPECT_EQ(it.at(50ms), start(0));
    EXPECT_EQ(it.at(50ms), wait_for_news);
}

TEST(race_engine, ipv4_after_a_failed_lookup_for_ipv6_waits_for_nothing) {
    race it = resolving();
    it.on_answered(v6);
    EXPECT_EQ(it.at(10ms), wait_for_news);
    it.on_addresses(list{{0, v4}});
    it.on_answered(v4);
    EXPECT_EQ(it.at(80ms), start(0));
}

TEST(race_engine, ipv4_alone_was_asked_for_and_waits_for_nothing) {
    race it;
    it.on_asked(v4);
    it.on_addresses(list{{0, v4}});
    it.on_answered(v4);
    EXPECT_EQ(it.at(10ms), start(0));
}

TEST(race_engine, more_ipv4_addresses_do_not_restart_the_window) {
    race it = resolving();
    it.on_addresses(list{{0, v4}});
    it.on_answered(v4);
    EXPECT_EQ(it.at(10ms), wait(60ms));
    it.on_addresses(list{{0, v4}, {1, v4}});
    EXPECT_EQ(it.at(40ms), wait(60ms));
    EXPECT_EQ(it.at(60ms), start(0));
}

TEST(race_engine, both_answers_in_one_turn_start_with_ipv6_in_whatever_order_they_are_told) {
    race it = resolving();
    it.on_addresses(list{{0, v4}});
    it.on_answered(v4);
    it.on_addresses(list{{1, v6}, {0, v4}});
    it.on_answered(v6);
    EXPECT_EQ(it.at(0ms), start(1));
}

TEST(race_engine, a_window_of_zero_or_less_is_none) {
    for (const duration window : {duration{0ms}, duration{-1s}, duration::min()}) {
        race it = resolving({.resolution_delay = window});
        it.on_addresses(list{{0, v4}});
        it.on_answered(v4);
        EXPECT_EQ(it.at(10ms), start(0));
    }
}

TEST(race_engine, an_ipv6_address_known_before_the_answer_is_tried_at_once) {  // such as a hint of an HTTPS record
    race it = resolving();
    it.on_addresses(list{{0, v6}, {1, v4}});
    EXPECT_EQ(it.at(10ms), start(0));
}

TEST(race_engine, an_ipv4_address_known_before_the_answers_opens_the_window) {
    race it = resolving();
    it.on_addresses(list{{0, v4}});
    EXPECT_EQ(it.at(30ms), wait(80ms));
    EXPECT_EQ(it.at(80ms), start(0));
}

TEST(race_engine, the_window_is_for_the_first_start_only) {
    race it = resolving();
    it.on_addresses(list{{0, v4}, {1, v4}});
    it.on_answered(v4);
    EXPECT_EQ(it.at(0ms), wait(50ms));
    EXPECT_EQ(it.at(50ms), start(0));
    it.on_failed(0);
    EXPECT_EQ(it.at(70ms), start(1));
}

// --- Families: section 4 ---

TEST(race_engine, the_families_take_turns_led_by_that_of_the_first_address) {
    EXPECT_EQ(order_of({{0, v6}, {1, v6}, {2, v4}, {3, v4}}), (std::vector<std::size_t>{0, 2, 1, 3}));
    EXPECT_EQ(order_of({{0, v4}, {1, v4}, {2, v4}, {3, v6}, {4, v6}}), (std::vector<std::size_t>{0, 3, 1, 4, 2}));
    EXPECT_EQ(order_of({{3, v4}, {1, v6}, {2, v4}}), (std::vector<std::size_t>{3, 1, 2}));
}

TEST(race_engine, one_family_keeps_its_order) {
    EXPECT_EQ(order_of({{4, v6}, {2, v6}, {3, v6}}), (std::vector<std::size_t>{4, 2, 3}));
}

TEST(race_engine, the_first_family_count_counts_once_and_not_in_every_round) {
    const list four_and_four{{0, v6}, {1, v6}, {2, v6}, {3, v6}, {4, v4}, {5, v4}, {6, v4}, {7, v4}};
    EXPECT_EQ(order_of(four_and_four, 2), (std::vector<std::size_t>{0, 1, 4, 2, 5, 3, 6, 7}));
    EXPECT_EQ(order_of(four_and_four, 0), order_of(four_and_four, 1));
    EXPECT_EQ(order_of(four_and_four, 9), (std::vector<std::size_t>{0, 1, 2, 3, 4, 5, 6, 7}));
}

TEST(race_engine, the_first_family_count_is_void_once_the_other_family_had_to_go_first) {
    race it = resolving({.first_family_count = 3});
    it.on_addresses(list{{2, v4}, {3, v4}});
    it.on_answered(v4);
    EXPECT_EQ(it.at(0ms), wait(50ms));
    EXPECT_EQ(it.at(50ms), start(2));
    it.on_addresses(list{{0, v6}, {1, v6}, {2, v4}, {3, v4}});
    it.on_answered(v6);
    EXPECT_EQ(it.at(300ms), start(0));
    EXPECT_EQ(it.at(550ms), start(3));
    EXPECT_EQ(it.at(800ms), start(1));
}

TEST(race_engine, an_address_that_is_named_twice_is_tried_once) {
    EXPECT_EQ(order_of({{0, v4}, {0, v4}, {1, v4}, {0, v4}}), (std::vector<std::size_t>{0, 1}));
}

// --- News during the race: section 6 ---

TEST(race_engine, a_late_family_goes_ahead_of_what_is_left_of_the_other_and_the_timer_runs_on) {
    race it = resolving();
    it.on_addresses(list{{0, v6}, {1, v6}, {2, v6}});
    it.on_answered(v6);
    EXPECT_EQ(it.at(0ms), start(0));
    it.on_addresses(list{{0, v6}, {1, v6}, {2, v6}, {3, v4}});
    it.on_answered(v4);
    EXPECT_EQ(it.at(100ms), wait(250ms));
    EXPECT_EQ(it.at(250ms), start(3));
    EXPECT_EQ(it.at(500ms), start(1));
}

TEST(race_engine, a_late_address_finds_the_delay_over_and_is_tried_at_once) {
    race it = resolving();
    it.on_addresses(list{{0, v6}});
    it.on_answered(v6);
    EXPECT_EQ(it.at(0ms), start(0));
    it.on_addresses(list{{0, v6}, {1, v4}});
    it.on_answered(v4);
    EXPECT_EQ(it.at(400ms), start(1));
}

TEST(race_engine, a_late_address_after_the_newest_failed_is_tried_at_once_though_an_older_one_runs) {
    race it = resolving();
    it.on_addresses(list{{0, v6}, {1, v6}});
    it.on_answered(v6);
    EXPECT_EQ(it.at(0ms), start(0));
    EXPECT_EQ(it.at(250ms), start(1));
    it.on_failed(1);
    EXPECT_EQ(it.at(260ms), wait_for_news);
    it.on_addresses(list{{0, v6}, {1, v6}, {2, v4}});
    EXPECT_EQ(it.at(300ms), start(2));
}

TEST(race_engine, a_withdrawn_address_is_not_tried) {
    race it{of_one_family(3)};
    EXPECT_EQ(it.at(0ms), start(0));
    it.on_addresses(list{{0, v4}, {2, v4}});
    EXPECT_EQ(it.at(250ms), start(2));
}

TEST(race_engine, a_withdrawn_address_that_is_being_tried_goes_on_and_may_win) {
    race it{of_one_family(2)};
    EXPECT_EQ(it.at(0ms), start(0));
    it.on_addresses(list{{1, v4}});
    EXPECT_EQ(it.at(100ms), wait(250ms));
    it.on_connected(0);
    EXPECT_EQ(it.at(240ms), won_by(0));
}

TEST(race_engine, an_address_that_was_tried_is_not_tried_again) {
    race it{of_one_family(2)};
    EXPECT_EQ(it.at(0ms), start(0));
    it.on_failed(0);
    EXPECT_EQ(it.at(20ms), start(1));
    it.on_addresses(of_one_family(2));
    it.on_failed(1);
    EXPECT_EQ(it.at(30ms), end(ending::all_failed));
}

// --- Limits ---

TEST(race_engine, an_attempt_out_of_time_is_closed_and_counts_as_failed) {
    race it{of_one_family(2), {.attempt_timeout = 200ms}};
    EXPECT_EQ(it.at(0ms), start(0));
    EXPECT_EQ(it.at(0ms), wait(200ms));
    EXPECT_EQ(it.at(200ms), close(0, cause::attempt_timeout));
    EXPECT_EQ(it.at(200ms), start(1));
    EXPECT_EQ(it.at(200ms), wait(400ms));
    EXPECT_EQ(it.at(400ms), close(1, cause::attempt_timeout));
    EXPECT_EQ(it.at(400ms), end(ending::all_failed));
}

TEST(race_engine, an_older_attempt_out_of_time_leaves_the_newest_its_delay) {
    race it{of_one_family(3), {.attempt_timeout = 400ms}};
    EXPECT_EQ(it.at(0ms), start(0));
    EXPECT_EQ(it.at(250ms), start(1));
    EXPECT_EQ(it.at(250ms), wait(400ms));
    EXPECT_EQ(it.at(400ms), close(0, cause::attempt_timeout));
    EXPECT_EQ(it.at(400ms), wait(500ms));
    EXPECT_EQ(it.at(500ms), start(2));
}

TEST(race_engine, an_attempt_that_connects_on_the_tick_of_its_limit_wins) {
    race it{of_one_family(1), {.attempt_timeout = 200ms}};
    EXPECT_EQ(it.at(0ms), start(0));
    it.on_connected(0);
    EXPECT_EQ(it.at(200ms), won_by(0));
}

TEST(race_engine, what_a_closed_attempt_still_says_is_ignored) {
    race it{of_one_family(3), {.attempt_timeout = 200ms}};
    EXPECT_EQ(it.at(0ms), start(0));
    EXPECT_EQ(it.at(200ms), close(0, cause::attempt_timeout));
    EXPECT_EQ(it.at(200ms), start(1));
    it.on_connected(0);
    it.on_failed(0);
    EXPECT_EQ(it.at(201ms), wait(400ms));
}

TEST(race_engine, an_attempt_limit_of_zero_or_less_tries_nothing) {
    for (const duration limit : {duration{0ms}, duration{-5s}, duration::min()}) {
        race it{of_one_family(2), {.attempt_timeout = limit}};
        EXPECT_EQ(it.at(0ms), end(ending::timed_out));
    }
}

TEST(race_engine, no_more_run_at_a_time_than_may) {
    race it{of_one_family(4), {.max_in_flight = 2}};
    EXPECT_EQ(it.at(0ms), start(0));
    EXPECT_EQ(it.at(250ms), start(1));
    EXPECT_EQ(it.at(250ms), wait_for_news);
    EXPECT_EQ(it.at(600ms), wait_for_news);
    it.on_failed(0);
    EXPECT_EQ(it.at(1000ms), start(2));  // the delay is long over
    it.on_failed(1);
    EXPECT_EQ(it.at(1001ms), wait(1250ms));  // there is room, and it is not
    it.on_failed(2);
    EXPECT_EQ(it.at(1020ms), start(3));
}

TEST(race_engine, room_for_none_is_room_for_one) {
    race it{of_one_family(2), {.max_in_flight = 0}};
    EXPECT_EQ(it.at(0ms), start(0));
    EXPECT_EQ(it.at(250ms), wait_for_news);
    it.on_failed(0);
    EXPECT_EQ(it.at(300ms), start(1));
}

TEST(race_engine, the_limit_closes_all_attempts_and_ends_it) {
    race it{of_one_family(3), {.timeout = 300ms}};
    EXPECT_EQ(it.at(0ms), start(0));
    EXPECT_EQ(it.at(250ms), start(1));
    EXPECT_EQ(it.at(250ms), wait(300ms));
    EXPECT_EQ(it.at(300ms), close(0, cause::timed_out));
    EXPECT_EQ(it.at(300ms), close(1, cause::timed_out));
    EXPECT_EQ(it.at(300ms), end(ending::timed_out));
}

TEST(race_engine, the_limit_covers_lookups_and_attempts_together) {
    race it = resolving({.timeout = 4s});
    EXPECT_EQ(it.at(0ms), wait(4s));
    it.on_addresses(list{{0, v6}});
    it.on_answered(v6);
    it.on_answered(v4);
    EXPECT_EQ(it.at(2s), start(0));
    EXPECT_EQ(it.at(2s), wait(4s));
    EXPECT_EQ(it.at(4s), close(0, cause::timed_out));
    EXPECT_EQ(it.at(4s), end(ending::timed_out));
}

TEST(race_engine, a_limit_of_zero_or_less_ends_it_before_anything_is_tried) {
    for (const duration limit : {duration{0ms}, duration{-5s}, duration::min()}) {
        race it{of_one_family(1), {.timeout = limit}};
        EXPECT_EQ(it.at(0ms), end(ending::timed_out));
    }
}

TEST(race_engine, a_limit_on_the_tick_of_the_delay_starts_nothing_more) {
    race it{of_one_family(2), {.timeout = 250ms}};
    EXPECT_EQ(it.at(0ms), start(0));
    EXPECT_EQ(it.at(250ms), close(0, cause::timed_out));
    EXPECT_EQ(it.at(250ms), end(ending::timed_out));
}

TEST(race_engine, what_is_told_on_the_tick_of_the_limit_counts) {
    race won{of_one_family(1), {.timeout = 1s}};
    EXPECT_EQ(won.at(0ms), start(0));
    won.on_connected(0);
    EXPECT_EQ(won.at(1s), won_by(0));

    race failed{of_one_family(1), {.timeout = 1s}};
    EXPECT_EQ(failed.at(0ms), start(0));
    failed.on_failed(0);
    EXPECT_EQ(failed.at(1s), end(ending::all_failed));
}

TEST(race_engine, of_limit_and_deadline_the_earlier_counts) {
    race limit{of_one_family(1), {.timeout = 50ms, .deadline = t0 + 5s}};
    EXPECT_EQ(limit.at(0ms), start(0));
    EXPECT_EQ(limit.at(0ms), wait(50ms));

    race deadline{of_one_family(1), {.timeout = 5s, .deadline = t0 + 50ms}};
    EXPECT_EQ(deadline.at(0ms), start(0));
    EXPECT_EQ(deadline.at(0ms), wait(50ms));

    race past{of_one_family(1), {.timeout = 5s, .deadline = t0 - 1h}};
    EXPECT_EQ(past.at(0ms), end(ending::timed_out));
}

TEST(race_engine, limits_of_never_and_delays_of_never_do_not_overflow) {
    for (const duration much : {never, duration::max() - 1ns}) {
        race it = resolving({.attempt_delay = much,
            .resolution_delay = much,
            .spacing = much,
            .attempt_timeout = much,
            .timeout = much});
        it.on_addresses(list{{0, v4}});
        it.on_answered(v4);
        EXPECT_EQ(it.at(0ms), wait_for_news);
        it.on_addresses(list{{1, v6}, {0, v4}});
        it.on_answered(v6);
        EXPECT_EQ(it.at(1ms), start(1));
        EXPECT_EQ(it.at(1ms), wait_for_news);
        EXPECT_EQ(it.at(24h * 365 * 200), wait_for_news);
    }
}

TEST(race_engine, without_a_delay_for_racing_only_failures_move_on) {
    race it{of_one_family(2), {.attempt_delay = never}};
    EXPECT_EQ(it.at(0ms), start(0));
    EXPECT_EQ(it.at(24h), wait_for_news);
    it.on_failed(0);
    EXPECT_EQ(it.at(25h), start(1));
}

// --- Cancellation ---

TEST(race_engine, a_cancelled_race_closes_all_attempts_and_starts_none) {
    race it{of_one_family(3)};
    EXPECT_EQ(it.at(0ms), start(0));
    EXPECT_EQ(it.at(250ms), start(1));
    it.on_cancelled();
    EXPECT_EQ(it.at(300ms), close(0, cause::cancelled));
    it.on_failed(0);  // as an aborted attempt would
    EXPECT_EQ(it.at(300ms), close(1, cause::cancelled));
    it.on_failed(1);
    EXPECT_EQ(it.at(300ms), end(ending::cancelled));
    EXPECT_EQ(it.at(1h), end(ending::cancelled));
}

TEST(race_engine, cancelled_before_its_first_step_it_does_nothing) {
    race it{of_one_family(1)};
    it.on_cancelled();
    EXPECT_EQ(it.at(0ms), end(ending::cancelled));
}

TEST(race_engine, cancelled_during_lookup_or_window_it_ends_at_once) {
    race lookup = resolving();
    EXPECT_EQ(lookup.at(0ms), wait_for_news);
    lookup.on_cancelled();
    EXPECT_EQ(lookup.at(30ms), end(ending::cancelled));

    race window = resolving();
    window.on_addresses(list{{0, v4}});
    window.on_answered(v4);
    EXPECT_EQ(window.at(0ms), wait(50ms));
    window.on_cancelled();
    EXPECT_EQ(window.at(20ms), end(ending::cancelled));
}

TEST(race_engine, when_success_and_cancellation_meet_the_one_told_first_counts) {
    race connected{of_one_family(1)};
    EXPECT_EQ(connected.at(0ms), start(0));
    connected.on_connected(0);
    connected.on_cancelled();
    EXPECT_EQ(connected.at(100ms), won_by(0));

    race cancelled{of_one_family(1)};
    EXPECT_EQ(cancelled.at(0ms), start(0));
    cancelled.on_cancelled();
    cancelled.on_connected(0);
    EXPECT_EQ(cancelled.at(100ms), close(0, cause::cancelled));
    EXPECT_EQ(cancelled.at(100ms), end(ending::cancelled));
}

TEST(race_engine, cancelled_and_timed_out_are_different_ends) {
    race it{of_one_family(1), {.timeout = 100ms}};
    EXPECT_EQ(it.at(0ms), start(0));
    it.on_cancelled();
    EXPECT_EQ(it.at(100ms), close(0, cause::cancelled));
    EXPECT_EQ(it.at(100ms), end(ending::cancelled));
}

// --- For TCP Fast Open ---

TEST(race_engine, one_address_is_left_only_when_nothing_else_runs_waits_or_may_come) {
    race it = resolving();
    EXPECT_FALSE(it.only_one_left());
    it.on_addresses(list{{0, v6}, {1, v6}});
    it.on_answered(v6);
    EXPECT_FALSE(it.only_one_left());
    it.on_answered(v4);
    EXPECT_FALSE(it.only_one_left());  // two wait
    EXPECT_EQ(it.at(0ms), start(0));
    EXPECT_FALSE(it.only_one_left());  // one runs, one waits
    it.on_failed(0);
    EXPECT_TRUE(it.only_one_left());
    EXPECT_EQ(it.at(20ms), start(1));
    EXPECT_TRUE(it.only_one_left());
}

}  // namespace
}  // namespace dial::race
