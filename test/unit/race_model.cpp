// The race engine against a slow model of it: 100,000 random races, every start, every end compared.
//
// The model goes through time in steps of a millisecond and asks at each, straight from the rules: is it over? is an
// attempt out of time? may the next one start? It keeps no timer, so it cannot forget or mix up one.
#include <support/race_simulation.hpp>
#include <support/sanitizers.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <random>
#include <sstream>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using race::candidate;
using race::ending;
using race::family;
using cause = race::close_attempt::cause;
using outcome = race_outcome::what;

constexpr duration horizon = 300ms;  // more than nearly all generated races with an end take

// --- The model ---

struct tried {
    candidate what;
    duration at;
    enum { running, failed, won, closed } now = running;
    bool packet_sent = true;
};

class model {
public:
    explicit model(const race_script& s) : s_{s}, r_{s.rules} {}

    race_record run() {
        for (t_ = 0ms; t_ <= horizon && !record_.end; t_ += 1ms) tick();
        return record_;
    }

private:
    void tick() {
        if (s_.cancel_comes_first) cancel();
        for (const race_news& n : s_.news) {
            if (n.at != t_) continue;
            if (n.addresses) known_ = *n.addresses;
            if (n.answered) std::erase(out_, *n.answered);
        }
        for (tried& a : tried_)
            if (a.now == tried::running) see_how_it_ended(a);
        if (!s_.cancel_comes_first) cancel();

        if (over() || exhausted() || out_of_time()) return;
        bool expired = false;
        for (tried& a : tried_) {
            if (a.now != tried::running || t_ - a.at < r_.attempt_timeout) continue;
            a.now = tried::failed;
            record_.closed.push_back({a.what.index, t_, cause::attempt_timeout});
            expired = true;
        }
        if (expired && exhausted()) return;
        while (may_start()) {
            start();
            if (over() || exhausted()) return;
        }
    }

    // --- Is it over? ---

    void cancel() {
        if (s_.cancel_at == t_ && !verdict_) verdict_ = ending::cancelled;
    }

    bool over() {
        if (verdict_) end(*verdict_);
        return verdict_.has_value();
    }

    bool exhausted() {
        const bool all_failed = std::ranges::all_of(tried_, [](const tried& a) { return a.now == tried::failed; });
        if (!out_.empty() || !all_failed || !untried().empty()) return false;
        end(tried_.empty() ? ending::no_addresses : ending::all_failed);
        return true;
    }

    bool out_of_time() {
        const bool no_attempt_could_be_in_time = r_.attempt_timeout <= 0ms;
        if (t_ < r_.timeout && race_begins + t_ < r_.deadline && !no_attempt_could_be_in_time) return false;
        end(ending::timed_out);
        return true;
    }

    void end(ending how) {
        for (tried& a : tried_) {
            if (a.now != tried::running) continue;
            record_.closed.push_back({a.what.index, t_,
                how == ending::connected       ? cause::another_won
                    : how == ending::cancelled ? cause::cancelled
                                               : cause::timed_out});
            a.now = tried::closed;
        }
        record_.end = race::finish{how, winner_};
        record_.ended_at = t_;
    }

    // --- How attempts end ---

    void see_how_it_ended(tried& a) {
        const race_outcome& o = s_.outcomes[a.what.index];
        if (!o.after || t_ - a.at < *o.after) return;
        if (o.is == outcome::connected) {
            if (verdict_) return;  // told too late
            verdict_ = ending::connected;
            winner_ = a.what.index;
            a.now = tried::won;
            return;
        }
        a.now = tried::failed;
        a.packet_sent = o.is != outcome::refused_locally;
        record_.failures.push_back({a.what.index, t_});
    }

    // --- May the next one start, and which is it? ---

    std::vector<candidate> untried() const {
        std::vector<candidate> left;
        for (const candidate& c : known_) {
            const bool was_tried = std::ranges::any_of(tried_, [&](const tried& a) { return a.what == c; });
            if (!was_tried && !std::ranges::count(left, c)) left.push_back(c);
        }
        return left;
    }

    bool may_start() {
        const auto running = std::ranges::count(tried_, tried::running, &tried::now);
        const auto room = std::max<std::size_t>(r_.max_in_flight, 1);
        if (static_cast<std::size_t>(running) >= room) return false;
        return (tried_.empty() ? first_may_start() : another_may_start()) && !untried().empty();
    }

    bool first_may_start() {
        const auto knows = [this](family f) { return std::ranges::count(known_, f, &candidate::of) != 0; };
        if (knows(family::v6) || !std::ranges::count(out_, family::v6)) return true;
        if (!four_came_ && knows(family::v4)) four_came_ = t_;
        return four_came_ && t_ - *four_came_ >= r_.resolution_delay;
    }

    bool another_may_start() const {
        for (const tried& a : tried_)
            if (a.packet_sent && t_ - a.at < r_.spacing) return false;
        const tried& newest = tried_.back();
        return newest.now == tried::failed || t_ - newest.at >= r_.attempt_delay;
    }

    void start() {
        const std::vector<candidate> left = untried();
        const family leader = known_.front().of;
        const family last = tried_.empty() ? leader : tried_.back().what.of;
        const bool all_led = std::ranges::all_of(tried_, [&](const tried& a) { return a.what.of == leader; });
        const bool leader_has_more_places = all_led && tried_.size() < std::max<std::size_t>(r_.first_family_count, 1);
        const auto is = [](family f) { return [f](const candidate& c) { return c.of == f; }; };
        const auto is_not = [](family f) { return [f](const candidate& c) { return c.of != f; }; };

        auto next = leader_has_more_places ? std::find_if(left.begin(), left.end(), is(leader))
                                           : std::find_if(left.begin(), left.end(), is_not(last));
        if (next == left.end()) next = left.begin();
        tried_.push_back({*next, t_});
        record_.starts.push_back({next->index, t_});
        see_how_it_ended(tried_.back());
    }

    const race_script& s_;
    const race::rules& r_;
    duration t_ = 0ms;
    std::vector<family> out_ = s_.asked;
    std::vector<candidate> known_;
    std::vector<tried> tried_;
    std::optional<duration> four_came_;
    std::optional<ending> verdict_;
    std::optional<std::size_t> winner_;
    race_record record_;
};

// --- Random scripts: short times and few different ones, so that much falls on the same tick ---

class generator {
public:
    explicit generator(std::mt19937& random) : random_{random} {}

    race_script script() {
        race_script s;
        s.rules.attempt_delay = one_of({0ms, 1ms, 5ms, 10ms, 10ms, 20ms, 25ms, 40ms, never});
        s.rules.resolution_delay = one_of({0ms, 5ms, 10ms, 10ms, 20ms, never});
        s.rules.spacing = one_of({0ms, 0ms, 1ms, 5ms, 10ms, 10ms});
        s.rules.attempt_timeout = chance(65) ? never : one_of({1ms, 10ms, 25ms, 30ms, 40ms});
        s.rules.timeout = chance(70) ? never : one_of({20ms, 50ms, 75ms, 100ms, 150ms});
        if (chance(1)) s.rules.attempt_timeout = one_of({0ms, -1ms, duration::min()});
        if (chance(1)) s.rules.timeout = one_of({0ms, -1ms, duration::min()});
        if (chance(5)) s.rules.deadline = race_begins + time();
        s.rules.max_in_flight = chance(50) ? 6 : number(0, 4);
        s.rules.first_family_count = chance(70) ? 1 : number(0, 3);

        std::vector<std::size_t> indexes(chance(5) ? 0 : number(1, 9));
        for (std::size_t i = 0; i != indexes.size(); ++i) indexes[i] = i;
        std::ranges::shuffle(indexes, random_);
        std::vector<candidate> all;  // in destination order; which index goes with which family is left to chance
        for (const std::size_t i : indexes) all.push_back({i, chance(50) ? family::v4 : family::v6});
        if (chance(60))
            std::stable_partition(all.begin(), all.end(), [](const candidate& c) { return c.of == family::v6; });

        if (chance(30)) {
            s.news.push_back({0ms, {}, with_doubles(all)});  // no lookup: all is known
        } else {
            look_up(s, all);
        }
        for (std::size_t i = 0; i != indexes.size(); ++i) s.outcomes.push_back(an_outcome());
        if (chance(10)) s.cancel_at = time();
        s.cancel_comes_first = chance(50);
        return s;
    }

private:
    std::size_t number(std::size_t from, std::size_t to) {
        return std::uniform_int_distribution<std::size_t>{from, to}(random_);
    }
    bool chance(std::size_t percent) { return number(1, 100) <= percent; }
    duration time() { return chance(70) ? duration{number(0, 12) * 5ms} : duration{number(0, 60) * 1ms}; }
    duration one_of(std::vector<duration> those) { return those[number(0, those.size() - 1)]; }

    race_outcome an_outcome() {
        race_outcome o;
        if (chance(25)) return o;
        const std::size_t kind = number(1, 10);
        o.is = kind <= 2 ? outcome::connected : kind <= 8 ? outcome::failed : outcome::refused_locally;
        o.after = chance(30) || o.is == outcome::refused_locally ? duration{0ms} : time();
        return o;
    }

    std::vector<candidate> with_doubles(std::vector<candidate> list) {
        if (!list.empty() && chance(20)) list.push_back(list[number(0, list.size() - 1)]);
        return list;
    }

    // Each family is asked for, or not; answers or never does; may bring more or less later.
    void look_up(race_script& s, const std::vector<candidate>& all) {
        struct change {
            duration at;
            std::optional<family> answered;
            std::vector<std::size_t> added, withdrawn;
        };
        std::vector<change> changes;
        for (const family f : {family::v6, family::v4}) {
            if (chance(10)) continue;
            s.asked.push_back(f);
            if (chance(15)) continue;
            change first{time(), f, {}, {}};
            const bool nothing = chance(15);
            for (const candidate& c : all) {
                if (c.of != f || nothing) continue;
                if (chance(5)) {  // a hint: it is known before the answer
                    changes.push_back({first.at / 10ms * 5ms, {}, {c.index}, {}});
                } else if (chance(15)) {
                    changes.push_back({first.at + time(), {}, {c.index}, {}});
                } else {
                    first.added.push_back(c.index);
                    if (chance(10)) changes.push_back({first.at + time(), {}, {}, {c.index}});
                }
            }
            changes.push_back(first);
        }
        std::ranges::stable_sort(changes, {}, &change::at);

        std::vector<std::size_t> known;
        for (const change& c : changes) {
            known.insert(known.end(), c.added.begin(), c.added.end());
            std::erase_if(known, [&](std::size_t i) { return std::ranges::count(c.withdrawn, i) != 0; });
            std::vector<candidate> list;
            for (const candidate& a : all)
                if (std::ranges::count(known, a.index)) list.push_back(a);
            s.news.push_back({c.at, c.answered, with_doubles(list)});
        }
    }

    std::mt19937& random_;
};

// --- Comparing, and making a failing script small ---

// Nothing where the engine does as the model does; `seen`: what the engine did.
std::string difference(const race_script& s, race_record* seen = nullptr) {
    race_traits traits;
    const race_record engine = run_race(s, horizon, &traits);
    const race_record expected = model{s}.run();
    if (seen) *seen = engine;
    if (traits.broken.empty() && engine == expected) return {};
    std::ostringstream text;
    text << traits.broken << "\nengine:" << engine << "model:" << expected;
    return text.str();
}

// Everything that could be left out or be usual, one thing at a time.
std::vector<race_script> simpler(const race_script& s) {
    std::vector<race_script> all;
    const auto with = [&](auto change) {
        all.push_back(s);
        change(all.back());
    };
    const race::rules usual;
    with([](race_script& x) { x.cancel_at.reset(); });
    with([&](race_script& x) { x.rules.timeout = never; });
    with([&](race_script& x) { x.rules.deadline = usual.deadline; });
    with([&](race_script& x) { x.rules.attempt_timeout = never; });
    with([&](race_script& x) { x.rules.spacing = 0ms; });
    with([&](race_script& x) { x.rules.max_in_flight = 6; });
    with([&](race_script& x) { x.rules.first_family_count = 1; });
    with([&](race_script& x) { x.rules.resolution_delay = 0ms; });
    for (std::size_t i = 0; i != s.news.size(); ++i) {
        with([&](race_script& x) { x.news.erase(x.news.begin() + static_cast<std::ptrdiff_t>(i)); });
        if (!s.news[i].addresses) continue;
        for (std::size_t j = 0; j != s.news[i].addresses->size(); ++j)
            with([&](race_script& x) {
                x.news[i].addresses->erase(x.news[i].addresses->begin() + static_cast<std::ptrdiff_t>(j));
            });
    }
    for (std::size_t i = 0; i != s.outcomes.size(); ++i) with([&](race_script& x) { x.outcomes[i] = {}; });
    return all;
}

std::ostream& print_simplest(std::ostream& out, race_script s) {
    for (bool smaller = true; smaller;) {
        smaller = false;
        for (const race_script& candidate : simpler(s)) {
            std::ostringstream before, after;  // a change that changes nothing would go on for ever
            before << s;
            after << candidate;
            if (before.str() == after.str() || difference(candidate).empty()) continue;
            s = candidate;
            smaller = true;
            break;
        }
    }
    return out << "smallest script found that shows it:" << s << difference(s);
}

TEST(race_model, random_races_go_as_the_slow_model_says) {
    constexpr unsigned seed = 8305;
    constexpr int races = sanitized ? 10'000 : 100'000;  // the model is slow
    std::mt19937 random{seed};
    generator generate{random};
    std::map<std::string, int> ends;
    std::size_t starts = 0;

    for (int run = 0; run != races; ++run) {
        const race_script script = generate.script();
        race_record record;
        const std::string wrong = difference(script, &record);
        if (!wrong.empty()) {
            std::ostringstream text;
            print_simplest(text, script);
            FAIL() << "seed " << seed << ", run " << run << ": " << script << wrong << text.str();
        }
        ++ends[record.end ? name_of(record.end->how) : "without an end"];
        starts += record.starts.size();
    }

    RecordProperty("seed", std::to_string(seed));
    std::cout << "seed " << seed << ": " << races << " races, " << starts << " attempts";
    for (const auto& [how, count] : ends) std::cout << ", " << count << ' ' << how;
    std::cout << '\n';
    EXPECT_EQ(ends.size(), 6u) << "some way to end was never taken";
}

}  // namespace
}  // namespace dial::test
