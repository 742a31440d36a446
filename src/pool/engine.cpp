// What the core is told.
#include <pool/engine.hpp>

#include <algorithm>

namespace dial::pooling {
namespace {

// What is left of a life of which chance may take a part.
time_point end_of_life(const pool_rules& rules, time_point born, double chance) {
    if (rules.max_lifetime == never) return time_point::max();
    const double part = 1 - rules.lifetime_jitter * chance;
    using exact = std::chrono::duration<double, std::nano>;
    return saturating_add(born, to_duration(exact{rules.max_lifetime} * part));
}

// Half of the delay is chance, so that those who failed together do not come back together.
duration refill_delay(const pool_rules& rules, std::size_t failures, double chance) {
    duration delay = rules.refill_delay;
    for (std::size_t i = 1; i < failures && delay < rules.max_refill_delay; ++i)
        delay = delay > rules.max_refill_delay / 2 ? rules.max_refill_delay : delay * 2;
    delay = std::min(delay, rules.max_refill_delay);
    return delay / 2 + std::chrono::duration_cast<duration>(delay * (chance / 2));
}

}  // namespace

pool_core::pool_core(const pool_rules& rules) : rules_{rules} {
    rules_.max_per_target = std::max<std::size_t>(rules_.max_per_target, 1);
    rules_.max_total = std::max<std::size_t>(rules_.max_total, 1);
    rules_.max_connecting = std::max<std::size_t>(rules_.max_connecting, 1);
    rules_.min_idle = std::min({rules_.min_idle, rules_.max_idle, rules_.max_per_target});
    rules_.lifetime_jitter = rules_.lifetime_jitter > 0 ? std::min(rules_.lifetime_jitter, 1.0) : 0;
}

target_id pool_core::add_target() {
    const target_id id = targets_.add({});
    unused_.push_back(targets_, targets_.find(id));
    return id;
}

void pool_core::on_warm_up(target_id target, time_point) {
    const slot t = targets_.find(target);
    if (t == no_slot) return;
    targets_[t].warm = true;
    look_at(t);
}

target_id pool_core::target_of(connection_id connection) const {
    return targets_.id_of(connections_[connections_.find(connection)].target);
}

// --- Those who wait ---

waiter_id pool_core::on_acquire(target_id target, time_point now, time_point deadline) {
    const slot t = targets_.find(target);
    targets_[t].warm = true;
    const waiter_id id = waiters_.add({t, now, deadline, {}, false});
    const slot w = waiters_.find(id);
    targets_[t].waiting.push_back(waiters_, w);
    ++targets_[t].counts.waiting;
    ++waiting_;
    if (closed_) {
        end(w, wait_end::closed, now);
    } else {
        waiters_due_.set(w, deadline);
        look_at(t);
    }
    return id;
}

std::optional<reservation> pool_core::on_reserve(target_id target, time_point now) {
    const slot at = targets_.find(target);
    // What is decided comes first: it may say that the idle ones are to be inspected.
    if (at == no_slot || closed_ || rules_.inspect || !told_.empty()) return {};
    shelf& t = targets_[at];
    if (!t.waiting.empty() || t.idle.empty()) return {};
    const slot c = rules_.oldest_first ? t.idle.back() : t.idle.front();
    pooled& chosen = connections_[c];
    if (now >= due(chosen) || needs_check(chosen, now)) return {};
    t.warm = true;
    const bool reused = lend(c, duration::zero());
    if (rules_.min_idle != 0) look_at(at);
    return reservation{connections_.id_of(c), chosen.loan, reused};
}

bool pool_core::on_confirm(connection_id connection, std::uint32_t loan, bool readable) {
    const slot c = connections_.find(connection);
    if (c == no_slot || connections_[c].is != state::in_use || connections_[c].loan != loan) return false;
    pooled& lent = connections_[c];
    if (!closed_ && !lent.retired && !readable) return true;
    pool_counts& counts = targets_[lent.target].counts;
    --counts.acquired;
    if (lent.loan > 1) --counts.reused;
    --counts.waits.counts.front();
    if (closed_ || lent.retired) {
        close(c, closed_ ? close_reason::pool_closed : lent.retired_why);
        return false;
    }
    --lent.loan;
    lent.readable = false;
    --counts.in_use;
    --in_use_;
    become_idle(c);
    look_at(lent.target);
    told_.push_back(inspect{connection});
    return false;
}

bool pool_core::on_cancelled(waiter_id waiter, time_point) {
    const slot w = waiters_.find(waiter);
    if (w == no_slot || waiters_[w].ended) return false;
    ++targets_[waiters_[w].target].counts.cancelled;
    leave_line(w);
    waiters_.remove(w);
    return true;
}

void pool_core::leave_line(slot w) {
    const slot t = waiters_[w].target;
    targets_[t].waiting.remove(waiters_, w);
    --targets_[t].counts.waiting;
    --waiting_;
    waiters_due_.clear(w);
    look_at(t);
}

void pool_core::end(slot w, wait_end why, time_point now, connection_id failed) {
    line_entry& ended = waiters_[w];
    ended.ended = true;
    pool_counts& counts = targets_[ended.target].counts;
    if (why == wait_end::full || why == wait_end::unreachable || why == wait_end::too_late) ++counts.wait_timeouts;
    if (why == wait_end::too_many) ++counts.turned_away;
    told_.push_back(end_wait{waiters_.id_of(w), why, failed, waited_since(ended.since, now)});
    leave_line(w);
}

// --- Connections ---

bool pool_core::on_connected(connection_id connection, time_point now, double chance) {
    const slot c = connections_.find(connection);
    if (c == no_slot || connections_[c].is != state::connecting) return false;
    pooled& made = connections_[c];
    shelf& t = targets_[made.target];
    --t.counts.connecting;
    ++t.counts.opened;
    t.failures = 0;
    t.refill_at = time_point::min();
    all_connecting_.remove(connections_, c);
    made.returned = made.checked = now;
    made.dies = end_of_life(rules_, now, chance);
    become_idle(c);
    look_at(made.target);
    return true;
}

bool pool_core::on_connect_failed(connection_id connection, time_point now, double chance) {
    const slot c = connections_.find(connection);
    if (c == no_slot || connections_[c].is != state::connecting) return false;
    const slot t = connections_[c].target;
    ++targets_[t].counts.open_failed;
    remove(c);
    if (!targets_[t].waiting.empty()) end(targets_[t].waiting.front(), wait_end::connect_failed, now, connection);
    if (rules_.min_idle != 0) {
        targets_[t].refill_at = saturating_add(now, refill_delay(rules_, ++targets_[t].failures, chance));
        refills_due_.set(t, targets_[t].refill_at);
    }
    return true;
}

void pool_core::on_returned(connection_id connection, std::uint32_t loan, bool reusable, time_point now) {
    const slot c = connections_.find(connection);
    if (c == no_slot || connections_[c].is != state::in_use || connections_[c].loan != loan) return;
    pooled& back = connections_[c];
    if (closed_) return close(c, close_reason::pool_closed);
    if (!reusable) {
        const bool look_at_others = back.loan > 1 && !rules_.inspect;
        const auto& others = targets_[back.target].idle;
        close(c, close_reason::discarded);
        // The server may have hung up on the others as well, and nobody has been told yet.
        if (look_at_others)
            for (slot other = others.front(); other != no_slot; other = others.after(connections_, other))
                told_.push_back(inspect{connections_.id_of(other)});
        return;
    }
    if (back.retired) return close(c, back.retired_why);
    if (now >= back.dies) return close(c, close_reason::max_lifetime);
    --targets_[back.target].counts.in_use;
    --in_use_;
    back.returned = now;
    become_idle(c);
    const shelf& t = targets_[back.target];
    if (!t.waiting.empty() || t.idle.size() > rules_.max_idle) look_at(back.target);
    if (std::exchange(back.readable, false)) told_.push_back(inspect{connection});
}

void pool_core::on_taken(connection_id connection, std::uint32_t loan) {
    const slot c = connections_.find(connection);
    if (c != no_slot && connections_[c].is == state::in_use && connections_[c].loan == loan) remove(c);
}

void pool_core::on_readable(connection_id connection) {
    const slot c = connections_.find(connection);
    if (c == no_slot) return;
    if (connections_[c].is == state::idle) told_.push_back(inspect{connection});
    if (connections_[c].is == state::in_use) connections_[c].readable = true;  // its return is about to be told
}

void pool_core::on_inspected(connection_id connection, bool alive, time_point now) {
    const slot c = connections_.find(connection);
    if (c == no_slot || connections_[c].is != state::idle) return;
    if (alive)
        connections_[c].inspected = now;
    else
        close(c, close_reason::dead);
}

void pool_core::on_checked(connection_id connection, bool alive, time_point now) {
    const slot c = connections_.find(connection);
    if (c == no_slot || connections_[c].is != state::checking) return;
    pooled& checked = connections_[c];
    if (!alive) return close(c, close_reason::check_failed);
    if (checked.retired) return close(c, checked.retired_why);
    if (now >= checked.dies) return close(c, close_reason::max_lifetime);
    shelf& t = targets_[checked.target];
    --t.counts.checking;
    if (checked.for_waiter) --t.checks_for_waiters;
    checked.checked = now;
    become_idle(c);
    look_at(checked.target);
}

void pool_core::on_address_gone(connection_id connection, time_point) {
    const slot c = connections_.find(connection);
    if (c != no_slot && connections_[c].is != state::connecting) retire(c, close_reason::address_gone);
}

void pool_core::on_reset(target_id target, time_point) {
    const slot t = targets_.find(target);
    for (slot c = 0; c != connections_.size(); ++c)
        if (connections_.taken(c) && connections_[c].target == t) retire(c, close_reason::reset);
}

void pool_core::on_close(time_point now) {
    closed_ = true;
    for (slot t = 0; t != targets_.size(); ++t) {
        if (!targets_.taken(t)) continue;
        while (!targets_[t].waiting.empty()) end(targets_[t].waiting.front(), wait_end::closed, now);
    }
    for (slot c = 0; c != connections_.size(); ++c) {
        if (!connections_.taken(c) || connections_[c].is == state::in_use) continue;
        if (connections_[c].is == state::connecting)
            retire(c, close_reason::pool_closed);
        else
            close(c, close_reason::pool_closed);
    }
}

void pool_core::become_idle(slot c) {
    pooled& idle = connections_[c];
    idle.is = state::idle;
    idle.inspected = time_point::min();
    shelf& t = targets_[idle.target];
    ++t.counts.idle;
    // From the oldest on: one that was returned just now is the newest, one that was checked is old.
    const auto insert = [&](auto& into) {
        if (into.empty() || connections_[into.front()].returned <= idle.returned)
            return into.push_front(connections_, c);
        slot next = no_slot;
        for (slot at = into.back(); at != no_slot && connections_[at].returned <= idle.returned;
             at = into.before(connections_, at))
            next = at;
        into.insert_before(connections_, next, c);
    };
    insert(t.idle);
    insert(all_idle_);
    connections_due_.set(c, due(idle));
    // The least number to keep may be exceeded now: the oldest is due after all.
    if (rules_.min_idle != 0) connections_due_.set(t.idle.back(), due(connections_[t.idle.back()]));
}

void pool_core::leave_idle(slot c) {
    shelf& t = targets_[connections_[c].target];
    t.idle.remove(connections_, c);
    all_idle_.remove(connections_, c);
    --t.counts.idle;
    connections_due_.clear(c);
    // While it was not the oldest one, there may have been no more than the least number to keep.
    if (rules_.min_idle != 0 && !t.idle.empty()) connections_due_.set(t.idle.back(), due(connections_[t.idle.back()]));
}

// Whether it was lent before.
bool pool_core::lend(slot c, duration waited) {
    leave_idle(c);
    pooled& lent = connections_[c];
    lent.is = state::in_use;
    const bool reused = lent.loan++ != 0;
    pool_counts& counts = targets_[lent.target].counts;
    ++in_use_;
    ++counts.in_use;
    ++counts.acquired;
    if (reused) ++counts.reused;
    counts.waits.add(waited);
    return reused;
}

void pool_core::start_checking(slot c, bool for_waiter) {
    leave_idle(c);
    pooled& checked = connections_[c];
    checked.is = state::checking;
    checked.for_waiter = for_waiter;
    shelf& t = targets_[checked.target];
    ++t.counts.checking;
    if (for_waiter) ++t.checks_for_waiters;
}

void pool_core::remove(slot c) {
    const pooled& gone = connections_[c];
    const slot at = gone.target;
    shelf& t = targets_[at];
    switch (gone.is) {
        case state::connecting:
            --t.counts.connecting;
            all_connecting_.remove(connections_, c);
            break;
        case state::idle: leave_idle(c); break;
        case state::in_use:
            --t.counts.in_use;
            --in_use_;
            break;
        case state::checking:
            --t.counts.checking;
            if (gone.for_waiter) --t.checks_for_waiters;
            break;
    }
    --total_;
    connections_.remove(c);
    look_at(at);
}

void pool_core::close(slot c, close_reason why) {
    ++targets_[connections_[c].target].counts.closed[static_cast<std::size_t>(why)];
    told_.push_back(close_connection{connections_.id_of(c), why});
    remove(c);
}

void pool_core::give_up(slot c) {
    ++targets_[connections_[c].target].counts.given_up;
    told_.push_back(cancel_connect{connections_.id_of(c)});
    remove(c);
}

// Closed as soon as nobody uses it.
void pool_core::retire(slot c, close_reason why) {
    pooled& old = connections_[c];
    switch (old.is) {
        case state::connecting: return give_up(c);
        case state::idle: return close(c, why);
        case state::in_use:
        case state::checking:
            if (!old.retired) old.retired_why = why;
            old.retired = true;
    }
}

}  // namespace dial::pooling
