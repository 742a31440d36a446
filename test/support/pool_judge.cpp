#include <support/pool_judge.hpp>

#include <algorithm>
#include <limits>
#include <variant>

namespace dial::test {
namespace {

using namespace pooling;

std::size_t place_of(std::uint64_t id) {
    return static_cast<std::uint32_t>(id);
}

template <class T>
T& at(std::vector<T>& all, std::uint64_t id) {
    const std::size_t place = place_of(id);
    if (place >= all.size()) all.resize(place + 1);
    return all[place];
}

pool_rules as_meant(pool_rules r) {
    r.max_per_target = std::max<std::size_t>(r.max_per_target, 1);
    r.max_total = std::max<std::size_t>(r.max_total, 1);
    r.max_connecting = std::max<std::size_t>(r.max_connecting, 1);
    r.min_idle = std::min({r.min_idle, r.max_idle, r.max_per_target});
    return r;
}

time_point came(const pool_judge::connection& c) {
    return std::max(c.returned, c.checked);
}

}  // namespace

pool_judge::pool_judge(const pool_rules& with, std::size_t count_of_targets, bool is_strict)
    : rules{as_meant(with)}, strict{is_strict}, core{with}, targets(count_of_targets) {
    connections.reserve(16);
    waiters.reserve(16);
}

target_id pool_judge::id_of(std::size_t t) {
    if (targets[t].id == 0) targets[t].id = core.add_target();
    return targets[t].id;
}

pool_judge::connection* pool_judge::find(connection_id id) {
    const std::size_t place = place_of(id);
    if (place < connections.size() && connections[place].id == id && connections[place].is != state::gone)
        return &connections[place];
    expect(false, "a step about a connection that is not there");
    return nullptr;
}

pool_judge::waiter* pool_judge::find_waiter(waiter_id id) {
    const std::size_t place = place_of(id);
    if (place < waiters.size() && waiters[place].id == id && waiters[place].waits) return &waiters[place];
    expect(false, "a step about somebody who does not wait");
    return nullptr;
}

pool_judge::tally pool_judge::count(std::size_t which) const {
    tally t;
    for (const connection& c : connections) {
        if (c.target != which) continue;
        switch (c.is) {
            case state::connecting: ++t.connecting; break;
            case state::idle: ++t.idle; break;
            case state::in_use: ++t.in_use; break;
            case state::checking: ++t.checking; break;
            case state::gone:
            case state::cancelling:
            case state::closing: break;
        }
    }
    return t;
}

std::size_t pool_judge::total() const {
    std::size_t all = 0;
    for (std::size_t t = 0; t != targets.size(); ++t) all += count(t).size();
    return all;
}

void pool_judge::leave_line(waiter& w) {
    w.waits = false;
    target& t = targets[w.target];
    std::erase(t.line, static_cast<std::uint32_t>(&w - waiters.data()));
    if (t.line.empty()) t.bare = false;
}

void pool_judge::become_idle(connection& c) {
    c.is = state::idle;
    c.inspected = time_point::min();
}

void pool_judge::start_closing(connection& c, close_reason why) {
    c.is = state::closing;
    c.why = why;
    c.to_inspect = 0;
}

void pool_judge::retire(connection& c, close_reason why) {
    switch (c.is) {
        case state::connecting: c.is = state::cancelling; break;
        case state::idle: start_closing(c, why); break;
        case state::in_use:
        case state::checking:
            if (!c.retired) c.why = why;
            c.retired = true;
            break;
        case state::gone:
        case state::cancelling:
        case state::closing: break;
    }
}

// --- Events ---

void pool_judge::warm_up(std::size_t t) {
    core.on_warm_up(id_of(t), now);
    targets[t].warm = true;
}

void pool_judge::acquire(std::size_t t, duration patience) {
    const time_point deadline = saturating_add(now, patience);
    const waiter_id id = core.on_acquire(id_of(t), now, deadline);
    waiter& w = at(waiters, id);
    expect(!w.waits, "the place of somebody who waits was given to another");
    w = {id, t, true, closed, now, deadline};
    targets[t].line.push_back(static_cast<std::uint32_t>(place_of(id)));
    targets[t].warm = true;
}

bool pool_judge::reserve(std::size_t t) {
    const bool at_rest = core.is_at_rest(now);
    const auto got = core.on_reserve(id_of(t), now);
    target& of = targets[t];
    if (!got) {
        if (!at_rest || closed || rules.inspect || !of.line.empty()) return false;
        const std::size_t idle = count(t).idle;
        bool all_good = idle <= rules.max_idle;
        for (const connection& c : connections)
            if (c.is == state::idle && c.target == t)
                all_good = all_good && now < c.dies && now < saturating_add(came(c), rules.keep_alive) &&
                    now < saturating_add(came(c), rules.check_after) &&
                    (idle <= rules.min_idle || now < saturating_add(c.returned, rules.idle_timeout));
        expect(idle == 0 || !all_good, "an idle connection was not to be had");
        return false;
    }
    connection* const c = find(got->connection);
    if (!c) return true;
    note("reserved: " + std::to_string(place_of(got->connection)));
    ++reservations;
    expect(of.line.empty(), "lent to one who came later");
    expect(!rules.inspect, "lent without a look");
    judge_lent(*c, t, time_point::max(), got->loan, got->reused);
    c->reserved = true;
    of.counts.waits.add(duration::zero());
    of.warm = true;
    return true;
}

void pool_judge::confirm(std::size_t place, bool readable) {
    connection& c = connections[place];
    const bool good = core.on_confirm(c.id, c.loan, readable);
    expect(good == (!closed && !c.retired && !readable), "whether it is still to be had");
    c.reserved = false;
    if (good) return;
    ++undone;
    pool_counts& counts = targets[c.target].counts;
    --counts.acquired;
    if (c.loan > 1) --counts.reused;
    --counts.waits.counts.front();
    if (closed) return start_closing(c, close_reason::pool_closed);
    if (c.retired) return start_closing(c, c.why);
    --c.loan;
    c.readable = false;
    become_idle(c);
    c.to_inspect = 1;
}

void pool_judge::cancel(std::size_t place) {
    waiter& w = waiters[place];
    const bool done = core.on_cancelled(w.id, now);
    if (!w.waits || w.must_end) return expect(!done, "a wait that was over was cancelled");
    if (!done) {
        expect(!strict || targets[w.target].failed_in_line != 0, "a wait could not be cancelled");
        w.must_end = true;
        return;
    }
    ++targets[w.target].counts.cancelled;
    leave_line(w);
}

void pool_judge::connected(std::size_t place, double chance) {
    connection& c = connections[place];
    const bool wanted = core.on_connected(c.id, now, chance);
    if (c.is != state::connecting) return expect(!wanted, "a connection was wanted that was not being opened");
    if (!wanted) {
        expect(!strict, "a connection was not wanted");
        c.is = state::cancelling;
        return;
    }
    target& t = targets[c.target];
    ++t.counts.opened;
    t.failures = 0;
    t.refill_at = time_point::min();
    become_idle(c);
    c.returned = c.checked = now;
    const auto life =
        std::chrono::duration<double, std::nano>{rules.max_lifetime} * (1 - rules.lifetime_jitter * chance);
    c.dies = rules.max_lifetime == never ? time_point::max() : saturating_add(now, to_duration(life));
}

void pool_judge::failed(std::size_t place, double chance) {
    connection& c = connections[place];
    const std::uint64_t before = c.is == state::connecting ? core.counts(targets[c.target].id).open_failed : 0;
    core.on_connect_failed(c.id, now, chance);
    if (c.is != state::connecting) return;
    target& t = targets[c.target];
    if (core.counts(t.id).open_failed == before) {
        expect(!strict, "a failure was not heard");
        c.is = state::cancelling;
        return;
    }
    ++t.counts.open_failed;
    gone(c);
    if (t.line.size() > t.failed_in_line) ++t.failed_in_line;
    if (rules.min_idle == 0) return;
    duration delay = rules.refill_delay;
    for (std::size_t i = 0; i != t.failures; ++i) delay = std::min(delay * 2, rules.max_refill_delay);
    ++t.failures;
    t.refill_at = now + delay / 2 + std::chrono::duration_cast<duration>(delay * (chance / 2));
}

void pool_judge::returned(std::size_t place, std::uint32_t loan, bool reusable) {
    connection& c = connections[place];
    core.on_returned(c.id, loan, reusable, now);
    if (c.is != state::in_use || c.loan != loan) return;
    c.reserved = false;
    if (closed) return start_closing(c, close_reason::pool_closed);
    if (!reusable) {
        if (c.loan > 1 && !rules.inspect)
            for (connection& other : connections)
                if (other.is == state::idle && other.target == c.target) ++other.to_inspect;
        return start_closing(c, close_reason::discarded);
    }
    if (c.retired) return start_closing(c, c.why);
    if (now >= c.dies) return start_closing(c, close_reason::max_lifetime);
    become_idle(c);
    c.returned = now;
    c.to_inspect = c.readable ? 1 : 0;
    c.readable = false;
}

void pool_judge::taken(std::size_t place, std::uint32_t loan) {
    connection& c = connections[place];
    core.on_taken(c.id, loan);
    if (c.is == state::in_use && c.loan == loan) gone(c);
}

void pool_judge::readable(std::size_t place, bool dead) {
    connection& c = connections[place];
    if (dead) c.dead = true;
    if (rules.inspect) return;  // nobody watches
    core.on_readable(c.id);
    if (c.is == state::idle) ++c.to_inspect;
    if (c.is == state::in_use) c.readable = true;
}

void pool_judge::checked(std::size_t place, bool alive) {
    connection& c = connections[place];
    core.on_checked(c.id, alive, now);
    if (c.is != state::checking) return;
    if (!alive) return start_closing(c, close_reason::check_failed);
    if (c.retired) return start_closing(c, c.why);
    if (now >= c.dies) return start_closing(c, close_reason::max_lifetime);
    become_idle(c);
    c.checked = now;
}

void pool_judge::address_gone(std::size_t place) {
    connection& c = connections[place];
    core.on_address_gone(c.id, now);
    if (c.is != state::connecting) retire(c, close_reason::address_gone);
}

void pool_judge::reset(std::size_t t) {
    core.on_reset(id_of(t), now);
    for (connection& c : connections)
        if (c.target == t) retire(c, close_reason::reset);
}

void pool_judge::close() {
    core.on_close(now);
    closed = true;
    for (waiter& w : waiters)
        if (w.waits) w.must_end = true;
    for (connection& c : connections) {
        if (c.is == state::in_use) continue;
        if (c.is == state::checking) start_closing(c, close_reason::pool_closed);
        retire(c, close_reason::pool_closed);
    }
}

void pool_judge::everything_about(connection_id stale) {
    expect(!core.on_connected(stale, now, 0), "a connection was wanted that is gone");
    core.on_connect_failed(stale, now, 0);
    for (std::uint32_t loan = 0; loan != 3; ++loan) {
        core.on_returned(stale, loan, true, now);
        core.on_taken(stale, loan);
    }
    core.on_readable(stale);
    core.on_inspected(stale, false, now);
    core.on_checked(stale, false, now);
    core.on_address_gone(stale, now);
}

// --- Steps ---

void pool_judge::settle(const std::function<void()>& between) {
    for (int steps = 0; ok(); ++steps) {
        expect(steps < 1000, "it does not come to rest");
        const bool at_rest = core.is_at_rest(now);
        const time_point earliest = core.earliest();
        const step next = core.next(now);
        expect(!at_rest || next == step{wait_until{earliest}}, "not at rest, though it says so");
        ++told[next.index()];
        std::visit([this](const auto& s) { judge(s); }, next);
        if (std::holds_alternative<wait_until>(next)) return;
        if (between) between();
    }
}

void pool_judge::judge(const start_connect& s) {
    std::size_t which = 0;
    while (which != targets.size() && targets[which].id != s.target) ++which;
    if (which == targets.size()) return expect(false, "a connect for no target");
    note("open " + std::to_string(place_of(s.connection)) + " for " + std::to_string(which));
    connection& c = at(connections, s.connection);
    expect(c.is == state::gone, "the place of a connection was given to another");
    expect(c.id != s.connection, "an id was given twice");
    const tally t = count(which);
    target& of = targets[which];
    expect(!closed, "a connect after close");
    expect(t.connecting < rules.max_connecting, "more connects at a time than allowed");
    expect(t.size() < rules.max_per_target, "more of a target than allowed");
    expect(total() < rules.max_total, "more in all than allowed");
    if (of.line.size() <= t.connecting) {
        expect(of.warm, "opened ahead for a target that nobody has asked for");
        expect(t.idle + (t.connecting - of.line.size()) < rules.min_idle, "a connect that nobody wants");
        expect(now >= of.refill_at, "opened ahead again too early");
    }
    if (t.size() != 0)
        for (std::size_t u = 0; u != targets.size(); ++u)
            expect(u == which || !targets[u].bare, "a place for who has some, while another has waited for its first");
    of.bare = false;
    c = {};
    c.id = s.connection;
    c.target = which;
    c.is = state::connecting;
    c.started = now;
    c.order = ++starts_;
}

void pool_judge::judge(const cancel_connect& s) {
    note("cancel " + std::to_string(place_of(s.connection)));
    connection* const c = find(s.connection);
    if (!c) return;
    ++targets[c->target].counts.given_up;
    if (c->is == state::cancelling) return gone(*c);
    expect(c->is == state::connecting, "a connect was cancelled that is none");
    if (strict) {
        expect(total() >= rules.max_total, "a connect was cancelled though there are places");
        expect(count(c->target).size() >= 2, "the only connect of a target was cancelled for another");
        const auto has_nothing = [&](std::size_t u) { return !targets[u].line.empty() && count(u).size() == 0; };
        bool any = false;
        for (std::size_t u = 0; u != targets.size(); ++u) any = any || has_nothing(u);
        expect(any, "a connect was cancelled for nobody");
        for (const connection& other : connections)
            expect(other.is != state::connecting || other.order <= c->order || count(other.target).size() < 2,
                "a connect was cancelled that is not the newest");
    }
    gone(*c);
}

void pool_judge::judge(const inspect& s) {
    note("inspect " + std::to_string(place_of(s.connection)));
    connection* const c = find(s.connection);
    if (!c) return;
    expect(c->is == state::idle, "a connection was looked at that is not idle");
    expect(rules.inspect || c->to_inspect != 0 || !strict, "a connection was looked at for no reason");
    const bool alive = !c->dead;
    core.on_inspected(s.connection, alive, now);
    if (c->to_inspect != 0) --c->to_inspect;
    c->inspected = now;
    if (!alive) start_closing(*c, close_reason::dead);
}

void pool_judge::judge(const start_check& s) {
    note("check " + std::to_string(place_of(s.connection)));
    connection* const c = find(s.connection);
    if (!c) return;
    expect(c->is == state::idle || (!strict && c->is == state::closing), "a connection is checked that is not idle");
    const duration unused = now - came(*c);
    const bool kept_alive = rules.keep_alive != never && unused >= rules.keep_alive;
    const bool before_use = rules.check_after != never && unused >= rules.check_after;
    const std::size_t waiting = targets[c->target].line.size();
    expect(kept_alive || (before_use && waiting != 0), "a check for nothing");
    expect(rules.keep_alive != never || count(c->target).checking < waiting, "more checks than waits");
    c->retired = c->is == state::closing;
    c->to_inspect = 0;
    c->is = state::checking;
}

// `since`: that of who gets it; max() where nobody waited.
void pool_judge::judge_lent(connection& c, std::size_t to, time_point since, std::uint32_t loan, bool reused) {
    target& t = targets[to];
    expect(!closed, "lent after close");
    expect(c.is == state::idle, "lent, and not idle");
    expect(c.target == to, "lent to another target");
    expect(loan == c.loan + 1, "not a loan of its own");
    expect(reused == (c.loan != 0), "used before?");
    expect(c.to_inspect == 0, "lent with something to read");
    expect(!c.dead || !strict, "lent, and dead");
    if (rules.check_after != never && now - came(c) >= rules.check_after)
        expect(c.checked >= std::max(since, c.returned), "lent without a check");
    const std::size_t idle = count(c.target).idle;
    if (came(c) < since) {
        expect(now < c.dies, "lent beyond its life");
        expect(idle <= rules.min_idle || now < saturating_add(c.returned, rules.idle_timeout),
            "lent though idle for too long");
    }
    for (const connection& other : connections) {
        if (other.is != state::idle || other.target != c.target) continue;
        expect(rules.oldest_first ? other.returned >= c.returned : other.returned <= c.returned,
            "not the one whose turn it is");
    }
    c.is = state::in_use;
    c.loan = loan;
    ++t.counts.acquired;
    if (reused) ++t.counts.reused;
}

void pool_judge::judge(const hand_out& s) {
    note("lend " + std::to_string(place_of(s.connection)) + " to " + std::to_string(place_of(s.waiter)));
    connection* const c = find(s.connection);
    waiter* const w = find_waiter(s.waiter);
    if (!c || !w) return;
    target& t = targets[w->target];
    expect(t.line.front() == place_of(s.waiter), "lent to one who came later");
    expect(s.waited == now - w->since, "how long it has waited");
    expect(!rules.inspect || c->inspected >= w->since, "lent without a look");
    judge_lent(*c, w->target, w->since, s.loan, s.reused);
    t.counts.waits.add(s.waited);
    leave_line(*w);
}

bool pool_judge::is_oldest(const connection& c, bool of_all) const {
    for (const connection& other : connections)
        if (other.is == state::idle && (of_all || other.target == c.target) && other.returned < c.returned)
            return false;
    return true;
}

void pool_judge::judge(const close_connection& s) {
    note("close " + std::to_string(place_of(s.connection)) + ' ' + std::string{to_string(s.why)});
    connection* const c = find(s.connection);
    if (!c) return;
    ++targets[c->target].counts.closed[static_cast<std::size_t>(s.why)];
    ++closings[static_cast<std::size_t>(s.why)];
    if (c->is == state::closing) {
        expect(!strict || s.why == c->why, "closed for another reason");
        return gone(*c);
    }
    if (c->is == state::checking) {
        expect(closed && s.why == close_reason::pool_closed && !strict, "closed under check");
        return gone(*c);
    }
    expect(c->is == state::idle, "closed, and not idle");
    const std::size_t idle = count(c->target).idle;
    const target& t = targets[c->target];
    if (s.why == close_reason::idle_timeout || s.why == close_reason::max_lifetime)
        expect(t.line.empty() || came(*c) < waiters[t.line.front()].since || rules.check_after != never,
            "closed though it came for somebody");
    switch (s.why) {
        case close_reason::idle_timeout:
            expect(now >= saturating_add(c->returned, rules.idle_timeout), "closed before it was idle for so long");
            expect(idle > rules.min_idle, "closed though it was to be kept");
            break;
        case close_reason::max_lifetime: expect(now >= c->dies, "closed before the end of its life"); break;
        case close_reason::max_idle:
            expect(idle > rules.max_idle, "closed though no more were idle than may be");
            expect(is_oldest(*c, false), "closed though another was idle for longer");
            break;
        case close_reason::evicted: {
            expect(total() >= rules.max_total || !strict, "evicted though there are places");
            expect(is_oldest(*c, true), "evicted though another was idle for longer");
            bool wanted = !strict;
            for (std::size_t u = 0; u != targets.size(); ++u)
                wanted = wanted || (u != c->target && !targets[u].line.empty());
            expect(wanted, "evicted for nobody");
            break;
        }
        default: expect(false, "closed for no reason");
    }
    gone(*c);
}

void pool_judge::judge(const end_wait& s) {
    note("end " + std::to_string(place_of(s.waiter)) + " for " + std::to_string(static_cast<int>(s.why)));
    waiter* const w = find_waiter(s.waiter);
    if (!w) return;
    ++ends[static_cast<std::size_t>(s.why)];
    target& t = targets[w->target];
    const tally n = count(w->target);
    expect(strict ? s.waited == now - w->since : s.waited <= now - w->since, "how long it has waited in vain");
    expect((s.why == wait_end::connect_failed) == (s.connection != 0), "of which connection");
    expect(!w->must_end || closed || !strict || s.why == wait_end::connect_failed, "ended for another reason");
    const bool full = n.size() >= rules.max_per_target || total() >= rules.max_total;
    switch (s.why) {
        case wait_end::connect_failed:
            expect(t.line.front() == place_of(s.waiter), "a failure ended another wait than the longest");
            expect(t.failed_in_line != 0 || !strict, "a failure ended two waits");
            if (t.failed_in_line != 0) --t.failed_in_line;
            break;
        case wait_end::full:
            expect(full || !strict, "full?");
            expect(now >= w->deadline, "ended too early");
            break;
        case wait_end::unreachable:
            expect(n.connecting + n.checking != 0 || !strict, "unreachable?");
            expect(now >= w->deadline, "ended too early");
            break;
        case wait_end::too_late:
            expect(now >= w->deadline, "ended too early");
            expect(!full || !strict, "too late?");
            break;
        case wait_end::too_many:
            expect(!strict || t.line.back() == place_of(s.waiter), "not who came last was turned away");
            expect(!strict || t.line.size() > rules.max_waiting + n.connecting, "turned away though more may wait");
            expect(!strict || full || n.connecting >= rules.max_connecting, "turned away though there is a place");
            break;
        case wait_end::closed: expect(closed, "closed?"); break;
    }
    if (s.why == wait_end::full || s.why == wait_end::unreachable || s.why == wait_end::too_late)
        ++t.counts.wait_timeouts;
    if (s.why == wait_end::too_many) ++t.counts.turned_away;
    leave_line(*w);
}

void pool_judge::judge(const forget& s) {
    std::size_t unused = 0, which = targets.size();
    for (std::size_t t = 0; t != targets.size(); ++t) {
        if (targets[t].id == 0) continue;
        if (targets[t].id == s.target) which = t;
        if (count(t).size() == 0 && targets[t].line.empty()) ++unused;
    }
    if (which == targets.size()) return expect(false, "a target was forgotten that is not known");
    note("forget " + std::to_string(which));
    target& t = targets[which];
    expect(count(which).size() == 0 && t.line.empty(), "a target was forgotten that is in use");
    expect(closed || !t.warm || rules.min_idle == 0, "a target was forgotten that is to be kept ready");
    expect(unused > rules.remembered, "a target was forgotten too early");
    t.counts.in_use = t.counts.idle = t.counts.connecting = t.counts.checking = t.counts.waiting = 0;
    forgotten_ += t.counts;
    t = {};
}

// --- At rest ---

void pool_judge::compare(const pool_counts& is, const pool_counts& should) {
    expect(is.in_use == should.in_use && is.idle == should.idle && is.connecting == should.connecting &&
            is.checking == should.checking && is.waiting == should.waiting,
        "counts of what there is");
    expect(is.opened == should.opened && is.open_failed == should.open_failed && is.given_up == should.given_up &&
            is.acquired == should.acquired && is.reused == should.reused && is.wait_timeouts == should.wait_timeouts &&
            is.turned_away == should.turned_away && is.cancelled == should.cancelled && is.closed == should.closed,
        "counts of what was done");
    expect(is.waits.counts == should.waits.counts && is.waits.sum == should.waits.sum &&
            is.waits.longest == should.waits.longest,
        "the histogram of the waits");
}

time_point pool_judge::due(std::size_t which, const tally& n, std::size_t in_all) const {
    const target& t = targets[which];
    time_point first = time_point::max();
    for (const std::uint32_t w : t.line) first = std::min(first, waiters[w].deadline);
    time_point oldest = time_point::max();
    for (const connection& c : connections) {
        if (c.target != which || c.is != state::idle) continue;
        first = std::min({first, c.dies, saturating_add(came(c), rules.keep_alive)});
        oldest = std::min(oldest, c.returned);
    }
    if (n.idle > rules.min_idle) first = std::min(first, saturating_add(oldest, rules.idle_timeout));
    // A check to keep it alive is of one that is kept ready; which those are is known where there are no others.
    const std::size_t ready = n.idle + (rules.keep_alive == never ? 0 : n.checking), coming = n.connecting + n.checking;
    const std::size_t spare = coming > t.line.size() ? coming - t.line.size() : 0;
    if (t.warm && !closed && ready + spare < rules.min_idle && n.size() < rules.max_per_target &&
        n.connecting < rules.max_connecting && in_all < rules.max_total)
        first = std::min(first, t.refill_at);
    return first;
}

void pool_judge::judge_rest(std::size_t which, const tally& n, std::size_t in_all, bool any_idle) {
    target& t = targets[which];
    t.counts.in_use = n.in_use;
    t.counts.idle = n.idle;
    t.counts.connecting = n.connecting;
    t.counts.checking = n.checking;
    t.counts.waiting = t.line.size();
    if (t.id != 0) compare(core.counts(t.id), t.counts);
    expect(n.idle <= rules.max_idle, "more idle ones than allowed");
    expect(t.failed_in_line == 0 || !strict, "a failure that nobody was told");
    t.failed_in_line = 0;
    t.bare = false;
    if (t.line.empty()) return;
    expect(!closed, "somebody waits after close");
    // Enough checks, though some may be to keep connections alive: then there are connects.
    expect(n.idle == 0 || n.checking + n.connecting >= t.line.size(), "somebody waits, and one is idle");
    expect(n.idle == 0 || rules.check_after != never, "somebody waits, and one is idle that needs no check");
    for (const connection& c : connections)
        if (c.is == state::idle && c.target == which && n.idle == 1)
            expect(
                now - came(c) >= rules.check_after && c.checked < std::max(waiters[t.line.front()].since, c.returned),
                "somebody waits, and one is idle that needs no check now");
    if (t.line.size() > n.connecting + n.checking) {
        const bool limited = n.connecting >= rules.max_connecting || n.size() >= rules.max_per_target;
        expect(limited || in_all >= rules.max_total, "somebody waits, and there is a place");
        expect(limited || !any_idle, "somebody waits, and one is idle that could be evicted");
        expect(t.line.size() - n.connecting - n.checking <= rules.max_waiting, "more wait than allowed");
    }
    if (n.size() != 0) return;
    t.bare = true;
    for (const connection& c : connections)
        expect(c.is != state::connecting || count(c.target).size() < 2, "a target has nothing, and another opens more");
}

void pool_judge::judge(const wait_until& s) {
    note("wait");
    wakes = s.when;
    expect(wakes > now, "it waits for what has been");
    std::size_t in_all = 0, in_use = 0;
    bool any_idle = false;
    std::vector<tally> tallies(targets.size());
    for (std::size_t t = 0; t != targets.size(); ++t) {
        tallies[t] = count(t);
        in_all += tallies[t].size();
        in_use += tallies[t].in_use;
        any_idle = any_idle || tallies[t].idle != 0;
    }
    expect(core.size() == in_all, "how many there are");
    expect(core.in_use() == in_use, "how many are in use");
    for (std::size_t t = 0; t != targets.size(); ++t) {
        judge_rest(t, tallies[t], in_all, any_idle);
        const time_point first = due(t, tallies[t], in_all);
        expect(first > now, "something is due, and nothing is done");
        expect(wakes <= first, "it sleeps too long");
    }
    compare(core.forgotten(), forgotten_);
    std::size_t unused = 0;
    for (std::size_t t = 0; t != targets.size(); ++t)
        if (targets[t].id != 0 && tallies[t].size() == 0 && targets[t].line.empty()) ++unused;
    expect(unused <= rules.remembered || rules.min_idle != 0, "a target was to be forgotten");
    for (const connection& c : connections) {
        expect(c.is != state::closing, "one was to be closed");
        expect(c.is != state::cancelling, "a connect was to be cancelled");
        expect(c.to_inspect == 0, "one was to be looked at");
    }
    for (const waiter& w : waiters) expect(!w.waits || !w.must_end, "a wait was to end");
}

}  // namespace dial::test
