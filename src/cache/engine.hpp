// Decides what is kept, for how long, and what has to go (RFC 2308, RFC 8767). Pure: no clock but `now`, and what an answer is
// does not matter here.
#pragma once

#include <dial/time.hpp>

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace dial::caching {

struct rules {
    std::size_t max_entries = 10'000;
    duration min_ttl = duration::zero(), max_ttl = std::chrono::hours{24}, max_negative_ttl = std::chrono::minutes{15},
             default_ttl = std::chrono::seconds{30}, serve_stale = duration::zero();
};

enum class kind : unsigned char {
    positive,
    negative,  // there is no such name, or no such record
    failure,   // nobody knows
};

// RFC 8767 section 5: how long nobody is asked after asking has failed; section 4: the TTL of what is stale.
inline constexpr duration failure_recheck = std::chrono::seconds{30}, stale_ttl = std::chrono::seconds{30};

// How long an answer is kept; zero: not at all.
duration time_to_keep(const rules& r, kind what, const std::optional<duration>& ttl);

// A question, as it is looked for: names that differ in case only are one. A final dot is part of the name: without it,
// search domains may go behind.
struct question {
    std::string_view name;
    std::uint16_t type;
};
struct question_hash {
    using is_transparent = void;
    std::size_t operator()(const question& q) const noexcept;
    std::size_t operator()(const std::pair<std::string, std::uint16_t>& q) const noexcept {
        return (*this)(question{q.first, q.second});
    }
};
struct same_question {
    using is_transparent = void;
    static bool same(const question& a, const question& b) noexcept;
    static question view(const question& q) noexcept { return q; }
    static question view(const std::pair<std::string, std::uint16_t>& q) noexcept { return {q.first, q.second}; }
    template <class A, class B>
    bool operator()(const A& a, const B& b) const noexcept {
        return same(view(a), view(b));
    }
};

template <class Value>
class engine {
public:
    explicit engine(const rules& r) : rules_{r} {}

    struct fresh {
        const Value* value;
        duration left;  // of its time
    };
    // What is within its time. It is now the one that was used last.
    std::optional<fresh> find(const question& q, time_point now) {
        const auto found = by_question_.find(q);
        if (found == by_question_.end() || found->second->fresh_until <= now) return {};
        entries_.splice(entries_.end(), entries_, found->second);
        return fresh{&found->second->value, found->second->fresh_until - now};
    }

    struct stale {
        const Value* value;
        bool ask_anew;  // false: asking has failed just now
        time_point until;
    };
    // What is over its time, and may still be given where nothing better is to be had.
    std::optional<stale> find_stale(const question& q, time_point now) {
        const auto found = by_question_.find(q);
        if (found == by_question_.end() || found->second->stale_until <= now) return {};
        entries_.splice(entries_.end(), entries_, found->second);
        return stale{&found->second->value, found->second->ask_again <= now, found->second->stale_until};
    }

    // Keeps an answer, if it is one that is kept, instead of the one before. A failure leaves that as it is; nor does it matter
    // while that is within its time, which somebody else has seen to meanwhile.
    void keep(const question& q, Value value, kind what, const std::optional<duration>& ttl, time_point now) {
        const auto found = by_question_.find(q);
        if (what == kind::failure) {
            if (found != by_question_.end() && found->second->fresh_until <= now)
                found->second->ask_again = saturating_add(now, failure_recheck);
            return;
        }
        if (found != by_question_.end()) drop(found->second);
        const duration time = time_to_keep(rules_, what, ttl);
        if (time <= duration::zero() || rules_.max_entries == 0) return;
        while (entries_.size() >= rules_.max_entries) drop(entries_.begin());
        const time_point until = saturating_add(now, time);
        entries_.push_back({{std::string{q.name}, q.type}, std::move(value), until,
            saturating_add(until, rules_.serve_stale), time_point::min()});
        by_question_.emplace(entries_.back().asked, std::prev(entries_.end()));
    }

    std::size_t size() const { return entries_.size(); }
    void clear() {
        by_question_.clear();
        entries_.clear();
    }

private:
    using key = std::pair<std::string, std::uint16_t>;
    struct entry {
        key asked;
        Value value;
        time_point fresh_until, stale_until, ask_again;
    };
    using entries = std::list<entry>;  // the one that was used last is the last

    void drop(typename entries::iterator e) {
        by_question_.erase(by_question_.find(question{e->asked.first, e->asked.second}));
        entries_.erase(e);
    }

    rules rules_;
    entries entries_;
    std::unordered_map<key, typename entries::iterator, question_hash, same_question> by_question_;
};

}  // namespace dial::caching
