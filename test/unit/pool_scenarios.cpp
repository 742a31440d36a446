// The scenarios of test/data/pool.txt, run on the pool's core in virtual time.
#include <support/pool_cases.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <variant>
#include <vector>

namespace dial::test {

inline void PrintTo(const pool_case& c, std::ostream* out) {
    *out << c.title;
}

namespace {

using namespace std::chrono_literals;
using namespace pooling;
using kind = pool_case::move::kind;

constexpr time_point begin{1000s};

struct outcome {
    std::map<std::string, pool_answer> answers;
    std::map<std::string, int> ends;  // of each wait: one
    std::vector<duration> starts;
    std::map<std::size_t, pool_case::closing> closed;
    std::vector<std::size_t> idle;
    std::size_t peak = 0;
    std::optional<duration> close_done;
};

// Plays the moves, and opens and closes what the core wants opened and closed. In each tick comes first what is due in it, then
// the moves in their order, each followed by all that comes of it.
class game {
public:
    explicit game(const pool_case& c) : case_{c}, core_{c.rules}, target_{core_.add_target()} {}

    outcome play() {
        obey();
        for (int ticks = 0; ticks != 1000; ++ticks) {
            const time_point connect = next_connect();
            const time_point move = moved_ == case_.moves.size() ? time_point::max() : begin + case_.moves[moved_].at;
            now_ = std::min({connect, move, wakes_});
            if (now_ == time_point::max()) break;
            obey();
            while (next_connect() == now_) end_connect();
            while (moved_ != case_.moves.size() && begin + case_.moves[moved_].at == now_) make(case_.moves[moved_++]);
        }
        for (std::size_t i = 0; i != connections_.size(); ++i)
            if (connections_[i].idle) over_.idle.push_back(i + 1);
        return std::move(over_);
    }

private:
    struct connection {
        connection_id id;
        std::uint32_t loan = 0;
        bool dead = false, idle = false;
        time_point connects = time_point::max();  // or fails then
        bool succeeds = true;
    };
    struct loan {
        std::size_t connection;
        std::uint32_t number;
    };

    void make(const pool_case::move& m) {
        switch (m.what) {
            case kind::acquire:
                waiters_[m.who] = core_.on_acquire(target_, now_, saturating_add(now_, m.timeout));
                if (m.cancelled) cancel(m.who);
                break;
            case kind::cancel: cancel(m.who); break;
            case kind::give_back: give_back(m); break;
            case kind::peer_closes: {
                connection& c = connections_.at(m.connection - 1);
                c.dead = true;
                if (!case_.rules.inspect) core_.on_readable(c.id);
                break;
            }
            case kind::reset: core_.on_reset(target_, now_); break;
            case kind::close: core_.on_close(now_); break;
        }
        obey();
    }

    void cancel(const std::string& who) {
        if (core_.on_cancelled(waiters_.at(who), now_)) answer(who, {"cancelled", {}, at(), {}});
    }

    void give_back(const pool_case::move& m) {
        const loan of = loans_.at(m.who);  // kept: it may be returned twice
        connection& c = connections_.at(of.connection - 1);
        if (c.loan == of.number && !m.discard) c.idle = true;
        core_.on_returned(c.id, of.number, !m.discard, now_);
    }

    time_point next_connect() const {
        time_point next = time_point::max();
        for (const connection& c : connections_) next = std::min(next, c.connects);
        return next;
    }

    void end_connect() {
        connection& c = *std::ranges::find(connections_, now_, &connection::connects);
        c.connects = time_point::max();
        if (c.succeeds)
            c.idle = core_.on_connected(c.id, now_, 0);
        else
            core_.on_connect_failed(c.id, now_, 0);
        obey();
    }

    void obey() {
        for (int steps = 0; steps != 1000; ++steps) {
            const step next = core_.next(now_);
            over_.peak = std::max(over_.peak, core_.size());
            if (core_.closed() && core_.size() == 0 && !over_.close_done) over_.close_done = at();
            if (const auto* const wait = std::get_if<wait_until>(&next)) {
                wakes_ = wait->when;
                EXPECT_GT(wakes_, now_);
                return;
            }
            std::visit([this](const auto& todo) { this->act(todo); }, next);
        }
        ADD_FAILURE() << "it does not come to rest at " << at().count() << " ns";
    }

    void act(const start_connect& todo) {
        const std::size_t number = connections_.size();
        const pool_case::connect how = number < case_.connects.size() ? case_.connects[number] : pool_case::connect{};
        connections_.push_back({todo.connection});
        connections_.back().connects = now_ + how.takes.value_or(case_.connect_time);
        connections_.back().succeeds = how.succeeds;
        over_.starts.push_back(at());
    }
    void act(const cancel_connect& todo) {
        of(todo.connection).connects = time_point::max();
        over_.closed[number_of(todo.connection)] = {"connect_cancelled", at()};
    }
    void act(const inspect& todo) { core_.on_inspected(todo.connection, !of(todo.connection).dead, now_); }
    void act(const start_check&) { ADD_FAILURE() << "no scenario has checks"; }
    void act(const hand_out& todo) {
        connection& c = of(todo.connection);
        EXPECT_TRUE(c.idle) << "lent twice";
        EXPECT_FALSE(c.dead) << "its peer has closed it";
        c.idle = false;
        c.loan = todo.loan;
        const std::string who = name_of(todo.waiter);
        loans_[who] = {number_of(todo.connection), todo.loan};
        answer(who, {"lent", number_of(todo.connection), at(), {}});
    }
    void act(const close_connection& todo) {
        of(todo.connection).idle = false;
        EXPECT_FALSE(over_.closed.contains(number_of(todo.connection))) << "closed twice";
        over_.closed[number_of(todo.connection)] = {std::string{to_string(todo.why)}, at()};
    }
    void act(const end_wait& todo) {
        const auto result = [&]() -> std::string {
            switch (todo.why) {
                case wait_end::connect_failed: return "connect_failed";
                case wait_end::full:
                case wait_end::unreachable:
                case wait_end::too_late: return "timeout";
                case wait_end::too_many: return "too_many";
                case wait_end::closed: return "closed";
            }
            return "unknown";
        };
        answer(name_of(todo.waiter), {result(), {}, at(), {}});
    }
    static void act(const forget&) {}
    static void act(const wait_until&) {}

    void answer(const std::string& who, const pool_answer& a) {
        ++over_.ends[who];
        over_.answers[who] = a;
    }

    duration at() const { return now_ - begin; }
    connection& of(connection_id id) { return *std::ranges::find(connections_, id, &connection::id); }
    std::size_t number_of(connection_id id) {
        return static_cast<std::size_t>(std::ranges::find(connections_, id, &connection::id) - connections_.begin()) +
            1;
    }
    std::string name_of(waiter_id id) const {
        for (const auto& [name, its] : waiters_)
            if (its == id) return name;
        return "nobody";
    }

    const pool_case& case_;
    pool_core core_;
    const target_id target_;
    time_point now_ = begin, wakes_ = time_point::max();
    std::size_t moved_ = 0;
    std::vector<connection> connections_;
    std::map<std::string, waiter_id> waiters_;
    std::map<std::string, loan> loans_;
    outcome over_;
};

bool fits(const pool_answer& wanted, const pool_answer& got, const outcome& o) {
    if (wanted.result != got.result || (wanted.at && wanted.at != got.at)) return false;
    if (wanted.connection && wanted.connection != got.connection) return false;
    return std::ranges::all_of(wanted.idle, [&](std::size_t c) { return std::ranges::count(o.idle, c) != 0; });
}

std::string words(const pool_answer& a) {
    return a.result + (a.connection ? ' ' + std::to_string(*a.connection) : "") + " at " +
        std::to_string(a.at.value_or(never) / 1ms);
}

class pool_scenarios : public testing::TestWithParam<pool_case> {};

TEST_P(pool_scenarios, go_as_expected) {
    const pool_case& c = GetParam();
    SCOPED_TRACE(c.id + ' ' + c.title);
    outcome o = game{c}.play();
    for (const auto& [who, times] : o.ends) EXPECT_EQ(times, 1) << who;
    EXPECT_EQ(o.answers.size(), c.expected.size());

    bool as_expected = true;
    for (const auto& [who, wanted] : c.expected) {
        const pool_answer& got = o.answers[who];
        if (fits(wanted, got, o)) continue;
        as_expected = false;
        const auto others = c.also_right.find(who);
        EXPECT_TRUE(others != c.also_right.end() &&
            std::ranges::any_of(others->second, [&](const pool_answer& a) { return fits(a, got, o); }))
            << who << ": " << words(got) << ", expected " << words(wanted);
    }
    if (!as_expected) return;  // another right answer to a tie

    if (c.starts) {
        EXPECT_EQ(o.starts, *c.starts);
    }
    for (const auto& [number, wanted] : c.closed) {
        ASSERT_TRUE(o.closed.contains(number)) << number;
        EXPECT_EQ(o.closed[number].why, wanted.why) << number;
        EXPECT_EQ(o.closed[number].at, wanted.at) << number;
    }
    for (const std::size_t number : c.idle) EXPECT_EQ(std::ranges::count(o.idle, number), 1) << number;
    EXPECT_EQ(o.peak, c.peak.value_or(o.peak));
    EXPECT_LE(o.peak, c.rules.max_per_target);
    if (c.close_done) {
        EXPECT_EQ(o.close_done, c.close_done);
    }
}

std::vector<pool_case> all() {
    return read_pool_cases(DIAL_TEST_DATA "/pool.txt");
}

INSTANTIATE_TEST_SUITE_P(all, pool_scenarios, testing::ValuesIn(all()),
    [](const testing::TestParamInfo<pool_case>& c) { return c.param.id; });

TEST(pool_scenarios, there_are_forty) {
    EXPECT_EQ(all().size(), 40u);
}

}  // namespace
}  // namespace dial::test
