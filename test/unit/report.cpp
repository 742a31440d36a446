#include "../support/report_story.hpp"

#include <dial/report.hpp>

#include <gtest/gtest.h>

#include <cerrno>
#include <limits>
#include <set>
#include <string>
#include <type_traits>

namespace {

using namespace std::chrono_literals;
using dial::address_family;
using dial::event;
using dial::outcome;
using dial::report;
using dial::test::endpoint;
using dial::test::story;
using dial::test::story_begin;
using dial::test::system_error;

TEST(report, is_safe_in_a_coroutine_with_gcc_12) {
    EXPECT_FALSE(std::is_aggregate_v<report>);
    EXPECT_FALSE(std::is_aggregate_v<report::phase>);
    EXPECT_FALSE(std::is_aggregate_v<report::lookup>);
    EXPECT_FALSE(std::is_aggregate_v<report::attempt>);
    EXPECT_TRUE(std::is_trivially_destructible_v<event>);
}

TEST(report, is_neither_over_nor_ok_before_the_dial_begins) {
    const report r;
    EXPECT_FALSE(r.over());
    EXPECT_FALSE(r.ok());
    EXPECT_EQ(r.winner(), nullptr);
    EXPECT_EQ(r.total(), 0ns);
    EXPECT_EQ(r.target(), "");
}

TEST(report, counts_times_from_the_beginning) {
    const report r = dial::test::rescue();
    EXPECT_EQ(r.target(), "example.net:443");
    EXPECT_EQ(r.total(), 318ms);
    ASSERT_EQ(r.lookups().size(), 2u);
    EXPECT_EQ(r.lookups()[1].family, address_family::v4);
    EXPECT_EQ(r.lookups()[1].started, 0ms);
    EXPECT_EQ(r.lookups()[1].ended, 31ms);
    EXPECT_EQ(r.lookups()[1].how, outcome::done);
    EXPECT_EQ(r.lookups()[0].addresses.size(), 2u);
    ASSERT_EQ(r.attempts().size(), 2u);
    EXPECT_EQ(r.attempts()[0].how, outcome::another_won);
    EXPECT_EQ(r.attempts()[1].started, 262ms);
    EXPECT_EQ(r.attempts()[1].ended, 318ms);
}

TEST(report, has_a_winner_when_the_dial_succeeded) {
    const report r = dial::test::rescue();
    EXPECT_TRUE(r.ok());
    ASSERT_NE(r.winner(), nullptr);
    EXPECT_EQ(r.winner()->peer, endpoint("192.0.2.7", 443));
    EXPECT_EQ(r.winner()->local, endpoint("192.0.2.1", 50000));
    EXPECT_EQ(r.winner()->index, 2u);
}

TEST(report, has_no_winner_when_the_dial_failed) {
    const report r = story{"h:1"}
                         .started(1ms, 0, "192.0.2.7", 1)
                         .connected(2ms, 0)
                         .over(2ms, boost::system::errc::make_error_code(boost::system::errc::operation_canceled))
                         .report;
    EXPECT_FALSE(r.ok());
    EXPECT_TRUE(r.over());
    EXPECT_EQ(r.winner(), nullptr);
}

TEST(report, has_a_winner_whose_success_is_deferred) {
    const report r = story{"h:1"}.started(1ms, 5, "192.0.2.7", 1).ended(2ms, 5, outcome::deferred).over(2ms).report;
    ASSERT_NE(r.winner(), nullptr);
    EXPECT_EQ(r.winner()->how, outcome::deferred);
}

TEST(report, keeps_error_and_note_of_an_attempt) {
    const report r = story{"h:1"}
                         .started(1ms, 0, "192.0.2.7", 1)
                         .ended(2ms, 0, outcome::failed, system_error(EPERM), "SO_MARK")
                         .over(2ms, system_error(EPERM))
                         .report;
    EXPECT_EQ(r.error(), system_error(EPERM));
    EXPECT_EQ(r.attempts()[0].error, system_error(EPERM));
    EXPECT_EQ(r.attempts()[0].note, "SO_MARK");
    EXPECT_EQ(r.attempts()[0].peer, endpoint("192.0.2.7", 1));  // from the start: the end need not say it again
}

TEST(report, keeps_phases_by_name) {
    report r;
    r.begin("h:1", story_begin);
    r.on_event({.what = event::subject::phase, .when = story_begin + 1ms, .phase = "resolve"});
    r.on_event({.what = event::subject::phase, .when = story_begin + 3ms, .phase = "race"});
    r.on_event({.what = event::subject::phase,
        .ended = true,
        .when = story_begin + 4ms,
        .how = outcome::done,
        .phase = "resolve"});
    ASSERT_EQ(r.phases().size(), 2u);
    EXPECT_EQ(r.phases()[0].name, "resolve");
    EXPECT_EQ(r.phases()[0].ended, 4ms);
    EXPECT_EQ(r.phases()[0].how, outcome::done);
    EXPECT_EQ(r.phases()[1].how, outcome::pending);
}

TEST(report, begin_empties_it) {
    report r = dial::test::rescue();
    r.begin("other:1", story_begin);
    EXPECT_EQ(r.target(), "other:1");
    EXPECT_FALSE(r.over());
    EXPECT_TRUE(r.attempts().empty() && r.lookups().empty() && r.phases().empty());
}

TEST(report, an_end_without_a_start_is_a_start_as_well) {
    const report r = story{"h:1"}.ended(5ms, 3, outcome::failed, system_error(EMFILE)).report;
    ASSERT_EQ(r.attempts().size(), 1u);
    EXPECT_EQ(r.attempts()[0].index, 3u);
    EXPECT_EQ(r.attempts()[0].started, 5ms);
    EXPECT_EQ(r.attempts()[0].ended, 5ms);
    EXPECT_EQ(r.attempts()[0].how, outcome::failed);
}

TEST(report, of_two_starts_and_two_ends_the_first_counts) {
    const report r = story{"h:1"}
                         .started(1ms, 0, "192.0.2.7", 1)
                         .started(2ms, 0, "192.0.2.8", 1)
                         .connected(3ms, 0)
                         .ended(4ms, 0, outcome::cancelled)
                         .report;
    ASSERT_EQ(r.attempts().size(), 1u);
    EXPECT_EQ(r.attempts()[0].started, 1ms);
    EXPECT_EQ(r.attempts()[0].peer, endpoint("192.0.2.7", 1));
    EXPECT_EQ(r.attempts()[0].ended, 3ms);
    EXPECT_EQ(r.attempts()[0].how, outcome::done);
}

TEST(report, what_comes_after_the_end_is_left_out) {
    const report r = story{"h:1"}
                         .started(1ms, 0, "192.0.2.7", 1)
                         .connected(2ms, 0)
                         .over(2ms)
                         .started(3ms, 1, "192.0.2.8", 1)
                         .over(9ms, system_error(EPERM))
                         .report;
    EXPECT_TRUE(r.ok());
    EXPECT_EQ(r.total(), 2ms);
    EXPECT_EQ(r.attempts().size(), 1u);
}

TEST(report, a_lookup_may_be_asked_again) {
    const report r = story{"h:1"}
                         .asked(0ms, address_family::v4)
                         .unanswered(1ms, address_family::v4, outcome::failed)
                         .asked(2ms, address_family::v4)
                         .answered(3ms, address_family::v4, {"192.0.2.7"})
                         .report;
    ASSERT_EQ(r.lookups().size(), 2u);
    EXPECT_EQ(r.lookups()[0].how, outcome::failed);
    EXPECT_EQ(r.lookups()[1].how, outcome::done);
}

TEST(report, addresses_not_started_are_the_last_and_have_no_times) {
    const report r = story{"h:1"}.not_started(7ms, 1, "192.0.2.8", 1).started(8ms, 0, "192.0.2.7", 1).report;
    ASSERT_EQ(r.attempts().size(), 2u);
    EXPECT_EQ(r.attempts()[0].index, 0u);
    EXPECT_EQ(r.attempts()[1].how, outcome::not_started);
    EXPECT_EQ(r.attempts()[1].started, 0ms);
}

TEST(report, what_was_started_cannot_be_not_started) {
    const report r = story{"h:1"}
                         .started(1ms, 0, "192.0.2.7", 1)
                         .not_started(7ms, 0, "192.0.2.7", 1)
                         .started(8ms, 1, "192.0.2.8", 1)
                         .report;
    EXPECT_EQ(r.attempts()[0].how, outcome::cancelled);
    EXPECT_EQ(r.attempts()[0].ended, 7ms);
    EXPECT_EQ(r.attempts()[1].index, 1u);
}

TEST(report, times_never_run_backwards) {
    const report r =
        story{"h:1"}.started(-5ms, 0, "192.0.2.7", 1).started(4ms, 1, "192.0.2.8", 1).connected(1ms, 1).report;
    EXPECT_EQ(r.attempts()[0].started, 0ms);
    EXPECT_EQ(r.attempts()[1].ended, 4ms);
}

TEST(report, without_a_beginning_the_first_event_is_it) {
    report r;
    r.on_event({.what = event::subject::attempt, .when = story_begin});
    r.end({}, story_begin + 3ms);
    EXPECT_EQ(r.attempts()[0].started, 0ms);
    EXPECT_EQ(r.total(), 3ms);

    report never_begun;
    never_begun.end({}, story_begin);
    EXPECT_EQ(never_begun.total(), 0ms);
}

TEST(report, the_widest_span_of_time_does_not_overflow) {
    report r;
    r.begin("h:1", dial::time_point::min());
    r.on_event({.what = event::subject::attempt, .when = dial::time_point::max()});
    r.end(dial::error::timeout, dial::time_point::max());
    EXPECT_EQ(r.total(), dial::duration::max());
    EXPECT_NE(r.to_string(), "");
    EXPECT_NE(r.to_json(), "");
}

TEST(report, an_end_that_does_not_say_how_is_told_by_its_error) {
    const report r =
        story{"h:1"}.ended(1ms, 0, outcome::pending).ended(1ms, 1, outcome::pending, system_error(EPERM)).report;
    EXPECT_EQ(r.attempts()[0].how, outcome::done);
    EXPECT_EQ(r.attempts()[1].how, outcome::failed);
}

TEST(report, each_outcome_has_a_name_of_its_own) {
    std::set<std::string_view> names;
    for (unsigned char i = 0; i <= static_cast<unsigned char>(outcome::not_started); ++i)
        names.insert(to_string(static_cast<outcome>(i)));
    EXPECT_EQ(names.size(), 8u);
    EXPECT_EQ(to_string(outcome::timed_out), "timed_out");
    EXPECT_EQ(to_string(static_cast<outcome>(99)), "unknown");
}

}  // namespace
