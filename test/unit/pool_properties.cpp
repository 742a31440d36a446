// The pool's core in 100,000 random schedules, each step and each rest judged by a model (support/pool_judge.hpp).
#include <support/pool_judge.hpp>
#include <support/sanitizers.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using pooling::pool_rules;
using state = pool_judge::state;

// Quick also without optimization.
class numbers {
public:
    explicit numbers(std::uint64_t seed) : state_{seed * 0x9e3779b97f4a7c15 + 1} {}
    std::uint64_t below(std::uint64_t n) {
        state_ ^= state_ << 13;
        state_ ^= state_ >> 7;
        state_ ^= state_ << 17;
        return (state_ >> 20) % n;
    }
    bool one_in(std::uint64_t n) { return below(n) == 0; }
    double part() { return static_cast<double>(below(1000)) / 1000; }
    duration up_to(int most) { return std::chrono::milliseconds{below(static_cast<std::uint64_t>(most) + 1)}; }

private:
    std::uint64_t state_;
};

pool_rules random_rules(numbers& random) {
    pool_rules r;
    r.max_per_target = random.below(5);
    if (random.one_in(2)) r.max_total = random.below(6);
    if (random.one_in(3)) r.min_idle = random.below(3);
    if (random.one_in(4)) r.max_idle = random.below(3);
    if (random.one_in(4)) r.max_connecting = random.below(3);
    if (random.one_in(4)) r.max_waiting = random.below(3);
    if (random.one_in(2)) r.idle_timeout = random.up_to(30);
    if (random.one_in(3)) r.max_lifetime = random.up_to(80);
    if (random.one_in(2)) r.lifetime_jitter = random.part();
    if (random.one_in(3)) r.check_after = random.up_to(10);
    if (random.one_in(4)) r.keep_alive = 1ms + random.up_to(15);
    r.inspect = random.one_in(4);
    r.oldest_first = random.one_in(3);
    r.refill_delay = 4ms;
    r.max_refill_delay = 20ms;
    r.remembered = random.below(4);
    return r;
}

class schedule {
public:
    schedule(std::uint64_t seed, std::string* log)
        : random_{seed}, targets_{1 + random_.below(4)}, judge{random_rules(random_), targets_, random_.below(3) != 0} {
        judge.log = log;
    }

    void run() {
        const auto between = [this] {
            if (random_.below(3) != 0 || between_ == 0) return;
            --between_;
            if (random_.one_in(4)) judge.now += 1us;
            event(88);
        };
        for (auto left = 15 + random_.below(25); left != 0 && judge.ok(); --left) {
            between_ = 4;
            event();
            if (random_.one_in(4)) event(88);  // told at the same time
            if (judge.strict)
                judge.settle();
            else
                judge.settle(between);
        }
        end();
    }

private:
    void end() {
        if (!judge.ok()) return;
        note("close");
        judge.close();
        judge.settle();
        for (std::size_t c = 0; c != judge.connections.size() && judge.ok(); ++c) {
            if (judge.connections[c].is != state::in_use) continue;
            if (random_.one_in(4))
                judge.taken(c, judge.connections[c].loan);
            else
                judge.returned(c, judge.connections[c].loan, random_.one_in(2));
            judge.settle();
        }
        judge.expect(judge.core.size() == 0, "connections are left after close");
        for (const auto& w : judge.waiters) judge.expect(!w.waits, "somebody waits after close");
    }

    // From 88 on time passes.
    void event(std::uint64_t kinds = 100) {
        const std::uint64_t what = random_.below(kinds);
        if (what < 26) {
            const std::size_t t = random_.below(targets_);
            const duration patience = random_.one_in(2) ? never : random_.one_in(5) ? 0ms : random_.up_to(25);
            if (random_.one_in(3)) {
                note("reserve " + std::to_string(t));
                if (judge.reserve(t)) return;
            }
            note("acquire " + std::to_string(t));
            judge.acquire(t, patience);
        } else if (what < 40) {
            with(state::connecting, [&](std::size_t c) {
                note("connected " + std::to_string(c));
                judge.connected(c, random_.part());
            });
        } else if (what < 46) {
            with(state::connecting, [&](std::size_t c) {
                note("failed " + std::to_string(c));
                judge.failed(c, random_.part());
            });
        } else if (what < 62) {
            with(state::in_use, [&](std::size_t c) {
                const bool twice = random_.one_in(5), reusable = random_.below(5) != 0;
                const std::uint32_t loan = judge.connections[c].loan;
                if (judge.connections[c].reserved && random_.one_in(2)) {
                    const bool readable = random_.one_in(3);
                    note((readable ? "confirm, readable: " : "confirm ") + std::to_string(c));
                    return judge.confirm(c, readable);
                }
                note((reusable ? "return " : "discard ") + std::to_string(c));
                judge.returned(c, loan, reusable);
                if (twice) judge.returned(c, loan, true);
            });
        } else if (what < 64) {
            with(state::in_use, [&](std::size_t c) {
                note("take " + std::to_string(c));
                judge.taken(c, judge.connections[c].loan);
            });
        } else if (what < 68) {
            if (judge.waiters.empty()) return;
            const std::size_t w = random_.below(judge.waiters.size());
            note("cancel wait " + std::to_string(w));
            judge.cancel(w);
        } else if (what < 73) {
            with(random_.one_in(3) ? state::in_use : state::idle, [&](std::size_t c) {
                const bool dead = random_.one_in(2);
                note((dead ? "dies " : "readable ") + std::to_string(c));
                judge.readable(c, dead);
            });
        } else if (what < 81) {
            with(state::checking, [&](std::size_t c) {
                const bool alive = !judge.connections[c].dead && random_.below(4) != 0;
                note((alive ? "passes " : "fails its check ") + std::to_string(c));
                judge.checked(c, alive);
            });
        } else if (what < 83) {
            constexpr state any[] = {state::idle, state::idle, state::in_use, state::checking, state::connecting};
            with(any[random_.below(5)], [&](std::size_t c) {
                note("address gone " + std::to_string(c));
                judge.address_gone(c);
            });
        } else if (what < 84) {
            const std::size_t t = random_.below(targets_);
            note("reset " + std::to_string(t));
            judge.reset(t);
        } else if (what < 85) {
            const std::size_t t = random_.below(targets_);
            note("warm up " + std::to_string(t));
            judge.warm_up(t);
        } else if (what < 87) {
            for (const auto& c : judge.connections)
                if (c.is == state::gone && c.id != 0) judge.everything_about(c.id);
            stale();
        } else if (what == 87) {
            if (!random_.one_in(8)) return;
            note("close");
            judge.close();
        } else {
            pass_time();
        }
    }

    // Something about another loan than the last.
    void stale() {
        with(state::in_use, [&](std::size_t c) {
            const std::uint32_t loan = judge.connections[c].loan;
            judge.returned(c, loan - 1, random_.one_in(2));
            judge.taken(c, loan + 1);
        });
    }

    // Until it is due, or a little before or after, or just on.
    void pass_time() {
        const time_point before = judge.now;
        if (judge.wakes != time_point::max() && random_.below(3) != 0)
            judge.now = std::max(judge.now,
                random_.one_in(4) ? judge.wakes - 1ns : judge.wakes + (random_.one_in(3) ? random_.up_to(9) : 0ms));
        else
            judge.now += random_.up_to(6);
        note("time " + std::to_string((judge.now - before).count()) + " ns");
    }

    template <class Function>
    void with(state is, const Function& what) {
        std::size_t count = 0;
        for (const auto& c : judge.connections) count += c.is == is ? 1 : 0;
        if (count == 0) return;
        std::size_t which = random_.below(count);
        for (std::size_t c = 0; c != judge.connections.size(); ++c)
            if (judge.connections[c].is == is && which-- == 0) return what(c);
    }

    void note(const std::string& line) {
        if (judge.log) *judge.log += "  " + line + '\n';
    }

    numbers random_;
    std::size_t targets_;
    int between_ = 0;

public:
    pool_judge judge;
};

std::string words(const pool_rules& r) {
    const auto number = [](std::size_t n) { return n == pooling::unlimited ? "-" : std::to_string(n); };
    const auto time = [](duration d) { return d == never ? "-" : std::to_string(d / 1ms) + " ms"; };
    return "per target " + number(r.max_per_target) + ", in all " + number(r.max_total) + ", min_idle " +
        number(r.min_idle) + ", max_idle " + number(r.max_idle) + ", connecting " + number(r.max_connecting) +
        ", waiting " + number(r.max_waiting) + ", idle " + time(r.idle_timeout) + ", life " + time(r.max_lifetime) +
        ", check " + time(r.check_after) + ", keep alive " + time(r.keep_alive) + (r.inspect ? ", inspect" : "") +
        (r.oldest_first ? ", oldest first" : "") + '\n';
}

TEST(pool_properties, hold_in_random_schedules) {
    constexpr std::uint64_t schedules = sanitized ? 20'000 : 100'000;
    std::array<std::uint64_t, 9> told = {};
    std::array<std::uint64_t, close_reasons> closings = {};
    std::array<std::uint64_t, 6> ends = {};
    std::uint64_t reservations = 0, undone = 0;
    const auto add = [](auto& to, const auto& more) {
        for (std::size_t i = 0; i != to.size(); ++i) to[i] += more[i];
    };
    for (std::uint64_t seed = 0; seed != schedules; ++seed) {
        schedule s{seed, nullptr};
        s.run();
        add(told, s.judge.told);
        add(closings, s.judge.closings);
        add(ends, s.judge.ends);
        reservations += s.judge.reservations;
        undone += s.judge.undone;
        if (s.judge.ok()) continue;
        std::string log;
        schedule again{seed, &log};
        again.run();
        FAIL() << "seed " << seed << (again.judge.strict ? "" : ", events between steps") << ": " << again.judge.wrong
               << '\n'
               << words(again.judge.rules) << log;
    }
    for (const std::uint64_t count : told) EXPECT_GT(count, schedules / 20) << "a kind of step was rare";
    for (const std::uint64_t count : closings) EXPECT_GT(count, schedules / 200) << "a reason to close was rare";
    for (const std::uint64_t count : ends) EXPECT_GT(count, schedules / 50) << "a way to end a wait was rare";
    EXPECT_GT(reservations, schedules / 20);
    EXPECT_GT(undone, schedules / 100);
}

}  // namespace
}  // namespace dial::test
