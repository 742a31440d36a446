// Runs the scenarios of test/data in virtual time: every start, the winner or the error, the end, who was closed.
#include <support/race_cases.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using cause = race::close_attempt::cause;

// A case in which nothing happens for this long has come to its end.
constexpr duration patience = std::chrono::hours{24};

std::string result_of(const race_case& c, const race_record& r) {
    if (!r.end) return "no end";
    return r.end->winner ? "winner " + c.addresses.at(*r.end->winner) : name_of(r.end->how);
}

bool in_time(const race_case& c, const race_record& r) {
    return !c.ends_at || (r.end && r.ended_at == *c.ends_at);
}

// Everything that was opened is closed, but the winner.
std::size_t left_open(const race_record& r) {
    return r.starts.size() - r.failures.size() - r.closed.size();
}

std::size_t count(const race_record& r, const race_traits& t, const std::string& what) {
    const auto expired =
        static_cast<std::size_t>(std::ranges::count(r.closed, cause::attempt_timeout, &race_close::why));
    if (what == "failed") return r.failures.size() + expired;
    if (what == "cut") return r.closed.size() - expired;
    if (what == "closed") return r.failures.size() + r.closed.size();
    if (what == "open") return left_open(r);
    if (what == "peak") return t.peak;
    throw std::runtime_error{"no such count: " + what};
}

// The first thing that is not as expected; nothing if all is.
std::string differs(const race_case& c, const race_record& r, const race_traits& t) {
    if (!c.expected.result.empty()) {
        if (result_of(c, r) != c.expected.result) return "expected " + c.expected.result;
        if (!in_time(c, r)) return "the end is at another time";
    }
    const auto by_time = [](std::vector<race_start> starts) {  // the file may list those of one tick in any order
        std::ranges::sort(starts, {}, [](const race_start& s) { return std::pair{s.at, s.index}; });
        return starts;
    };
    if (c.starts && by_time(r.starts) != by_time(*c.starts)) return "the starts differ";
    if (!c.order.empty() && !std::ranges::equal(r.starts, c.order, {}, &race_start::index)) return "the order differs";
    for (const auto& [what, expected] : c.counts)
        if (count(r, t, what) != expected) return what + ": expected " + std::to_string(expected);
    if (c.no_timer_left && t.timer_left) return "a timer was left armed";
    return {};
}

// In a tie, several answers are right; time and cleanliness are not open to choice.
bool is_also_right(const race_case& c, const race_record& r) {
    if (!in_time(c, r) || left_open(r) != (r.end->winner ? 1u : 0u)) return false;
    return std::ranges::any_of(c.also_right, [&](const race_answer& a) {
        if (a.started) return r.starts.size() == *a.started && result_of(c, r) == c.expected.result;
        return result_of(c, r) == a.result;
    });
}

struct tally {
    int run = 0, exact = 0;
    std::map<std::string, std::vector<std::string>> skipped;  // by reason
};

std::ostream& operator<<(std::ostream& out, const tally& t) {
    out << t.run << " scenarios run, " << t.exact << " of them as the reference does, " << t.run - t.exact
        << " with another right answer";
    std::size_t skipped = 0;
    for (const auto& [reason, ids] : t.skipped) skipped += ids.size();
    out << ", " << skipped << " skipped\n";
    for (const auto& [reason, ids] : t.skipped) {
        out << "  " << reason << ":";
        for (const std::string& id : ids) out << ' ' << id;
        out << '\n';
    }
    return out;
}

void run_file(const std::string& name, int expected_to_run) {
    tally t;
    for (const race_case& c : read_race_cases(DIAL_TEST_DATA "/" + name)) {
        if (!c.skip.empty()) {
            t.skipped[c.skip].push_back(c.id);
            continue;
        }
        ++t.run;
        race_traits traits;
        const race_record record = run_race(c.script, patience, &traits);
        EXPECT_EQ(traits.broken, "") << c.id;
        const std::string difference = differs(c, record, traits);
        if (difference.empty())
            ++t.exact;
        else
            EXPECT_TRUE(is_also_right(c, record)) << c.id << ' ' << c.title << ": " << difference << c.script << record;
    }
    EXPECT_EQ(t.run, expected_to_run);
    std::cout << name << ": " << t;
}

TEST(race_scenarios, races_over_a_list) {
    run_file("race.txt", 69);
}

TEST(race_scenarios, answers_of_the_resolver) {
    run_file("resolve.txt", 51);
}

TEST(race_scenarios, cancellation_and_limits) {
    run_file("cancel.txt", 26);
}

// K067: the whole race table again, each race cancelled after 5 ms, told before and told after what happens on that tick.
TEST(race_scenarios, every_race_cancelled_after_5_ms_ends_then) {
    for (const bool first : {true, false}) {
        for (race_case c : read_race_cases(DIAL_TEST_DATA "/race.txt")) {
            if (!c.skip.empty()) continue;
            SCOPED_TRACE(c.id);
            const race_record uncut = run_race(c.script, patience);
            c.script.cancel_at = 5ms;
            c.script.cancel_comes_first = first;
            race_traits traits;
            const race_record record = run_race(c.script, patience, &traits);
            EXPECT_EQ(traits.broken, "");
            if (uncut.ended_at < 5ms || (uncut.ended_at == 5ms && !first && uncut.end->winner)) {
                EXPECT_EQ(record, uncut);
                continue;
            }
            EXPECT_EQ(result_of(c, record), "cancelled");
            EXPECT_EQ(record.ended_at, duration{5ms});
            EXPECT_EQ(left_open(record), 0u);
            for (const race_start& s : record.starts) EXPECT_LT(s.at, duration{5ms}) << "started after the cancel";
        }
    }
}

}  // namespace
}  // namespace dial::test
