#include <history/engine.hpp>

#include <algorithm>
#include <iterator>

namespace dial::remembering {
namespace {

using namespace std::chrono_literals;

constexpr duration kept = 10min;

// The recommended minimum and maximum of RFC 8305 (section 8).
constexpr duration shortest_delay = 100ms, longest_delay = 2s;

constexpr duration granularity = 1ms;  // G of RFC 6298: how exactly a round trip can be measured

// What takes longer has lost its first SYN, which is sent again after this time (RFC 6298 section 2.1): no telling which of
// the two was answered (section 3, Karn's algorithm).
constexpr duration first_retransmission = 1s;

// A machine seldom has more networks at a time; each is a line for either family.
constexpr std::size_t most_families = 32;

constexpr int global_scope = 14;

bool lasts(const std::optional<time_point>& learned, time_point now) {
    return learned && now - *learned < kept;
}

family family_of(const address& a) {
    return is_v4(a) ? family::v4 : family::v6;
}

family other(family f) {
    return f == family::v4 ? family::v6 : family::v4;
}

duration distance(duration a, duration b) {
    return a < b ? b - a : a - b;
}

// It had the time to answer: other than one that was started shortly before another won.
bool was_slow(const attempt& a, const attempt& winner) {
    return a.started < winner.started && a.took > std::max<duration>(100ms, 2 * winner.took);
}

}  // namespace

// --- What it is told ---

void engine::remember(const network& where, std::span<const attempt> all, time_point now) {
    if (max_prefixes_ == 0) return;
    now = latest_ = std::max(latest_, now);  // two threads may tell theirs in the other order
    forget_the_old(now);
    const auto winner = std::ranges::find(all, ending::connected, &attempt::how);
    for (const attempt& a : all) {
        switch (a.how) {
            case ending::connected: worked(where, a, now); break;
            case ending::refused:
            case ending::failed: failed(where, a, now); break;
            case ending::unanswered:
                if (winner != all.end() && was_slow(a, *winner)) failed(where, a, now);
                break;
        }
    }
    while (records_.size() > max_prefixes_) {
        by_prefix_.erase(records_.front().of);
        records_.pop_front();
    }
    while (families_.size() > most_families) families_.pop_front();
}

void engine::worked(const network& where, const attempt& a, time_point now) {
    record& r = heard_of(prefix_of(where, a.to));
    r.worked = now;
    if (a.took < first_retransmission) {
        if (!r.time || now - r.time->learned >= kept)
            r.time = round_trip{a.took, a.took / 2, now};
        else
            r.time = round_trip{(7 * r.time->smoothed + a.took) / 8,
                (3 * r.time->variation + distance(r.time->smoothed, a.took)) / 4, now};
    }
    // That this machine reaches itself or its neighbours says nothing about the family.
    if (resolve::scope_of(a.to) == global_scope) family_heard_of(where, family_of(a.to), now).reached = now;
}

void engine::failed(const network& where, const attempt& a, time_point now) {
    const prefix of = prefix_of(where, a.to);
    heard_of(of).failed = now;
    if (resolve::scope_of(a.to) != global_scope) return;
    family_record& f = family_heard_of(where, family_of(a.to), now);
    if (a.how == ending::refused) {
        f.reached = now;
        return;
    }
    if (f.failed[0] && f.failed[0]->of != of) f.failed[1] = f.failed[0];
    f.failed[0] = {of, now};
}

engine::record& engine::heard_of(const prefix& p) {
    const auto known = by_prefix_.find(p);
    if (known != by_prefix_.end()) {
        records_.splice(records_.end(), records_, known->second);
    } else {
        records_.push_back({.of = p});
        by_prefix_[p] = std::prev(records_.end());
    }
    return records_.back();
}

engine::family_record& engine::family_heard_of(const network& where, family f, time_point now) {
    const auto known =
        std::ranges::find_if(families_, [&](const family_record& x) { return x.where == where && x.of == f; });
    if (known != families_.end())
        families_.splice(families_.end(), families_, known);
    else
        families_.push_back({.where = where, .of = f});
    families_.back().heard = now;
    return families_.back();
}

void engine::forget_the_old(time_point now) {
    const auto old = [&](const record& r) { return !lasts(r.worked, now) && !lasts(r.failed, now); };
    for (; !records_.empty() && old(records_.front()); records_.pop_front()) by_prefix_.erase(records_.front().of);
    while (!families_.empty() && !lasts(families_.front().heard, now)) families_.pop_front();
}

void engine::clear() {
    by_prefix_.clear();
    records_.clear();
    families_.clear();
}

// --- What it says ---

std::size_t engine::size(time_point now) {
    forget_the_old(now);
    return records_.size();
}

bool engine::goes_second(const network& where, family f, std::span<const address> candidates, time_point now) const {
    return fails(where, f, candidates, now) && !fails(where, other(f), candidates, now);
}

// What is known of the candidates themselves counts before what is known of others in this network.
bool engine::fails(const network& where, family f, std::span<const address> candidates, time_point now) const {
    bool some_failed = false;
    for (const address& a : candidates) {
        if (family_of(a) != f) continue;
        const record* const r = find(where, a);
        if (!r) continue;
        const bool works = lasts(r->worked, now), does_not = lasts(r->failed, now);
        // Of two addresses of a prefix in one dial, one may fail and the other work.
        if (works && (!does_not || *r->worked >= *r->failed)) return false;
        some_failed = some_failed || does_not;
    }
    return some_failed || fails_everywhere(where, f, now);
}

bool engine::fails_everywhere(const network& where, family f, time_point now) const {
    const auto known =
        std::ranges::find_if(families_, [&](const family_record& x) { return x.where == where && x.of == f; });
    if (known == families_.end() || lasts(known->reached, now)) return false;
    return std::ranges::all_of(known->failed, [&](const auto& each) { return each && lasts(each->when, now); });
}

std::optional<duration> engine::attempt_delay(const network& where, const address& to, time_point now) const {
    const record* const r = find(where, to);
    if (!r || !r->time || now - r->time->learned >= kept) return {};
    return std::clamp(r->time->smoothed + std::max(granularity, 4 * r->time->variation), shortest_delay, longest_delay);
}

const engine::record* engine::find(const network& where, const address& a) const {
    const auto known = by_prefix_.find(prefix_of(where, a));
    return known == by_prefix_.end() ? nullptr : &*known->second;
}

// Link-local addresses of one prefix are different networks on different interfaces.
engine::prefix engine::prefix_of(const network& where, const address& a) {
    prefix p{.where = where, .begin = {}, .scope_id = a.scope_id};
    const std::ptrdiff_t length = is_v4(a) ? 12 + 3 : 6;
    std::copy_n(a.bytes.begin(), length, p.begin.begin());
    return p;
}

}  // namespace dial::remembering
