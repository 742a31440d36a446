#include <pool/engine.hpp>

#include <algorithm>

namespace dial::pooling {
namespace {

// Not less than nothing: two threads may have read the clock in the other order.
duration waited_since(time_point since, time_point now) {
    return std::max(now - since, duration::zero());
}

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
    if (closed_) {
        end(w, wait_end::closed, now);
    } else {
        waiters_due_.set(w, deadline);
        look_at(t);
    }
    return id;
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
    return true;
}

void pool_core::on_connect_failed(connection_id connection, time_point now, double chance) {
    const slot c = connections_.find(connection);
    if (c == no_slot || connections_[c].is != state::connecting) return;
    const slot t = connections_[c].target;
    ++targets_[t].counts.open_failed;
    remove(c);
    if (!targets_[t].waiting.empty()) end(targets_[t].waiting.front(), wait_end::connect_failed, now, connection);
    if (rules_.min_idle == 0) return;
    targets_[t].refill_at = saturating_add(now, refill_delay(rules_, ++targets_[t].failures, chance));
    refills_due_.set(t, targets_[t].refill_at);
}

void pool_core::on_returned(connection_id connection, std::uint32_t loan, bool reusable, time_point now) {
    const slot c = connections_.find(connection);
    if (c == no_slot || connections_[c].is != state::in_use || connections_[c].loan != loan) return;
    pooled& back = connections_[c];
    if (closed_) return close(c, close_reason::pool_closed);
    if (!reusable) return close(c, close_reason::discarded);
    if (back.retired) return close(c, back.retired_why);
    if (now >= back.dies) return close(c, close_reason::max_lifetime);
    --targets_[back.target].counts.in_use;
    --in_use_;
    back.returned = now;
    become_idle(c);
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
    look_at(idle.target);
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

// Closed as soon as nobody uses it.
void pool_core::retire(slot c, close_reason why) {
    pooled& old = connections_[c];
    switch (old.is) {
        case state::connecting: told_.push_back(cancel_connect{connections_.id_of(c)}); return remove(c);
        case state::idle: return close(c, why);
        case state::in_use:
        case state::checking:
            if (!old.retired) old.retired_why = why;
            old.retired = true;
    }
}

// --- What is to be done ---

bool pool_core::is_used(const shelf& t) const {
    return size_of(t) != 0 || !t.waiting.empty() || (t.warm && rules_.min_idle != 0 && !closed_);
}

void pool_core::look_at(slot t) {
    to_serve_.push_back(targets_, t);
    if (is_used(targets_[t]))
        unused_.remove(targets_, t);
    else
        unused_.push_back(targets_, t);
}

bool pool_core::needs_check(const pooled& c, time_point now) const {
    return rules_.check_after != never && now - std::max(c.returned, c.checked) >= rules_.check_after;
}

// When an idle one is to be closed or checked.
time_point pool_core::due(const pooled& c) const {
    time_point when = c.dies;
    if (targets_[c.target].counts.idle > rules_.min_idle)
        when = std::min(when, saturating_add(c.returned, rules_.idle_timeout));
    return std::min(when, saturating_add(std::max(c.returned, c.checked), rules_.keep_alive));
}

bool pool_core::wants_refill(const shelf& t) const {
    if (!t.warm) return false;
    const std::size_t spare = on_the_way(t) > t.waiting.size() ? on_the_way(t) - t.waiting.size() : 0;
    return t.counts.idle + (t.counts.checking - t.checks_for_waiters) + spare < rules_.min_idle;
}

bool pool_core::close_if_too_old(slot c, time_point now) {
    const pooled& old = connections_[c];
    const bool to_be_kept = targets_[old.target].counts.idle <= rules_.min_idle;
    if (now >= old.dies)
        close(c, close_reason::max_lifetime);
    else if (!to_be_kept && now >= saturating_add(old.returned, rules_.idle_timeout))
        close(c, close_reason::idle_timeout);
    else
        return false;
    return true;
}

bool pool_core::expire_connections(time_point now) {
    while (connections_due_.any_due(now)) {
        const slot c = connections_due_.first();
        const pooled& old = connections_[c];
        if (close_if_too_old(c, now)) continue;
        if (now >= saturating_add(std::max(old.returned, old.checked), rules_.keep_alive)) {
            start_checking(c, false);
            told_.push_back(start_check{connections_.id_of(c)});
        } else {
            connections_due_.set(c, due(old));
        }
    }
    return !told_.empty();
}

bool pool_core::expire_waiters(time_point now) {
    while (waiters_due_.any_due(now)) {
        const slot w = waiters_due_.first();
        const line_entry& late = waiters_[w];
        const shelf& t = targets_[late.target];
        const bool full = size_of(t) >= rules_.max_per_target || total_ >= rules_.max_total;
        const bool waited = late.deadline > late.since;
        end(w, waited && on_the_way(t) != 0 ? wait_end::unreachable : full ? wait_end::full : wait_end::too_late, now);
    }
    return !told_.empty();
}

bool pool_core::begin_refills(time_point now) {
    bool any = false;
    for (; refills_due_.any_due(now); any = true) {
        const slot t = refills_due_.first();
        refills_due_.clear(t);
        look_at(t);
    }
    return any;
}

bool pool_core::serve(slot at, time_point now, step& out) {
    shelf& t = targets_[at];
    if (!t.waiting.empty() && !t.idle.empty()) {
        const slot c = rules_.oldest_first ? t.idle.back() : t.idle.front();
        const slot w = t.waiting.front();
        pooled& chosen = connections_[c];
        // What came, or was looked at, while somebody waited is as good as new, however late it is now.
        const time_point since = waiters_[w].since;
        if (std::max(chosen.returned, chosen.checked) < since && close_if_too_old(c, now)) return false;
        if (rules_.inspect && chosen.inspected < since) {
            out = inspect{connections_.id_of(c)};
            return true;
        }
        const bool checked = chosen.checked >= std::max(since, chosen.returned) || !needs_check(chosen, now);
        if (checked) {
            const duration waited = waited_since(since, now);
            leave_idle(c);
            chosen.is = state::in_use;
            const bool reused = chosen.loan++ != 0;
            ++in_use_;
            ++t.counts.in_use;
            ++t.counts.acquired;
            if (reused) ++t.counts.reused;
            t.counts.waits.add(waited);
            out = hand_out{waiters_.id_of(w), connections_.id_of(c), chosen.loan, reused, waited};
            leave_line(w);
            waiters_.remove(w);
            return true;
        }
        if (t.checks_for_waiters < t.waiting.size()) {
            start_checking(c, true);
            out = start_check{connections_.id_of(c)};
            return true;
        }
    }
    while (t.idle.size() > rules_.max_idle) close(t.idle.back(), close_reason::max_idle);
    return false;
}

// Of those who wait for a place of the pool, the first that can get one; else no_slot.
slot pool_core::next_for_a_place() {
    if (total_ >= rules_.max_total && all_idle_.empty()) return no_slot;
    if (!bare_.empty()) return bare_.pop_front(targets_);
    return starved_.empty() ? no_slot : starved_.pop_front(targets_);
}

// Starts one: then it is the next target's turn.
bool pool_core::connect(slot at, time_point now, step& out) {
    shelf& t = targets_[at];
    if (closed_) return false;
    const bool for_waiter = t.waiting.size() > on_the_way(t);
    if (!for_waiter && (!wants_refill(t) || now < t.refill_at)) return false;
    if (t.counts.connecting >= rules_.max_connecting || size_of(t) >= rules_.max_per_target) {
        turn_away(at, now);
        return false;
    }
    if (total_ >= rules_.max_total) {
        if (!for_waiter) {
            unfilled_.push_back(targets_, at);
        } else if (make_room(at)) {
            bare_.push_front(targets_, at);  // before anybody else
        } else {
            if (size_of(t) == 0)
                bare_.push_back(targets_, at);
            else
                starved_.push_back(targets_, at);
            turn_away(at, now);
        }
        return false;
    }
    ++total_;
    ++t.counts.connecting;
    pooled fresh;
    fresh.target = at;
    const connection_id id = connections_.add(fresh);
    all_connecting_.push_back(connections_, connections_.find(id));
    out = start_connect{id, targets_.id_of(at)};
    unused_.remove(targets_, at);
    to_connect_.push_back(targets_, at);
    return true;
}

// The idle connection that was used least recently; or, where this target has nothing at all, the newest connect of one that has
// more: a server that does not answer shall not take every place for as long as a connect takes.
bool pool_core::make_room(slot t) {
    if (!all_idle_.empty()) {
        close(all_idle_.back(), close_reason::evicted);
        return true;
    }
    if (size_of(targets_[t]) != 0) return false;
    for (slot c = all_connecting_.back(); c != no_slot; c = all_connecting_.before(connections_, c)) {
        if (size_of(targets_[connections_[c].target]) < 2) continue;
        told_.push_back(cancel_connect{connections_.id_of(c)});
        remove(c);
        return true;
    }
    return false;
}

// Nobody comes for them soon, and there are too many: those who came last go.
void pool_core::turn_away(slot at, time_point now) {
    const shelf& t = targets_[at];
    while (t.waiting.size() > on_the_way(t) && t.waiting.size() - on_the_way(t) > rules_.max_waiting)
        end(t.waiting.back(), wait_end::too_many, now);
}

step pool_core::next(time_point now) {
    for (;;) {
        while (!told_.empty()) {
            const step said = told_.front();
            told_.pop_front();
            if (const auto* const ended = std::get_if<end_wait>(&said)) waiters_.remove(waiters_.find(ended->waiter));
            const auto* const look = std::get_if<inspect>(&said);
            if (!look) return said;
            const slot c = connections_.find(look->connection);
            if (c != no_slot && connections_[c].is == state::idle) return said;
        }

        step out;
        while (!to_serve_.empty() && told_.empty()) {
            const slot t = to_serve_.front();
            if (serve(t, now, out)) return out;
            if (!told_.empty()) break;  // again after that
            to_serve_.remove(targets_, t);
            to_connect_.push_back(targets_, t);
        }
        if (!told_.empty() || expire_connections(now)) continue;
        // Only who got nothing from what is there is late, and only for the others are connections opened.
        if (expire_waiters(now) || begin_refills(now)) continue;
        if (const slot t = next_for_a_place(); t != no_slot) {
            to_connect_.remove(targets_, t);
            if (connect(t, now, out)) return out;
            continue;
        }
        if (!to_connect_.empty()) {
            if (connect(to_connect_.pop_front(targets_), now, out)) return out;
            continue;
        }
        if (!unfilled_.empty() && total_ < rules_.max_total) {
            to_connect_.push_back(targets_, unfilled_.pop_front(targets_));
            continue;
        }
        if (unused_.size() > rules_.remembered) {
            const slot t = unused_.pop_front(targets_);
            bare_.remove(targets_, t);
            starved_.remove(targets_, t);
            unfilled_.remove(targets_, t);
            refills_due_.clear(t);
            forgotten_ += targets_[t].counts;
            const target_id id = targets_.id_of(t);
            targets_.remove(t);
            return forget{id};
        }
        return wait_until{std::min({connections_due_.earliest(), waiters_due_.earliest(), refills_due_.earliest()})};
    }
}

}  // namespace dial::pooling
