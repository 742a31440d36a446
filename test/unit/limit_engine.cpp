// Who may start, in virtual time.
#include <limit/engine.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <limits>
#include <ostream>
#include <random>
#include <vector>

namespace dial::limiting {

constexpr time_point t0{std::chrono::seconds{1000}};

inline void PrintTo(const start& s, std::ostream* out) {
    *out << "start " << static_cast<std::uint64_t>(s.who);
}
inline void PrintTo(const wait_until& w, std::ostream* out) {
    *out << "wait until " << std::chrono::duration<double, std::milli>{w.when - t0}.count() << " ms";
}
inline void PrintTo(const idle&, std::ostream* out) {
    *out << "idle";
}

namespace {

using namespace std::chrono_literals;

constexpr std::size_t any_number = std::numeric_limits<std::size_t>::max();

step wait(duration until) {
    return wait_until{saturating_add(t0, until)};
}

// An engine, and how many have arrived: the first to come is ticket 0.
struct limit : engine {
    explicit limit(const limit_options& options, int arrived = 0) : engine{options} {
        for (int i = 0; i != arrived; ++i) on_arrived();
    }
    step at(duration when) { return next(t0 + when); }
    // How many start now.
    int starts(duration when) {
        int count = 0;
        while (std::holds_alternative<start>(at(when))) ++count;
        return count;
    }
};

step go(std::uint64_t who) {
    return start{ticket{who}};
}

// --- So many at a time ---

TEST(limit_engine, starts_who_arrives_while_there_is_room) {
    limit l{2};
    EXPECT_EQ(l.at(0s), step{idle{}});
    EXPECT_EQ(l.on_arrived(), ticket{0});
    EXPECT_EQ(l.at(0s), go(0));
    EXPECT_EQ(l.at(0s), step{idle{}});
    EXPECT_EQ(l.on_arrived(), ticket{1});
    EXPECT_EQ(l.at(1s), go(1));
    EXPECT_EQ(l.in_flight(), 2u);
}

TEST(limit_engine, the_others_wait_until_one_has_finished) {
    limit l{2, 4};
    EXPECT_EQ(l.starts(0s), 2);
    EXPECT_EQ(l.waiting(), 2u);
    EXPECT_EQ(l.at(1h), step{idle{}});
    l.on_finished();
    EXPECT_EQ(l.at(1h), go(2));
    EXPECT_EQ(l.at(1h), step{idle{}});
    l.on_finished();
    l.on_finished();
    EXPECT_EQ(l.at(1h), go(3));
    EXPECT_EQ(l.in_flight(), 1u);
}

TEST(limit_engine, they_start_in_the_order_they_came_in) {
    limit l{3, 10};
    std::vector<ticket> order;
    for (int i = 0; i != 10; ++i) {
        for (step s = l.at(0s); std::holds_alternative<start>(s); s = l.at(0s)) order.push_back(std::get<start>(s).who);
        l.on_finished();
    }
    EXPECT_EQ(order.size(), 10u);
    EXPECT_TRUE(std::ranges::is_sorted(order));
}

TEST(limit_engine, who_has_withdrawn_is_passed_over) {
    limit l{1, 4};
    EXPECT_EQ(l.at(0s), go(0));
    l.on_withdrawn(ticket{1});
    l.on_withdrawn(ticket{3});
    EXPECT_EQ(l.waiting(), 1u);
    l.on_finished();
    EXPECT_EQ(l.at(0s), go(2));
    l.on_finished();
    EXPECT_EQ(l.at(0s), step{idle{}});
    EXPECT_EQ(l.on_arrived(), ticket{4}) << "no ticket is given twice";
}

TEST(limit_engine, to_withdraw_after_the_start_changes_nothing) {
    limit l{1, 2};
    EXPECT_EQ(l.at(0s), go(0));
    l.on_withdrawn(ticket{0});
    EXPECT_EQ(l.at(0s), step{idle{}}) << "its place is free when it has finished";
    l.on_withdrawn(ticket{99});
    l.on_finished();
    EXPECT_EQ(l.at(0s), go(1));
}

TEST(limit_engine, more_finished_than_started_make_no_room) {
    limit l{1, 2};
    l.on_finished();
    EXPECT_EQ(l.starts(0s), 1);
}

TEST(limit_engine, none_at_a_time_is_one) {
    EXPECT_EQ(limit_options(0).in_flight(), 1u);
    EXPECT_EQ((limit{0, 2}.starts(0s)), 1);
}

TEST(limit_engine, without_a_limit_all_start) {
    limit l{{}, 1000};
    EXPECT_EQ(l.starts(0s), 1000);
}

TEST(limit_engine, a_line_that_withdraws_is_forgotten_while_its_head_waits) {
    limit l{1, 2};
    EXPECT_EQ(l.starts(0s), 1);
    for (int i = 0; i != 100'000; ++i) l.on_withdrawn(l.on_arrived());
    EXPECT_EQ(l.waiting(), 1u);
}

// --- So many a second ---

TEST(limit_engine, starts_are_evenly_spaced) {
    limit l{limit_options().per_second(10), 3};
    EXPECT_EQ(l.at(0s), go(0));
    EXPECT_EQ(l.at(0s), wait(100ms));
    EXPECT_EQ(l.at(100ms - 1ns), wait(100ms));
    EXPECT_EQ(l.at(100ms), go(1));
    EXPECT_EQ(l.at(130ms), wait(200ms));
    EXPECT_EQ(l.at(250ms), go(2)) << "late";
    l.on_arrived();
    EXPECT_EQ(l.at(250ms), wait(350ms)) << "the next is not early for that";
}

TEST(limit_engine, a_burst_may_start_at_once_after_a_quiet_time) {
    limit l{limit_options().per_second(10).burst(3), 100};
    EXPECT_EQ(l.starts(0s), 3);
    EXPECT_EQ(l.at(0s), wait(100ms));
    EXPECT_EQ(l.starts(100ms), 1);
    EXPECT_EQ(l.starts(350ms), 2) << "those of 200 and 300 ms";
    EXPECT_EQ(l.at(350ms), wait(400ms));
    EXPECT_EQ(l.starts(10s), 3) << "and no more than that, however long the quiet time";
    EXPECT_EQ(l.at(10s), wait(10100ms));
}

TEST(limit_engine, fewer_than_one_a_second_is_slower_than_that) {
    limit l{limit_options().per_second(0.1), 2};
    EXPECT_EQ(l.at(0s), go(0));
    EXPECT_EQ(l.at(0s), wait(10s));
}

TEST(limit_engine, is_never_faster_than_the_rate) {
    limit l{limit_options().per_second(3), 2};
    EXPECT_EQ(l.at(0s), go(0));
    EXPECT_EQ(l.at(0s), wait(333'333'334ns));
    limit fast{limit_options().per_second(6e8), 2};
    EXPECT_EQ(fast.at(0s), go(0));
    EXPECT_EQ(fast.at(0s), wait(2ns));
}

TEST(limit_engine, a_rate_that_is_none_limits_nothing) {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    for (const double rate : {0.0, -1.0, infinity, -infinity, std::numeric_limits<double>::quiet_NaN()}) {
        limit l{limit_options().per_second(rate), 100};
        EXPECT_EQ(l.starts(0s), 100) << rate;
    }
}

TEST(limit_engine, extreme_rates_and_bursts_do_not_overflow) {
    limit slow{limit_options().per_second(1e-300), 2};
    EXPECT_EQ(slow.at(0s), go(0));
    EXPECT_EQ(slow.at(1h), step{wait_until{time_point::max()}});
    limit burst{limit_options().per_second(1e-300).burst(any_number), 5};
    EXPECT_EQ(burst.starts(0s), 5);
    limit fast{limit_options().per_second(1e300), 2};
    EXPECT_EQ(fast.at(0s), go(0));
    EXPECT_EQ(fast.at(1ns), go(1));
}

TEST(limit_engine, a_burst_of_none_is_one) {
    EXPECT_EQ((limit{limit_options().per_second(1).burst(0), 9}.starts(0s)), 1);
}

TEST(limit_engine, without_room_there_is_nothing_to_wait_for_and_no_start_is_used_up) {
    limit l{limit_options(1).per_second(10).burst(2), 3};
    EXPECT_EQ(l.at(0s), go(0));
    EXPECT_EQ(l.at(0s), step{idle{}});
    l.on_finished();
    EXPECT_EQ(l.at(0s), go(1));
    l.on_finished();
    EXPECT_EQ(l.at(0s), wait(100ms));
}

TEST(limit_engine, who_withdraws_uses_up_no_start) {
    limit l{limit_options().per_second(10), 3};
    EXPECT_EQ(l.at(0s), go(0));
    l.on_withdrawn(ticket{1});
    EXPECT_EQ(l.at(100ms), go(2));
}

// --- Against a model: a list of who waits, and the theoretical arrival time (GCRA) for the rate ---

TEST(limit_engine, does_what_the_model_does_and_forgets_nobody) {
    int started = 0, waits = 0, idles = 0, withdrawn = 0;
    for (unsigned seed = 0; seed != 500; ++seed) {
        std::mt19937 random{seed};
        const auto up_to = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
        const std::size_t most = 1 + up_to(5), burst = 1 + up_to(4);
        const duration interval = std::chrono::milliseconds{up_to(3) == 0 ? 0 : 10 * (1 + up_to(20))};
        auto options = limit_options(most).burst(burst);
        if (interval != 0s) options.per_second(1e9 / static_cast<double>(interval.count()));
        limit l{options};
        std::deque<ticket> line;
        std::size_t running = 0;
        time_point now = t0, arrival = time_point::min() + 1h;
        const duration allowance = interval * static_cast<int>(burst - 1);

        const auto obey = [&] {
            for (;;) {
                const step s = l.next(now);
                if (line.empty() || running == most) {
                    ASSERT_EQ(s, step{idle{}}) << "seed " << seed;
                    ++idles;
                    return;
                }
                if (now < arrival - allowance) {
                    ASSERT_EQ(s, step{wait_until{arrival - allowance}}) << "seed " << seed;
                    ++waits;
                    return;
                }
                ASSERT_EQ(s, step{start{line.front()}}) << "seed " << seed;
                line.pop_front();
                ++running;
                ++started;
                arrival = std::max(arrival, now) + interval;
                ASSERT_LE(l.in_flight(), most);
            }
        };

        for (int i = 0; i != 300; ++i) {
            switch (up_to(4)) {
                case 0: line.push_back(l.on_arrived()); break;
                case 1:
                    if (running == 0) break;
                    --running;
                    l.on_finished();
                    break;
                case 2:
                    if (line.empty() || up_to(2) == 0) break;
                    {
                        const auto who = line.begin() + up_to(static_cast<unsigned>(line.size()));
                        l.on_withdrawn(*who);
                        line.erase(who);
                        ++withdrawn;
                    }
                    break;
                case 3: now += std::chrono::milliseconds{up_to(10) == 0 ? up_to(2000) : up_to(60)}; break;
            }
            obey();
            ASSERT_FALSE(HasFatalFailure());
            ASSERT_EQ(l.waiting(), line.size());
            ASSERT_EQ(l.in_flight(), running);
        }
        for (int i = 0; !line.empty(); ++i) {  // whoever is left gets through
            ASSERT_LT(i, 1000) << "seed " << seed;
            for (; running != 0; --running) l.on_finished();
            now = std::max(now, arrival);
            obey();
            ASSERT_FALSE(HasFatalFailure());
        }
    }
    EXPECT_GT(started, 10'000);
    EXPECT_GT(waits, 10'000);
    EXPECT_GT(idles, 10'000);
    EXPECT_GT(withdrawn, 2'000);
}

}  // namespace
}  // namespace dial::limiting
