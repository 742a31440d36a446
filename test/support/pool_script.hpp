// A pool's core that is told what happens, and says in words what it does: "open a1, lend b2 to 3".
#pragma once

#include <pool/engine.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

namespace dial::test {

inline constexpr time_point pool_begins{std::chrono::seconds{1000}};

// Connections have numbers in the order of their starts, waiters in the order in which they came, both from 1; targets are
// letters. Every event is followed by all the steps that come of it, and returns them.
class pool_script {
public:
    explicit pool_script(const pooling::pool_rules& rules = {}) : core{rules} {}

    // --- Time ---

    std::string at(duration when) {
        now = pool_begins + when;
        return then();
    }
    // How long after the begin it wants to be asked again; never: only after news.
    duration wakes() const { return wakes_ == time_point::max() ? never : wakes_ - pool_begins; }

    // --- Events ---

    std::string warm_up(char target) {
        core.on_warm_up(target_of(target), now);
        return then();
    }
    std::string acquire(char target = 'a', duration patience = never) {
        waiters.push_back(core.on_acquire(target_of(target), now, saturating_add(now, patience)));
        return then();
    }
    // One after the other, a letter for each: its target.
    std::string acquire_each(std::string_view letters) {
        std::string all;
        for (const char letter : letters) {
            const std::string came = acquire(letter);
            all += (all.empty() || came.empty() ? "" : ", ") + came;
        }
        return all;
    }
    // "a1, used before"; empty: none.
    std::string reserve(char target = 'a') {
        const auto got = core.on_reserve(target_of(target), now);
        if (!got) return {};
        std::ranges::find(connections, got->connection, &opened::id)->loan = got->loan;
        return name_of(got->connection) + (got->reused ? ", used before" : ", new");
    }
    bool confirm(std::size_t connection, bool readable = false) {
        return core.on_confirm(id(connection), loan(connection), readable);
    }
    std::string cancel(std::size_t waiter) {
        const bool waited = core.on_cancelled(waiters.at(waiter - 1), now);
        return waited ? then() : "too late " + then();
    }
    std::string connected(std::size_t connection, double chance = 0) {
        const bool wanted = core.on_connected(id(connection), now, chance);
        return wanted ? then() : "unwanted " + then();
    }
    std::string failed(std::size_t connection, double chance = 0) {
        core.on_connect_failed(id(connection), now, chance);
        return then();
    }
    std::string give_back(std::size_t connection, bool reusable = true) {
        return give_back(connection, loan(connection), reusable);
    }
    std::string give_back(std::size_t connection, std::uint32_t loan, bool reusable) {
        core.on_returned(id(connection), loan, reusable, now);
        return then();
    }
    std::string take(std::size_t connection) { return take(connection, loan(connection)); }
    std::string take(std::size_t connection, std::uint32_t loan) {
        core.on_taken(id(connection), loan);
        return then();
    }
    std::string readable(std::size_t connection) {
        core.on_readable(id(connection));
        return then();
    }
    std::string checked(std::size_t connection, bool alive = true) {
        core.on_checked(id(connection), alive, now);
        return then();
    }
    std::string address_gone(std::size_t connection) {
        core.on_address_gone(id(connection), now);
        return then();
    }
    std::string reset(char target = 'a') {
        core.on_reset(target_of(target), now);
        return then();
    }
    std::string close() {
        core.on_close(now);
        return then();
    }

    // All steps until it waits.
    std::string then() {
        std::string all;
        for (int i = 0; i != 1000; ++i) {
            const std::string one = step();
            if (one.empty()) return all;
            all += (all.empty() ? "" : ", ") + one;
        }
        return all + ", and does not end";
    }
    // The next one; empty: it waits.
    std::string step() {
        return std::visit([this](const auto& todo) { return obey(todo); }, core.next(now));
    }

    // --- What there is ---

    pooling::target_id target_of(char letter) {
        const auto number = static_cast<std::size_t>(letter - 'a');
        while (targets.size() <= number) targets.push_back(core.add_target());
        return targets[number];
    }
    pooling::connection_id id(std::size_t connection) const { return connections.at(connection - 1).id; }
    std::uint32_t loan(std::size_t connection) const { return connections.at(connection - 1).loan; }
    const pool_counts& counts(char target = 'a') { return core.counts(target_of(target)); }

    pooling::pool_core core;
    time_point now = pool_begins;
    std::set<std::size_t> dead;   // has something to read: what an inspection finds
    pooling::hand_out lent = {};  // the last one
    pooling::end_wait ended = {};

    struct opened {
        pooling::connection_id id;
        char target;
        std::uint32_t loan = 0;
    };
    std::vector<opened> connections;
    std::vector<pooling::waiter_id> waiters;
    std::vector<pooling::target_id> targets;

private:
    template <class Ids, class Id>
    static std::size_t number_of(const Ids& ids, Id id) {
        return static_cast<std::size_t>(std::ranges::find(ids, id) - ids.begin()) + 1;
    }
    char letter_of(pooling::target_id id) const { return static_cast<char>('a' + number_of(targets, id) - 1); }
    std::string name_of(pooling::connection_id id) const {
        const auto found = std::ranges::find(connections, id, &opened::id);
        return found->target + std::to_string(found - connections.begin() + 1);
    }
    std::string waiter(pooling::waiter_id id) const { return std::to_string(number_of(waiters, id)); }

    std::string obey(const pooling::start_connect& todo) {
        connections.push_back({todo.connection, letter_of(todo.target)});
        return "open " + name_of(todo.connection);
    }
    std::string obey(const pooling::cancel_connect& todo) { return "cancel " + name_of(todo.connection); }
    std::string obey(const pooling::inspect& todo) {
        const auto found = std::ranges::find(connections, todo.connection, &opened::id);
        const auto number = static_cast<std::size_t>(found - connections.begin()) + 1;
        core.on_inspected(todo.connection, !dead.contains(number), now);
        return "inspect " + name_of(todo.connection);
    }
    std::string obey(const pooling::start_check& todo) { return "check " + name_of(todo.connection); }
    std::string obey(const pooling::hand_out& todo) {
        lent = todo;
        std::ranges::find(connections, todo.connection, &opened::id)->loan = todo.loan;
        return "lend " + name_of(todo.connection) + " to " + waiter(todo.waiter);
    }
    std::string obey(const pooling::close_connection& todo) {
        return "close " + name_of(todo.connection) + ' ' + std::string{to_string(todo.why)};
    }
    std::string obey(const pooling::end_wait& todo) {
        ended = todo;
        return "end " + waiter(todo.waiter) + ' ' + name_of(todo.why);
    }
    std::string obey(const pooling::forget& todo) { return std::string{"forget "} + letter_of(todo.target); }
    std::string obey(const pooling::wait_until& todo) {
        wakes_ = todo.when;
        return {};
    }
    static std::string name_of(pooling::wait_end why) {
        using pooling::wait_end;
        switch (why) {
            case wait_end::connect_failed: return "connect_failed";
            case wait_end::full: return "full";
            case wait_end::unreachable: return "unreachable";
            case wait_end::too_late: return "too_late";
            case wait_end::too_many: return "too_many";
            case wait_end::closed: return "closed";
        }
        return "unknown";
    }

    time_point wakes_ = time_point::max();
};

// So many connections of the target `a`, numbered from 1, each of which the waiter of the same number has.
inline pool_script pool_with_in_use(const pooling::pool_rules& rules, std::size_t count) {
    pool_script p{rules};
    for (std::size_t i = 1; i <= count; ++i) {
        p.acquire();
        p.connected(i);
    }
    return p;
}

// So many that were opened at 0, all by other waiters, and returned 10 ms after one another, the first at 0.
inline pool_script pool_with_idle(const pooling::pool_rules& rules, std::size_t count) {
    pool_script p{rules};
    for (std::size_t i = 1; i <= count; ++i) p.core.on_acquire(p.target_of('a'), p.now, time_point::max());
    p.then();
    for (std::size_t i = 1; i <= count; ++i) p.connected(i);
    for (std::size_t i = 1; i <= count; ++i) {
        p.at(std::chrono::milliseconds{10 * (i - 1)});
        p.give_back(i);
    }
    return p;
}

}  // namespace dial::test
