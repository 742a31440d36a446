#include <dial/report.hpp>

#include <algorithm>
#include <cstddef>
#include <type_traits>
#include <utility>

namespace dial {
namespace {

// From the start of the dial; a time before it is none at all.
duration since(time_point begun, time_point when) {
    if (when <= begun) return duration::zero();
    const duration from = begun.time_since_epoch(), to = when.time_since_epoch();
    if (from < duration::zero() && to > duration::max() + from) return duration::max();
    return to - from;
}

duration shifted(duration at, duration by) {
    return at > duration::max() - by ? duration::max() : at + by;  // `by` is not negative
}

outcome ending_of(const event& e) {
    if (e.how != outcome::pending) return e.how;
    return e.error ? outcome::failed : outcome::done;
}

// What an event is about: the newest of `all` that `is_same` and runs, or `fresh`, added where the order asks for it.
// Nothing if the event has been told before: a second start, a second end.
template <class Entry, class Same>
Entry* told(std::vector<Entry>& all, bool ended, duration at, Same is_same, Entry fresh) {
    const auto runs = [&](const Entry& e) { return e.how == outcome::pending && is_same(e); };
    const auto running = std::find_if(all.rbegin(), all.rend(), runs);
    if (running != all.rend()) return ended ? &*running : nullptr;
    if (ended && std::ranges::any_of(all, is_same)) return nullptr;
    fresh.started = at;
    return &*all.insert(std::ranges::find(all, outcome::not_started, &Entry::how), std::move(fresh));
}

template <class Entry>
void close(Entry& entry, const event& e, duration at) {
    entry.ended = std::max(entry.started, at);
    entry.how = ending_of(e);
    entry.error = e.error;
}

}  // namespace

std::string_view to_string(outcome how) noexcept {
    switch (how) {  // no default: the compiler names the case we forget
        case outcome::pending: return "pending";
        case outcome::done: return "done";
        case outcome::deferred: return "deferred";
        case outcome::failed: return "failed";
        case outcome::timed_out: return "timed_out";
        case outcome::another_won: return "another_won";
        case outcome::cancelled: return "cancelled";
        case outcome::not_started: return "not_started";
    }
    return "unknown";
}

void report::begin(std::string target, time_point now) {
    *this = report{};
    target_ = std::move(target);
    begun_ = now;
}

void report::on_event(const event& e) {
    if (over_) return;  // what comes after the end is not part of it
    if (!begun_) begun_ = e.when;
    const duration at = since(*begun_, e.when);
    const bool ended = e.ended || e.how == outcome::not_started;

    switch (e.what) {
        case event::subject::phase: {
            phase fresh;
            fresh.name = e.phase;
            fresh.target = e.target;
            const auto is_same = [&](const phase& p) { return p.name == e.phase; };
            phase* const p = told(phases_, ended, at, is_same, std::move(fresh));
            if (!p || !ended) break;
            close(*p, e, at);
            p->note = e.note;
            p->details.assign(e.details.begin(), e.details.end());
            break;
        }
        case event::subject::lookup: {
            lookup fresh;
            fresh.record = e.record;
            fresh.name = e.name;
            fresh.family = e.family;
            const auto is_same = [&](const lookup& l) {
                return l.record == e.record && l.family == e.family && l.name == e.name;
            };
            lookup* const l = told(lookups_, ended, at, is_same, std::move(fresh));
            if (!l || !ended) break;
            close(*l, e, at);
            l->addresses.assign(e.addresses.begin(), e.addresses.end());
            if (!e.given) break;
            l->services = e.given->services();
            l->bindings = e.given->bindings();
            l->ttl = e.given->ttl();
            l->source = e.given->source();
            break;
        }
        case event::subject::attempt: {
            attempt fresh;
            fresh.index = e.index;
            const auto is_same = [&](const attempt& a) { return a.index == e.index; };
            const std::size_t known = attempts_.size();
            attempt* const a = told(attempts_, ended, at, is_same, std::move(fresh));
            if (!a) break;
            if (e.peer != boost::asio::ip::tcp::endpoint{}) a->peer = e.peer;
            if (e.local != boost::asio::ip::tcp::endpoint{}) a->local = e.local;
            if (!e.path.empty()) a->path = e.path;
            if (!e.note.empty()) a->note = e.note;
            if (!ended) break;
            close(*a, e, at);
            if (a->how != outcome::not_started) break;
            if (attempts_.size() == known)
                a->how = outcome::cancelled;  // it was, after all
            else
                a->started = a->ended = duration::zero();
            break;
        }
    }
}

void report::end(error_code error, time_point now) {
    if (over_) return;
    over_ = true;
    error_ = error;
    total_ = begun_ ? since(*begun_, now) : duration::zero();
}

void report::add(report part) {
    if (over_ || !part.begun_) return;
    if (!begun_) begun_ = part.begun_;
    const duration later = since(*begun_, *part.begun_);
    const auto shift = [later](auto& entry) {
        entry.started = shifted(entry.started, later);
        entry.ended = shifted(entry.ended, later);
    };
    for (phase& p : part.phases_) {
        shift(p);
        if (p.target.empty() && part.target_ != target_) p.target = part.target_;
        phases_.push_back(std::move(p));
    }
    for (lookup& l : part.lookups_) {
        shift(l);
        lookups_.push_back(std::move(l));
    }
    std::size_t next_index = 0;
    for (const attempt& a : attempts_) next_index = std::max(next_index, a.index + 1);
    for (attempt& a : part.attempts_) {
        a.index += next_index;
        const bool was_started = a.how != outcome::not_started;
        if (was_started) shift(a);
        const auto place =
            was_started ? std::ranges::find(attempts_, outcome::not_started, &attempt::how) : attempts_.end();
        attempts_.insert(place, std::move(a));
    }
}

const report::attempt* report::winner() const noexcept {
    if (!ok()) return nullptr;
    const auto won = [](const attempt& a) { return a.how == outcome::done || a.how == outcome::deferred; };
    const auto found = std::find_if(attempts_.rbegin(), attempts_.rend(), won);  // of several tries, the last
    return found == attempts_.rend() ? nullptr : &*found;
}

const report::phase* report::failed_phase() const noexcept {
    if (!error_) return nullptr;
    const auto failed = [](const phase& p) { return p.how == outcome::failed || p.how == outcome::timed_out; };
    const auto found = std::find_if(phases_.rbegin(), phases_.rend(), failed);
    return found == phases_.rend() ? nullptr : &*found;
}

}  // namespace dial
