#include <support/race_simulation.hpp>

#include <algorithm>

namespace dial::test {
namespace {

using outcome = race_outcome::what;
using std::chrono::duration_cast;
using milliseconds = std::chrono::duration<double, std::milli>;

struct runner {
    std::size_t index;
    time_point ends;  // max(): it hangs
};

class simulation {
public:
    simulation(const race_script& script, race_traits& traits)
        : script_{script}, traits_{traits}, engine_{script.rules, race_begins} {
        for (const race::family f : script.asked) engine_.on_asked(f);
        if (script.service_asked) engine_.on_asked_for_service();
    }

    race_record run(duration patience) {
        for (time_point now = race_begins;;) {
            tell_all(now);
            const std::optional<time_point> timer = obey(now);
            if (!timer) return record_;
            traits_.timer_left = *timer != time_point::max();
            if (*timer <= now) traits_.broken = "it asks to wait for what is past";
            const time_point wake = std::min(*timer, next_news());
            if (wake == time_point::max() || wake > saturating_add(race_begins, patience)) return record_;
            if (!traits_.broken.empty()) return record_;
            now = wake;
        }
    }

private:
    race_outcome outcome_of(std::size_t index) const {
        return index < script_.outcomes.size() ? script_.outcomes[index] : race_outcome{};
    }

    // --- The network and the caller ---

    time_point next_news() const {
        time_point next = time_point::max();
        if (told_ != script_.news.size()) next = race_begins + script_.news[told_].at;
        if (script_.cancel_at && !cancelled_) next = std::min(next, race_begins + *script_.cancel_at);
        for (const runner& r : running_) next = std::min(next, r.ends);
        return next;
    }

    void tell_all(time_point now) {
        if (script_.cancel_comes_first) tell_cancel(now);
        for (; told_ != script_.news.size() && race_begins + script_.news[told_].at <= now; ++told_) {
            const race_news& n = script_.news[told_];
            if (n.addresses) engine_.on_addresses(*n.addresses);
            if (n.answered) engine_.on_answered(*n.answered);
            if (n.service_answered) engine_.on_service_answered();
        }
        for (const runner r : std::vector<runner>{running_})
            if (r.ends <= now) tell_outcome(r.index, now);
        if (!script_.cancel_comes_first) tell_cancel(now);
    }

    void tell_cancel(time_point now) {
        if (!script_.cancel_at || cancelled_ || race_begins + *script_.cancel_at > now) return;
        cancelled_ = true;
        engine_.on_cancelled();
    }

    void tell_outcome(std::size_t index, time_point now) {
        const outcome is = outcome_of(index).is;
        if (is == outcome::connected) {
            engine_.on_connected(index);
            return;  // the engine says whether it is the winner or is to be closed
        }
        forget(index);
        record_.failures.push_back({index, now - race_begins});
        is == outcome::failed ? engine_.on_failed(index) : engine_.on_refused_locally(index);
    }

    // --- The operation ---

    std::optional<time_point> obey(time_point now) {
        for (;;) {
            const race::step step = engine_.next(now);
            if (const auto* const start = std::get_if<race::start_attempt>(&step)) {
                start_attempt(start->index, now);
            } else if (const auto* const close = std::get_if<race::close_attempt>(&step)) {
                if (!forget(close->index)) traits_.broken = "it closes what does not run";
                record_.closed.push_back({close->index, now - race_begins, close->why});
            } else if (const auto* const wait = std::get_if<race::wait_until>(&step)) {
                return wait->when;
            } else {
                finish(std::get<race::finish>(step), now);
                return {};
            }
        }
    }

    void start_attempt(std::size_t index, time_point now) {
        for (const race_start& s : record_.starts)
            if (s.index == index) traits_.broken = "it tries one address twice";
        record_.starts.push_back({index, now - race_begins});
        const std::optional<duration> after = outcome_of(index).after;
        running_.push_back({index, after ? saturating_add(now, *after) : time_point::max()});
        traits_.peak = std::max(traits_.peak, running_.size());
        if (after == duration::zero()) tell_outcome(index, now);
    }

    void finish(const race::finish& end, time_point now) {
        record_.end = end;
        record_.ended_at = now - race_begins;
        if (end.winner && !forget(*end.winner)) traits_.broken = "the winner does not run";
        if (!running_.empty()) traits_.broken = "it finishes and leaves an attempt open";

        // Nothing that comes later has an effect (a late answer, a late success, a late cancel).
        engine_.on_addresses(std::vector<race::candidate>{{999, race::family::v6}});
        for (const race_start& s : record_.starts) engine_.on_connected(s.index);
        engine_.on_cancelled();
        if (engine_.next(now) != race::step{end}) traits_.broken = "it does not stay finished";
    }

    bool forget(std::size_t index) {
        return std::erase_if(running_, [&](const runner& r) { return r.index == index; }) != 0;
    }

    const race_script& script_;
    race_traits& traits_;
    race::engine engine_;
    race_record record_;
    std::vector<runner> running_;
    std::size_t told_ = 0;
    bool cancelled_ = false;
};

std::string ms(duration d) {
    if (d == never) return "never";
    std::string text = std::to_string(duration_cast<milliseconds>(d).count());
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
    return text;
}

const char* name_of(race::close_attempt::cause why) {
    using cause = race::close_attempt::cause;
    switch (why) {
        case cause::attempt_timeout: return "attempt timeout";
        case cause::another_won: return "another won";
        case cause::timed_out: return "timed out";
        case cause::cancelled: return "cancelled";
    }
    return "?";
}

}  // namespace

race_record run_race(const race_script& script, duration patience, race_traits* traits) {
    race_traits unseen;
    return simulation{script, traits ? *traits : unseen}.run(patience);
}

const char* name_of(race::ending how) {
    switch (how) {
        case race::ending::connected: return "connected";
        case race::ending::all_failed: return "all_failed";
        case race::ending::no_addresses: return "no_addresses";
        case race::ending::timed_out: return "timed_out";
        case race::ending::cancelled: return "cancelled";
    }
    return "?";
}

std::ostream& operator<<(std::ostream& out, const race_record& record) {
    out << "\n  starts:  ";
    for (const race_start& s : record.starts) out << ' ' << s.index << '@' << ms(s.at);
    out << "\n  failures:";
    for (const race_start& s : record.failures) out << ' ' << s.index << '@' << ms(s.at);
    out << "\n  closed:  ";
    for (const race_close& c : record.closed) out << ' ' << c.index << '@' << ms(c.at) << " (" << name_of(c.why) << ')';
    if (!record.end) return out << "\n  no end\n";
    out << "\n  end:      " << name_of(record.end->how);
    if (record.end->winner) out << ' ' << *record.end->winner;
    return out << " at " << ms(record.ended_at) << '\n';
}

std::ostream& operator<<(std::ostream& out, const race_script& script) {
    const auto name_of_family = [](race::family f) { return f == race::family::v4 ? "A" : "AAAA"; };
    const race::rules& r = script.rules;
    out << "\n  rules: attempt_delay " << ms(r.attempt_delay) << ", resolution_delay " << ms(r.resolution_delay)
        << ", spacing " << ms(r.spacing) << ", attempt_timeout " << ms(r.attempt_timeout) << ", timeout "
        << ms(r.timeout) << ", max_in_flight " << r.max_in_flight << ", first_family_count " << r.first_family_count;
    if (r.deadline != time_point::max()) out << ", deadline at " << ms(r.deadline - race_begins);
    out << "\n  asked:";
    for (const race::family f : script.asked) out << ' ' << name_of_family(f);
    for (const race_news& n : script.news) {
        out << "\n  at " << ms(n.at) << ':';
        if (n.answered) out << ' ' << name_of_family(*n.answered) << " is answered";
        if (n.service_answered) out << " HTTPS is answered";
        if (!n.addresses) continue;
        out << " addresses";
        for (const race::candidate& c : *n.addresses) out << ' ' << c.index << '(' << name_of_family(c.of) << ')';
    }
    for (std::size_t i = 0; i != script.outcomes.size(); ++i) {
        const race_outcome& o = script.outcomes[i];
        out << "\n  attempt " << i;
        if (!o.after)
            out << " hangs";
        else if (o.is == outcome::connected)
            out << " connects after " << ms(*o.after);
        else
            out << (o.is == outcome::failed ? " fails after " : " is refused locally after ") << ms(*o.after);
    }
    if (script.cancel_at)
        out << "\n  cancelled at " << ms(*script.cancel_at) << (script.cancel_comes_first ? ", told first" : "");
    return out << '\n';
}

}  // namespace dial::test
