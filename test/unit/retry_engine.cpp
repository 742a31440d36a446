// Whether a failed try is repeated, and when, in virtual time.
#include <dial/detail/retry_engine.hpp>

#include <gtest/gtest.h>

#include <limits>
#include <ostream>

namespace dial::retrying {

constexpr time_point t0{std::chrono::seconds{1000}};

inline void PrintTo(const try_at& t, std::ostream* out) {
    *out << "try at " << std::chrono::duration<double, std::milli>{t.when - t0}.count() << " ms";
}
inline void PrintTo(const give_up& g, std::ostream* out) {
    *out << "give up, cause " << static_cast<int>(g.why);
}

namespace {

using namespace std::chrono_literals;
using cause = give_up::cause;

step at(duration when) {
    return try_at{t0 + when};
}
step up(cause why) {
    return give_up{why};
}

retry_options exact() {
    return retry_options().jitter(jitter::none);
}

// An engine made at t0.
struct retry : engine {
    explicit retry(const retry_options& options, time_point deadline = time_point::max())
        : engine{options, t0, deadline} {}
    step fail(duration when, bool retryable = true, double random = 0) {
        return on_failed(retryable, t0 + when, random, {});
    }
};

TEST(retry_engine, retries_after_a_delay_that_counts_from_the_failure) {
    retry r{exact()};
    EXPECT_EQ(r.tries(), 1);
    EXPECT_EQ(r.fail(50ms), at(150ms));
    EXPECT_EQ(r.tries(), 2);
    EXPECT_EQ(r.fail(3s), at(3200ms));
    EXPECT_EQ(r.fail(4s), at(4400ms));
    EXPECT_EQ(r.tries(), 4);
}

TEST(retry_engine, delays_have_jitter) {
    retry r{retry_options()};
    EXPECT_EQ(r.fail(0s, true, 0.5), at(50ms));
    EXPECT_EQ(r.fail(1s, true, 0.25), at(1050ms));
    EXPECT_EQ(r.fail(2s, true, 0), at(2s));
}

TEST(retry_engine, makes_four_tries_by_default) {
    retry r{exact()};
    for (int i = 0; i != 3; ++i) EXPECT_TRUE(std::holds_alternative<try_at>(r.fail(0s)));
    EXPECT_EQ(r.fail(0s), up(cause::attempts));
    EXPECT_EQ(r.tries(), 4);
}

TEST(retry_engine, makes_as_many_tries_as_the_options_say) {
    for (const int attempts : {1, 2, 7}) {
        retry r{retry_options(attempts)};
        for (int i = 1; i != attempts; ++i) EXPECT_TRUE(std::holds_alternative<try_at>(r.fail(0s)));
        EXPECT_EQ(r.fail(0s), up(cause::attempts));
    }
}

TEST(retry_engine, fewer_tries_than_one_are_one) {
    for (const int attempts : {0, -1, std::numeric_limits<int>::min()}) {
        EXPECT_EQ(retry_options(attempts).attempts(), 1);
        EXPECT_EQ(retry{retry_options(attempts)}.fail(0s), up(cause::attempts));
    }
}

TEST(retry_engine, gives_up_at_an_error_that_would_be_the_same) {
    retry r{exact()};
    r.fail(0s);
    EXPECT_EQ(r.fail(1s, false), up(cause::not_retryable));
}

TEST(retry_engine, gives_up_at_once_when_the_next_try_would_begin_after_the_deadline) {
    EXPECT_EQ((retry{exact(), t0 + 150ms}.fail(50ms - 1ns)), at(150ms - 1ns));
    EXPECT_EQ((retry{exact(), t0 + 150ms}.fail(50ms)), up(cause::deadline)) << "no time would be left for it";
    EXPECT_EQ((retry{exact(), t0 + 150ms}.fail(1s)), up(cause::deadline));
    EXPECT_EQ((retry{exact(), time_point::min()}.fail(0s)), up(cause::deadline));
}

TEST(retry_engine, gives_up_at_once_when_the_next_try_would_begin_after_the_total_time) {
    const auto options = exact().total_time(1s);
    EXPECT_EQ(retry{options}.fail(900ms - 1ns), at(1s - 1ns));
    EXPECT_EQ(retry{options}.fail(900ms), up(cause::total_time));
    for (const duration none : {duration{0}, duration{-1s}, duration::min()})
        EXPECT_EQ(retry{exact().base(0s).total_time(none)}.fail(0s), up(cause::total_time)) << "has passed already";
}

TEST(retry_engine, names_the_limit_that_passes_first) {
    const auto options = exact().total_time(1s);
    EXPECT_EQ((retry{options, t0 + 999ms}.fail(5s)), up(cause::deadline));
    EXPECT_EQ((retry{options, t0 + 1001ms}.fail(5s)), up(cause::total_time));
}

TEST(retry_engine, does_not_wait_for_a_try_that_would_never_begin) {
    EXPECT_EQ(retry{exact().base(never).max_delay(never)}.fail(0s), up(cause::total_time));
}

TEST(retry_engine, asks_the_budget_for_each_retry) {
    retry r{exact()};
    int asked = 0;
    const auto grant = [&] { return ++asked < 2; };
    EXPECT_EQ(r.on_failed(true, t0, 0, grant), at(100ms));
    EXPECT_EQ(r.on_failed(true, t0 + 1s, 0, grant), up(cause::budget));
    EXPECT_EQ(asked, 2);
    EXPECT_EQ(r.tries(), 2);
}

TEST(retry_engine, spends_no_budget_on_a_retry_that_is_not_made) {
    bool asked = false;
    const auto grant = [&] { return asked = true; };
    EXPECT_EQ((retry{exact()}.on_failed(false, t0, 0, grant)), up(cause::not_retryable));
    EXPECT_EQ((retry{retry_options(1)}.on_failed(true, t0, 0, grant)), up(cause::attempts));
    EXPECT_EQ((retry{exact(), t0}.on_failed(true, t0, 0, grant)), up(cause::deadline));
    EXPECT_EQ((retry{exact().total_time(0s)}.on_failed(true, t0, 0, grant)), up(cause::total_time));
    EXPECT_FALSE(asked);
}

}  // namespace
}  // namespace dial::retrying
