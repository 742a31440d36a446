// Decides which connection serves whom, and which are opened, checked and closed, and when. Pure: no socket, no clock but `now`.
//
// The operation tells it what happened; then it obeys next(now), one step at a time, until that says wait. An event may come
// between any two steps. Connections, waiters and targets go by ids; what comes too late, about one that is gone, does nothing.
// The lower half of an id is a place that is used again, not before the last step about the id has been said.
//
// Who waits is served in order, by whichever comes first: a connection that is returned, or one that was opened. Connects belong
// to nobody: one that fails ends the wait that has lasted longest, and another starts for the next. Only as many are under way as
// there are waits (and places to keep idle connections ready). Targets take turns where they share the places of the pool.
#pragma once

#include <dial/pool_counts.hpp>
#include <dial/time.hpp>

#include <pool/deadlines.hpp>
#include <pool/slots.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

namespace dial::pooling {

inline constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

struct pool_rules {
    std::size_t max_per_target = 10;         // in use, idle, connecting and under check; zero is one
    std::size_t max_total = unlimited;       // of all targets; zero is one
    std::size_t min_idle = 0;                // per target, from when it was first asked for
    std::size_t max_idle = unlimited;        // per target
    std::size_t max_connecting = unlimited;  // per target; zero is one
    std::size_t max_waiting = unlimited;     // per target, beyond those for whom a connection is on its way
    duration idle_timeout = never;           // since its return
    duration max_lifetime = never;           // since it was connected
    double lifetime_jitter = 0;              // this part of its life a connection may lose, by chance
    duration check_after = never;            // idle or unchecked for so long: checked before it is handed out
    duration keep_alive = never;             // idle: checked as often
    bool inspect = false;                    // before it is handed out, since nobody watches the idle ones
    bool oldest_first = false;               // hand out the one that has been idle for longest
    duration refill_delay = std::chrono::milliseconds{100};  // after an idle connection could not be opened; doubles,
    duration max_refill_delay = std::chrono::seconds{10};    // up to this
    std::size_t remembered = 1000;  // targets without connections and waiters whose counts are kept
};

using target_id = std::uint64_t;
using connection_id = std::uint64_t;
using waiter_id = std::uint64_t;

// Why somebody waited in vain.
enum class wait_end : unsigned char {
    connect_failed,
    full,         // in time no connection was returned, and there was no place for another
    unreachable,  // in time none was opened, though there were places
    too_late,     // there was no time to wait at all
    too_many,     // waited already
    closed,
};

struct start_connect {
    connection_id connection;
    target_id target;
    bool operator==(const start_connect&) const = default;
};
struct cancel_connect {  // nothing more of it is wanted
    connection_id connection;
    bool operator==(const cancel_connect&) const = default;
};
struct inspect {  // is there anything to read on it? The answer, on_inspected, comes before the next step is asked for
    connection_id connection;
    bool operator==(const inspect&) const = default;
};
struct start_check {
    connection_id connection;
    bool operator==(const start_check&) const = default;
};
struct hand_out {
    waiter_id waiter;
    connection_id connection;
    std::uint32_t loan;  // goes back with it
    bool reused;
    duration waited;
    bool operator==(const hand_out&) const = default;
};
struct close_connection {  // also where it is under check
    connection_id connection;
    close_reason why;
    bool operator==(const close_connection&) const = default;
};
struct end_wait {
    waiter_id waiter;
    wait_end why;
    connection_id connection;  // whose connect failed; else 0
    duration waited;
    bool operator==(const end_wait&) const = default;
};
struct forget {  // the target, until it is asked for again
    target_id target;
    bool operator==(const forget&) const = default;
};
struct wait_until {  // max(): for news only
    time_point when;
    bool operator==(const wait_until&) const = default;
};
// An idle connection that somebody gets who has not waited for it: no step says so.
struct reservation {
    connection_id connection;
    std::uint32_t loan;
    bool reused;
    bool operator==(const reservation&) const = default;
};
using step = std::variant<start_connect, cancel_connect, inspect, start_check, hand_out, close_connection, end_wait,
    forget, wait_until>;

class pool_core {
public:
    explicit pool_core(const pool_rules& rules);

    target_id add_target();
    // Its idle connections are to be kept ready, though nobody has asked for one yet.
    void on_warm_up(target_id target, time_point now);

    waiter_id on_acquire(target_id target, time_point now, time_point deadline);
    // At once, and with no place in the line: what could be handed out now as it is, if nobody else waits for the target.
    std::optional<reservation> on_reserve(target_id target, time_point now);
    // Before it is in its user's hands. False: it was reset, or the pool closed, in between, or it is `readable`; then it was never
    // handed out, and is closed, or inspected first.
    bool on_confirm(connection_id connection, std::uint32_t loan, bool readable);
    // False if it does not wait any more: a step about it has been told.
    bool on_cancelled(waiter_id waiter, time_point now);

    // False if it is not wanted any longer: it has been given up. `chance` is random, at least zero and below one.
    bool on_connected(connection_id connection, time_point now, double chance);
    bool on_connect_failed(connection_id connection, time_point now, double chance);

    // `reusable` false: it is to be closed; if it had been used before, the idle ones are inspected. Nothing happens if that loan is
    // over.
    void on_returned(connection_id connection, std::uint32_t loan, bool reusable, time_point now);
    // It is gone from the pool, and its owner's own.
    void on_taken(connection_id connection, std::uint32_t loan);

    // Something came, or the connection ended, when nobody used it (any more).
    void on_readable(connection_id connection);
    void on_inspected(connection_id connection, bool alive, time_point now);
    void on_checked(connection_id connection, bool alive, time_point now);

    void on_address_gone(connection_id connection, time_point now);
    void on_reset(target_id target, time_point now);
    void on_close(time_point now);

    step next(time_point now);
    // True: it would say wait_until{earliest()}. Sooner said than that. (It may say so after a look that this does without.)
    bool is_at_rest(time_point now) const;
    time_point earliest() const {
        return std::min({connections_due_.earliest(), waiters_due_.earliest(), refills_due_.earliest()});
    }

    bool closed() const { return closed_; }
    // How many connections there are: in use, idle, under check and connecting.
    std::size_t size() const { return total_; }
    std::size_t in_use() const { return in_use_; }
    std::size_t waiting() const { return waiting_; }
    const pool_counts& counts(target_id target) const { return targets_[targets_.find(target)].counts; }
    const pool_counts& forgotten() const { return forgotten_; }  // what was counted of targets that are forgotten
    // False once it was decided that it goes: the step that says so may be still to come.
    bool has(connection_id connection) const { return connections_.find(connection) != no_slot; }
    // Of a connection that there is.
    target_id target_of(connection_id connection) const;
    // Every connection of the target that is idle or in use.
    template <class Function>
    void each_open(target_id target, Function&& visit) const {
        for (slot c = 0; c != connections_.size(); ++c)
            if (connections_.taken(c) && connections_[c].is != state::connecting &&
                targets_.id_of(connections_[c].target) == target)
                visit(connections_.id_of(c));
    }

private:
    enum class state : unsigned char { connecting, idle, in_use, checking };

    struct pooled {
        slot target;
        state is = state::connecting;
        std::uint32_t loan = 0;
        bool for_waiter = false;  // the check
        bool readable = false;    // told before the return
        bool retired = false;     // closed on return, because
        close_reason retired_why = close_reason::reset;
        time_point returned = {}, checked = {}, inspected = time_point::min(), dies = time_point::max();
        links in_target, in_all;  // in_target: among the idle ones
    };
    struct line_entry {
        slot target;
        time_point since, deadline;
        links in_target;
        bool ended = false;  // that is yet to be told
    };
    struct shelf {
        pool_counts counts;
        list<line_entry, &line_entry::in_target> waiting;
        list<pooled, &pooled::in_target> idle;  // the one that was returned last is in front
        std::size_t checks_for_waiters = 0;
        bool warm = false;         // it was asked for: keep connections ready
        std::size_t failures = 0;  // of opening idle ones, in a row
        time_point refill_at = time_point::min();
        links to_serve, to_connect, bare, starved, unfilled, unused;
    };

    // Not less than nothing: two threads may have read the clock in the other order.
    static duration waited_since(time_point since, time_point now) {
        return now > since ? now - since : duration::zero();
    }
    static std::size_t size_of(const shelf& t) {
        return t.counts.in_use + t.counts.idle + t.counts.connecting + t.counts.checking;
    }
    static std::size_t on_the_way(const shelf& t) { return t.counts.connecting + t.checks_for_waiters; }
    bool is_used(const shelf& t) const;
    bool wants_refill(const shelf& t) const;
    bool needs_check(const pooled& c, time_point now) const;
    time_point due(const pooled& c) const;

    // A step or a list has to be looked at, since something changed for this target.
    void look_at(slot t);
    void become_idle(slot c);
    void leave_idle(slot c);
    void start_checking(slot c, bool for_waiter);
    bool lend(slot c, duration waited);
    void remove(slot c);
    void close(slot c, close_reason why);
    void give_up(slot c);
    void retire(slot c, close_reason why);
    void end(slot w, wait_end why, time_point now, connection_id failed = 0);
    void leave_line(slot w);

    // What is told goes to told_; true if there was anything.
    bool close_if_too_old(slot c, time_point now);
    bool expire_connections(time_point now);
    bool expire_waiters(time_point now);
    bool begin_refills(time_point now);
    bool make_room(slot t);
    // True: `out` is the next step.
    bool serve(slot t, time_point now, step& out);
    slot next_for_a_place();
    bool connect(slot t, time_point now, step& out);
    void turn_away(slot t, time_point now);

    pool_rules rules_;
    slots<shelf> targets_;
    slots<pooled> connections_;
    slots<line_entry> waiters_;
    deadlines connections_due_, waiters_due_, refills_due_;
    list<pooled, &pooled::in_all> all_idle_;        // the one that was returned last is in front
    list<pooled, &pooled::in_all> all_connecting_;  // in the order of their starts
    list<shelf, &shelf::to_serve> to_serve_;        // something came for those who wait
    list<shelf, &shelf::to_connect> to_connect_;    // may want connects
    list<shelf, &shelf::bare> bare_;          // want connects for those who wait, have nothing, and the pool is full
    list<shelf, &shelf::starved> starved_;    // have something, want more for those who wait, and the pool is full
    list<shelf, &shelf::unfilled> unfilled_;  // want connects for idle ones, and the pool is full
    list<shelf, &shelf::unused> unused_;
    std::deque<step> told_;  // decided, not yet said
    std::size_t total_ = 0, in_use_ = 0, waiting_ = 0;
    bool closed_ = false;
    pool_counts forgotten_;
};

}  // namespace dial::pooling
