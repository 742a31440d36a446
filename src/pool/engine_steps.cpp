// What the core says is to be done.
#include <pool/engine.hpp>

#include <algorithm>

namespace dial::pooling {

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
            const bool reused = lend(c, waited);
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
        give_up(c);
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

bool pool_core::is_at_rest(time_point now) const {
    return told_.empty() && to_serve_.empty() && to_connect_.empty() && bare_.empty() && starved_.empty() &&
        unfilled_.empty() && unused_.size() <= rules_.remembered && now < earliest();
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
        return wait_until{earliest()};
    }
}

}  // namespace dial::pooling
