// When a breaker opens and closes, in virtual time.
#include <breaker/book.hpp>
#include <breaker/engine.hpp>

#include <boost/asio/error.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <ostream>
#include <random>
#include <string>
#include <vector>

namespace dial::breaking {

constexpr time_point t0{std::chrono::seconds{1000}};

inline void PrintTo(const let_through& l, std::ostream* out) {
    *out << "let through with " << l.with.breaker << '/' << l.with.generation;
}
inline void PrintTo(const refuse& r, std::ostream* out) {
    *out << "refuse";
    if (r.until) *out << " until " << std::chrono::duration<double, std::milli>{*r.until - t0}.count() << " ms";
}

namespace {

using namespace std::chrono_literals;
using enum outcome;

answer refused_until(duration when) {
    return refuse{saturating_add(t0, when)};
}
const answer one_is_out = refuse{};

bool passes(const answer& a) {
    return std::holds_alternative<let_through>(a);
}

struct breaker : engine {
    explicit breaker(const breaker_options& options = {}) : engine{options} {}

    answer at(duration when) { return ask(t0 + when); }
    permit begin(duration when) { return std::get<let_through>(at(when)).with; }
    void end(const permit& p, outcome how, duration when) { on_ended(p, how, t0 + when); }
    // So many connects, one after the other.
    void run(int count, outcome how, duration when = 0s) {
        for (int i = 0; i != count; ++i) end(begin(when), how, when);
    }
};

// --- Open ---

TEST(breaker_engine, lets_all_through_while_it_is_closed) {
    breaker b;
    for (int i = 0; i != 100; ++i) EXPECT_TRUE(passes(b.at(0s)));
    b.run(100, connected);
    b.run(4, failed);
    EXPECT_TRUE(passes(b.at(0s)));
    EXPECT_TRUE(b.is_closed());
}

TEST(breaker_engine, opens_after_five_failures_in_a_row_for_ten_seconds) {
    breaker b;
    b.run(5, failed, 1s);
    EXPECT_FALSE(b.is_closed());
    EXPECT_EQ(b.at(1s), refused_until(11s));
    EXPECT_EQ(b.at(11s - 1ns), refused_until(11s));
    EXPECT_TRUE(passes(b.at(11s)));
}

TEST(breaker_engine, opens_after_as_many_as_the_options_say) {
    for (const int failures : {1, 2, 9}) {
        breaker b{breaker_options(failures)};
        b.run(failures - 1, failed);
        EXPECT_TRUE(b.is_closed());
        b.run(1, failed);
        EXPECT_FALSE(b.is_closed());
    }
}

TEST(breaker_engine, fewer_failures_than_one_are_one) {
    for (const int failures : {0, -7, std::numeric_limits<int>::min()}) {
        EXPECT_EQ(breaker_options(failures).failures(), 1);
        breaker b{breaker_options(failures)};
        b.run(1, failed);
        EXPECT_FALSE(b.is_closed());
    }
}

TEST(breaker_engine, one_that_connects_starts_the_count_anew) {
    breaker b;
    b.run(4, failed);
    b.run(1, connected);
    b.run(4, failed);
    EXPECT_TRUE(b.is_closed());
    b.run(1, failed);
    EXPECT_FALSE(b.is_closed());
}

TEST(breaker_engine, an_unknown_outcome_says_nothing_either_way) {
    breaker b;
    b.run(4, failed);
    b.run(100, unknown);
    EXPECT_TRUE(b.is_closed());
    b.run(1, failed);
    EXPECT_FALSE(b.is_closed());
}

TEST(breaker_engine, counts_connects_at_the_same_time_in_the_order_in_which_they_end) {
    breaker b;
    std::vector<permit> running;
    for (int i = 0; i != 10; ++i) running.push_back(b.begin(0s));
    for (std::size_t i = 0; i != 4; ++i) b.end(running[i], failed, 1s);
    b.end(running[4], connected, 1s);
    for (std::size_t i = 5; i != 9; ++i) b.end(running[i], failed, 1s);
    EXPECT_TRUE(b.is_closed());
    b.end(running[9], failed, 2s);
    EXPECT_EQ(b.at(2s), refused_until(12s));
}

// --- Half open ---

TEST(breaker_engine, lets_exactly_one_through_to_see) {
    breaker b;
    b.run(5, failed);
    const permit probe = b.begin(10s);
    EXPECT_EQ(b.at(10s), one_is_out);
    EXPECT_EQ(b.at(1h), one_is_out) << "however long it takes";
    b.end(probe, connected, 1h);
    EXPECT_TRUE(b.is_closed());
    for (int i = 0; i != 10; ++i) EXPECT_TRUE(passes(b.at(1h)));
}

TEST(breaker_engine, closed_again_it_counts_from_zero) {
    breaker b;
    b.run(5, failed);
    b.run(1, connected, 10s);
    b.run(4, failed, 11s);
    EXPECT_TRUE(b.is_closed());
    b.run(1, failed, 12s);
    EXPECT_EQ(b.at(12s), refused_until(22s));
}

TEST(breaker_engine, opens_again_for_as_long_when_that_one_fails) {
    breaker b;
    b.run(5, failed);
    for (duration at : {duration{10s}, duration{25s}, duration{1h}}) {
        b.run(1, failed, at);
        EXPECT_EQ(b.at(at), refused_until(at + 10s));
    }
}

TEST(breaker_engine, the_time_that_it_is_open_counts_from_the_failure) {
    breaker b;
    b.run(5, failed);
    const permit probe = b.begin(10s);
    b.end(probe, failed, 40s);
    EXPECT_EQ(b.at(40s), refused_until(50s));
}

TEST(breaker_engine, the_time_that_it_is_open_doubles_up_to_the_ceiling) {
    breaker b{breaker_options().open_for(10s).max_open_for(35s)};
    b.run(5, failed);
    EXPECT_EQ(b.at(0s), refused_until(10s));
    b.run(1, failed, 10s);
    EXPECT_EQ(b.at(10s), refused_until(30s));
    b.run(1, failed, 30s);
    EXPECT_EQ(b.at(30s), refused_until(65s));
    b.run(1, failed, 65s);
    EXPECT_EQ(b.at(65s), refused_until(100s));
    b.run(1, unknown, 100s);
    b.run(1, failed, 100s);
    EXPECT_EQ(b.at(100s), refused_until(135s));
    b.run(1, connected, 135s);
    b.run(5, failed, 200s);
    EXPECT_EQ(b.at(200s), refused_until(210s)) << "short again, after it had closed";
}

TEST(breaker_engine, when_that_one_is_cancelled_the_next_is_to_see) {
    breaker b;
    b.run(5, failed);
    const permit cancelled = b.begin(10s);
    b.end(cancelled, unknown, 11s);
    b.end(cancelled, connected, 11s);
    EXPECT_FALSE(b.is_closed()) << "it was told already how that ended";
    const permit probe = b.begin(11s);
    EXPECT_NE(probe, cancelled);
    EXPECT_EQ(b.at(11s), one_is_out);
    b.end(cancelled, connected, 12s);
    EXPECT_EQ(b.at(12s), one_is_out);
    b.end(probe, connected, 13s);
    EXPECT_TRUE(b.is_closed());
}

TEST(breaker_engine, connects_begun_before_the_state_changed_count_for_nothing) {
    breaker b;
    std::vector<permit> old;
    for (int i = 0; i != 6; ++i) old.push_back(b.begin(0s));
    b.run(5, failed, 1s);
    b.end(old[0], connected, 2s);
    EXPECT_EQ(b.at(2s), refused_until(11s)) << "while it is open";
    b.end(old[1], failed, 3s);
    EXPECT_EQ(b.at(3s), refused_until(11s));
    const permit probe = b.begin(11s);
    b.end(old[2], connected, 12s);
    b.end(old[3], failed, 12s);
    b.end(old[4], unknown, 12s);
    EXPECT_EQ(b.at(12s), one_is_out) << "while one is to see";
    b.end(probe, connected, 13s);
    b.run(4, failed, 13s);
    b.end(old[5], failed, 13s);
    b.end(probe, failed, 13s);
    EXPECT_TRUE(b.is_closed()) << "and when it is closed again";
}

TEST(breaker_engine, open_for_no_time_it_lets_one_after_the_other_through) {
    for (const duration none : {duration{0}, duration{-1s}, duration::min()}) {
        breaker b{breaker_options().open_for(none)};
        b.run(5, failed);
        const permit probe = b.begin(0s);
        EXPECT_EQ(b.at(0s), one_is_out);
        b.end(probe, failed, 0s);
        EXPECT_TRUE(passes(b.at(0s)));
    }
}

TEST(breaker_engine, the_longest_durations_do_not_overflow) {
    breaker forever{breaker_options().open_for(never)};
    forever.run(5, failed);
    EXPECT_EQ(forever.at(24h * 365), answer{refuse{time_point::max()}});
    breaker grows{breaker_options().max_open_for(never)};
    grows.run(5, failed);
    for (int i = 0; i != 100; ++i) grows.on_ended(std::get<let_through>(grows.ask(time_point::max())).with, failed, t0);
    EXPECT_EQ(grows.ask(t0), answer{refuse{time_point::max()}});
}

TEST(breaker_engine, a_ceiling_below_open_for_changes_nothing) {
    for (const duration ceiling : {duration{1s}, duration{0}, duration::min()}) {
        breaker b{breaker_options().max_open_for(ceiling)};
        b.run(5, failed);
        b.run(1, failed, 10s);
        EXPECT_EQ(b.at(10s), refused_until(20s));
    }
}

// --- What counts ---

TEST(breaker_engine, all_errors_count_but_cancellation_and_what_is_not_about_the_target) {
    const breaker_options options;
    EXPECT_EQ(outcome_of({}, options), connected);
    EXPECT_EQ(outcome_of(boost::asio::error::operation_aborted, options), unknown);
    for (const error e : {error::invalid_target, error::invalid_option, error::breaker_open})
        EXPECT_EQ(outcome_of(e, options), unknown) << error_code{e};
    for (const error e : {error::timeout, error::no_addresses, error::proxy_closed, error::proxy_protocol})
        EXPECT_EQ(outcome_of(e, options), failed) << error_code{e};
    for (const int code : {ECONNREFUSED, ETIMEDOUT, EACCES, EINVAL})
        EXPECT_EQ(outcome_of({code, boost::system::system_category()}, options), failed) << code;
    EXPECT_EQ(outcome_of(boost::asio::error::host_not_found, options), failed);
}

TEST(breaker_engine, the_options_say_what_counts_but_cancellation_never_does) {
    const auto all = breaker_options().counts([](const error_code&) { return true; });
    EXPECT_EQ(outcome_of(error::invalid_target, all), failed);
    EXPECT_EQ(outcome_of(boost::asio::error::operation_aborted, all), unknown);
    EXPECT_EQ(outcome_of({}, all), connected);
    const auto timeouts = breaker_options().counts([](const error_code& e) { return e == error::timeout; });
    EXPECT_EQ(outcome_of(error::timeout, timeouts), failed);
    EXPECT_EQ(outcome_of(boost::asio::error::connection_refused, timeouts), unknown);
    EXPECT_EQ(outcome_of(boost::asio::error::connection_refused, breaker_options().counts({})), failed);
}

// --- Against a model that reads through all that has happened at each question ---

TEST(breaker_engine, says_what_a_diary_says) {
    int opened = 0, probed = 0, closed_again = 0, refused = 0;
    for (unsigned seed = 0; seed != 500; ++seed) {
        std::mt19937 random{seed};
        const auto up_to = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
        const int failures = 1 + static_cast<int>(up_to(4));
        const unsigned bad = 20 + up_to(80);
        breaker b{breaker_options(failures).open_for(10s)};

        enum class phase { closed, open, half_open };
        struct connect {
            permit with;
            std::size_t begun;  // how many changes of phase there were before
        };
        std::vector<connect> running;
        std::vector<outcome> ended;  // in this phase, as far as it is known
        std::size_t changes = 0;
        phase now_is = phase::closed;
        duration now = 0s, open_until = 0s;
        const auto change = [&](phase to) {
            now_is = to;
            ++changes;
            ended.clear();
        };

        for (int step = 0; step != 300; ++step) {
            now += std::chrono::milliseconds{up_to(10) == 0 ? up_to(20'000) : up_to(500)};
            if (up_to(2) == 0) {
                const answer got = b.at(now);
                if (now_is == phase::open && now >= open_until) change(phase::half_open);
                const bool probe_is_out = now_is == phase::half_open &&
                    std::ranges::any_of(running, [&](const connect& c) { return c.begun == changes; });
                if (now_is == phase::open) {
                    ASSERT_EQ(got, refused_until(open_until)) << "seed " << seed << ", step " << step;
                    ++refused;
                } else if (probe_is_out) {
                    ASSERT_EQ(got, one_is_out) << "seed " << seed << ", step " << step;
                    ++refused;
                } else {
                    ASSERT_TRUE(passes(got)) << "seed " << seed << ", step " << step;
                    running.push_back({std::get<let_through>(got).with, changes});
                    probed += now_is == phase::half_open;
                }
            } else if (!running.empty()) {
                const auto which = running.begin() + up_to(static_cast<unsigned>(running.size()));
                const connect c = *which;
                running.erase(which);
                const outcome how = up_to(5) == 0 ? unknown : up_to(100) < bad ? failed : connected;
                b.end(c.with, how, now);
                if (c.begun != changes || how == unknown) continue;
                ended.push_back(how);
                const auto last = std::find(ended.rbegin(), ended.rend(), connected);
                if (now_is == phase::closed && last - ended.rbegin() >= failures) {
                    open_until = now + 10s;
                    change(phase::open);
                    ++opened;
                } else if (now_is == phase::half_open && how == connected) {
                    change(phase::closed);
                    ++closed_again;
                } else if (now_is == phase::half_open) {
                    open_until = now + 10s;
                    change(phase::open);
                }
                ASSERT_EQ(b.is_closed(), now_is == phase::closed) << "seed " << seed << ", step " << step;
            }
        }
    }
    EXPECT_GT(opened, 1000);
    EXPECT_GT(probed, 1000);
    EXPECT_GT(closed_again, 300);
    EXPECT_GT(refused, 10'000);
}

}  // namespace
}  // namespace dial::breaking
