// A pool's core, and beside it a model that judges every step: may it be? And at every rest: has nothing been forgotten?
//
// The model does not decide; it keeps what there is, straight from the events and the steps, and knows the rules.
#pragma once

#include <pool/engine.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace dial::test {

inline constexpr time_point pool_origin{std::chrono::seconds{1000}};

class pool_judge {
public:
    enum class state : unsigned char { gone, connecting, cancelling, idle, in_use, checking, closing };
    struct connection {
        pooling::connection_id id = 0;
        std::size_t target = 0;
        state is = state::gone;
        std::uint32_t loan = 0;
        bool dead = false, readable = false, retired = false;
        bool reserved = false;                          // in use, but not confirmed
        unsigned to_inspect = 0;                        // so often
        close_reason why = close_reason::idle_timeout;  // closing, or retired
        time_point started = {}, returned = {}, checked = {}, inspected = {}, dies = {};
        std::uint64_t order = 0;  // of the starts
    };
    struct waiter {
        pooling::waiter_id id = 0;
        std::size_t target = 0;
        bool waits = false, must_end = false;
        time_point since = {}, deadline = {};
    };
    struct target {
        pooling::target_id id = 0;        // 0: not known to the core
        std::vector<std::uint32_t> line;  // of waiters, by place
        pool_counts counts = {};          // as they should be
        std::size_t failed_in_line = 0;   // connects whose failure is to end a wait
        std::size_t failures = 0;         // in a row
        time_point refill_at = time_point::min();
        bool warm = false, bare = false;  // bare: had nothing at the last rest, and has waited since
    };

    // Strict: events come at rest only. Else they may come between two steps: then the core may have decided already what it is
    // still to say, and the model cannot tell why.
    pool_judge(const pooling::pool_rules& rules, std::size_t targets, bool strict);

    // --- Events; places are those of `connections` and `waiters` ---

    void warm_up(std::size_t target);
    void acquire(std::size_t target, duration patience);
    bool reserve(std::size_t target);
    void confirm(std::size_t connection, bool readable);
    void cancel(std::size_t waiter);
    void connected(std::size_t connection, double chance);
    void failed(std::size_t connection, double chance);
    void returned(std::size_t connection, std::uint32_t loan, bool reusable);
    void taken(std::size_t connection, std::uint32_t loan);
    void readable(std::size_t connection, bool dead);
    void checked(std::size_t connection, bool alive);
    void address_gone(std::size_t connection);
    void reset(std::size_t target);
    void close();
    void everything_about(pooling::connection_id stale);  // that is gone

    // Obeys until the core waits; `between` is called between two steps.
    void settle(const std::function<void()>& between = {});

    bool ok() const { return wrong.empty(); }
    void expect(bool right, const char* what) {
        if (!right && wrong.empty()) wrong = what;
    }

    const pooling::pool_rules rules;
    const bool strict;
    pooling::pool_core core;
    time_point now = pool_origin;
    time_point wakes = time_point::max();
    bool closed = false;
    std::vector<target> targets;
    std::vector<connection> connections;  // by the lower half of their ids
    std::vector<waiter> waiters;          // likewise
    std::string wrong;                    // the first thing; empty: nothing
    std::string* log = nullptr;
    std::array<std::uint64_t, 9> told = {};  // steps, by kind
    std::array<std::uint64_t, close_reasons> closings = {};
    std::array<std::uint64_t, 6> ends = {};
    std::uint64_t reservations = 0, undone = 0;

private:
    struct tally {  // of a target, as it is
        std::size_t connecting = 0, idle = 0, in_use = 0, checking = 0;
        std::size_t size() const { return connecting + idle + in_use + checking; }
    };

    pooling::target_id id_of(std::size_t target);
    connection* find(pooling::connection_id id);
    waiter* find_waiter(pooling::waiter_id id);
    tally count(std::size_t target) const;
    std::size_t total() const;
    void leave_line(waiter& w);
    void become_idle(connection& c);
    void start_closing(connection& c, close_reason why);
    static void gone(connection& c) {
        c.is = state::gone;
        c.to_inspect = 0;
    }
    void retire(connection& c, close_reason why);
    bool is_oldest(const connection& c, bool of_all) const;

    void judge_lent(connection& c, std::size_t target, time_point since, std::uint32_t loan, bool reused);
    void judge(const pooling::start_connect& s);
    void judge(const pooling::cancel_connect& s);
    void judge(const pooling::inspect& s);
    void judge(const pooling::start_check& s);
    void judge(const pooling::hand_out& s);
    void judge(const pooling::close_connection& s);
    void judge(const pooling::end_wait& s);
    void judge(const pooling::forget& s);
    void judge(const pooling::wait_until& s);
    void judge_rest(std::size_t target, const tally& t, std::size_t in_all, bool any_idle);
    time_point due(std::size_t target, const tally& t, std::size_t in_all) const;
    void compare(const pool_counts& is, const pool_counts& should);
    void note(const std::string& line) {
        if (log) *log += line + '\n';
    }

    pool_counts forgotten_;
    std::uint64_t starts_ = 0;
};

}  // namespace dial::test
