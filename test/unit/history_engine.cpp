// What past dials say about the next, in virtual time.
#include <history/engine.hpp>
#include <resolve/source_address.hpp>

#include <gtest/gtest.h>

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace dial::remembering {
namespace {

using namespace std::chrono_literals;

constexpr time_point t0{1h};
constexpr network home{1}, office{2};
constexpr auto v4 = family::v4, v6 = family::v6;

address at(const std::string& text) {
    return resolve::from_asio(boost::asio::ip::make_address(text));
}

std::vector<address> all_of(const std::vector<std::string>& texts) {
    std::vector<address> list;
    for (const auto& text : texts) list.push_back(at(text));
    return list;
}

// Attempts that began with the dial, at the same time, unless said otherwise.
attempt connected(const std::string& to, duration took = 20ms, time_point started = t0) {
    return {at(to), ending::connected, started, took};
}
attempt failed(const std::string& to) {
    return {at(to), ending::failed, t0, 20ms};
}
attempt refused(const std::string& to) {
    return {at(to), ending::refused, t0, 20ms};
}
attempt unanswered(const std::string& to, duration took, time_point started = t0) {
    return {at(to), ending::unanswered, started, took};
}

struct memory : engine {
    explicit memory(std::size_t max_prefixes = 4096) : engine{max_prefixes} {}

    void learn(const std::vector<attempt>& all, time_point now = t0, const network& where = home) {
        remember(where, all, now);
    }
    bool second(
        family f, const std::vector<std::string>& candidates, time_point now = t0, const network& n = home) const {
        return goes_second(n, f, all_of(candidates), now);
    }
    std::optional<duration> delay(const std::string& to, time_point now = t0, const network& n = home) const {
        return attempt_delay(n, at(to), now);
    }
};

// --- Which family goes second ---

TEST(history_engine, that_knows_nothing_changes_nothing) {
    memory m;
    for (const family f : {v4, v6}) {
        EXPECT_FALSE(m.second(f, {"2001:db8::1", "198.51.100.1"}));
        EXPECT_FALSE(m.second(f, {}));
    }
    EXPECT_EQ(m.delay("198.51.100.1"), std::nullopt);
    EXPECT_EQ(m.size(t0), 0u);
}

TEST(history_engine, a_family_whose_addresses_failed_the_last_time_goes_second) {
    memory m;
    m.learn({failed("2001:db8::1"), connected("198.51.100.1")});
    EXPECT_TRUE(m.second(v6, {"2001:db8::1", "198.51.100.1"}));
    EXPECT_FALSE(m.second(v4, {"2001:db8::1", "198.51.100.1"}));

    memory other;
    other.learn({failed("198.51.100.1"), connected("2001:db8::1")});
    EXPECT_TRUE(other.second(v4, {"2001:db8::1", "198.51.100.1"}));
    EXPECT_FALSE(other.second(v6, {"2001:db8::1", "198.51.100.1"}));
}

TEST(history_engine, one_that_worked_since_does_not) {
    memory m;
    m.learn({failed("2001:db8::1")});
    m.learn({connected("2001:db8::1")}, t0 + 1s);
    EXPECT_FALSE(m.second(v6, {"2001:db8::1"}, t0 + 1s));
    m.learn({failed("2001:db8::1")}, t0 + 2s);
    EXPECT_TRUE(m.second(v6, {"2001:db8::1"}, t0 + 2s));
}

TEST(history_engine, one_that_works_at_any_of_the_candidates_does_not) {
    memory m;
    m.learn({failed("2001:db8:1::1"), connected("2001:db8:2::1")});
    EXPECT_TRUE(m.second(v6, {"2001:db8:1::1"}));
    EXPECT_TRUE(m.second(v6, {"2001:db8:1::1", "2001:db8:3::1"})) << "nothing is known of the other";
    EXPECT_FALSE(m.second(v6, {"2001:db8:1::1", "2001:db8:2::1"}));
    EXPECT_FALSE(m.second(v6, {"2001:db8:2::1", "2001:db8:1::1"}));
}

TEST(history_engine, two_of_a_prefix_of_which_one_works_have_worked) {
    memory m;
    m.learn({failed("2001:db8::1"), connected("2001:db8::2")});
    EXPECT_FALSE(m.second(v6, {"2001:db8::1"}));
    memory other;
    other.learn({connected("2001:db8::2"), failed("2001:db8::1")});
    EXPECT_FALSE(other.second(v6, {"2001:db8::1"}));
}

TEST(history_engine, if_both_families_fail_the_order_stays) {
    memory m;
    m.learn({failed("2001:db8::1"), failed("198.51.100.1")});
    for (const family f : {v4, v6}) EXPECT_FALSE(m.second(f, {"2001:db8::1", "198.51.100.1"}));
    EXPECT_TRUE(m.second(v6, {"2001:db8::1"})) << "nothing is known of IPv4 as a whole, from one prefix";
}

TEST(history_engine, a_refusal_is_a_failure_of_its_destination_only) {
    memory m;
    m.learn({refused("2001:db8:1::1"), refused("2001:db8:2::1"), connected("198.51.100.1")});
    EXPECT_TRUE(m.second(v6, {"2001:db8:1::1"}));
    EXPECT_FALSE(m.second(v6, {"2001:db8:3::1"})) << "the answer came over IPv6";
    m.learn({failed("2001:db8:3::1"), failed("2001:db8:4::1")}, t0 + 1s);
    EXPECT_FALSE(m.second(v6, {"2001:db8:5::1"}, t0 + 1s));
}

// --- A family in a network as a whole ---

TEST(history_engine, a_family_that_failed_at_two_prefixes_and_worked_at_none_goes_second_everywhere) {
    memory m;
    m.learn({failed("2001:db8:1::1")});
    EXPECT_FALSE(m.second(v6, {}));
    m.learn({failed("2001:db8:1:2::3")}, t0 + 1s);
    EXPECT_FALSE(m.second(v6, {}, t0 + 1s)) << "the same prefix";
    m.learn({failed("2001:db8:2::1")}, t0 + 2s);
    EXPECT_TRUE(m.second(v6, {}, t0 + 2s)) << "no address is known yet";
    EXPECT_TRUE(m.second(v6, {"2001:db8:3::1"}, t0 + 2s));
    EXPECT_TRUE(m.second(v6, {"2001:db8:3::1", "198.51.100.1"}, t0 + 2s));
    EXPECT_FALSE(m.second(v4, {}, t0 + 2s));
    m.learn({connected("2001:db8:3::1")}, t0 + 3s);
    EXPECT_FALSE(m.second(v6, {}, t0 + 3s));
    EXPECT_TRUE(m.second(v6, {"2001:db8:1::1"}, t0 + 3s)) << "what is known of itself counts first";
}

TEST(history_engine, both_families_that_fail_everywhere_keep_their_order) {
    memory m;
    m.learn({failed("2001:db8:1::1"), failed("2001:db8:2::1"), failed("198.51.100.1"), failed("203.0.113.1")});
    for (const family f : {v4, v6}) EXPECT_FALSE(m.second(f, {}));
    m.learn({connected("192.0.2.1")}, t0 + 1s);
    EXPECT_TRUE(m.second(v6, {}, t0 + 1s));
    EXPECT_FALSE(m.second(v4, {}, t0 + 1s));
}

TEST(history_engine, loopback_and_link_local_destinations_say_nothing_about_the_others) {
    memory m;
    m.learn({failed("::1"), failed("fe80::1%1"), failed("fe80::1%2"), failed("2001:db8:1::1")});
    EXPECT_FALSE(m.second(v6, {}));
    m.learn({failed("2001:db8:2::1"), connected("::1"), connected("fe80::1%1")}, t0 + 1s);
    EXPECT_TRUE(m.second(v6, {}, t0 + 1s));
    m.learn({failed("127.0.0.1"), failed("127.0.1.1"), failed("169.254.1.1")}, t0 + 2s);
    EXPECT_FALSE(m.second(v4, {}, t0 + 2s));
}

// --- Attempts without an answer ---

TEST(history_engine, one_that_had_more_than_twice_the_time_of_the_winner_has_failed) {
    for (const auto& [took, counts] : {std::pair{401ms, true}, {400ms, false}, {199ms, false}}) {
        memory m;
        m.learn({unanswered("2001:db8::1", took, t0), connected("198.51.100.1", 200ms, t0 + 50ms)});
        EXPECT_EQ(m.second(v6, {"2001:db8::1"}), counts) << took.count();
        EXPECT_EQ(m.size(t0), counts ? 2u : 1u);
    }
}

TEST(history_engine, but_only_if_it_had_more_than_100_ms) {
    for (const auto& [took, counts] : {std::pair{101ms, true}, {100ms, false}}) {
        memory m;
        m.learn({unanswered("2001:db8::1", took, t0), connected("198.51.100.1", 1ms, t0 + took - 1ms)});
        EXPECT_EQ(m.second(v6, {"2001:db8::1"}), counts) << took.count();
    }
}

TEST(history_engine, one_that_started_after_the_winner_says_nothing) {
    memory m;
    m.learn({connected("198.51.100.1", 400ms, t0), unanswered("2001:db8::1", 900ms, t0),
        unanswered("2001:db8:2::1", 900ms, t0 + 1ms)});
    EXPECT_EQ(m.size(t0), 1u);
}

TEST(history_engine, a_dial_without_a_winner_teaches_only_what_had_failed_by_then) {
    memory m;
    m.learn({unanswered("2001:db8::1", 30s), unanswered("198.51.100.1", 30s)});
    EXPECT_EQ(m.size(t0), 0u);
    m.learn({failed("2001:db8::1"), unanswered("198.51.100.1", 30s)});
    EXPECT_EQ(m.size(t0), 1u);
    EXPECT_TRUE(m.second(v6, {"2001:db8::1", "198.51.100.1"}));
}

// --- How soon the next attempt may start ---

TEST(history_engine, the_delay_follows_the_round_trip_time_as_rfc_6298_says) {
    memory m;
    m.learn({connected("198.51.100.1", 80ms)});
    EXPECT_EQ(m.delay("198.51.100.1"), 80ms + 4 * 40ms);
    m.learn({connected("198.51.100.1", 160ms)}, t0 + 1s);
    const duration variation = (3 * duration{40ms} + 80ms) / 4, smoothed = (7 * duration{80ms} + 160ms) / 8;
    EXPECT_EQ(m.delay("198.51.100.1", t0 + 1s), smoothed + 4 * variation);
    m.learn({connected("198.51.100.1", 60ms)}, t0 + 2s);
    EXPECT_EQ(
        m.delay("198.51.100.1", t0 + 2s), (7 * smoothed + 60ms) / 8 + 4 * ((3 * variation + (smoothed - 60ms)) / 4));
}

TEST(history_engine, the_delay_is_from_100_ms_to_2_s) {
    memory m;
    m.learn({connected("198.51.100.1", 0ms)});
    EXPECT_EQ(m.delay("198.51.100.1"), 100ms);
    m.learn({connected("203.0.113.1", 34ms)});
    EXPECT_EQ(m.delay("203.0.113.1"), 102ms);
    m.learn({connected("192.0.2.1", 999ms)});
    EXPECT_EQ(m.delay("192.0.2.1"), 2s);
}

TEST(history_engine, a_round_trip_that_never_varies_leaves_the_granularity) {
    memory m;
    for (int i = 0; i != 100; ++i) m.learn({connected("198.51.100.1", 200ms)}, t0 + i * 1s);
    EXPECT_EQ(m.delay("198.51.100.1", t0 + 99s), 201ms);
}

TEST(history_engine, a_connect_that_may_have_lost_its_first_packet_is_no_round_trip_time) {
    memory m;
    m.learn({connected("198.51.100.1", 1s)});
    EXPECT_EQ(m.size(t0), 1u);
    EXPECT_EQ(m.delay("198.51.100.1"), std::nullopt);
    m.learn({connected("198.51.100.1", 80ms)}, t0 + 1s);
    m.learn({connected("198.51.100.1", 1020ms)}, t0 + 2s);
    EXPECT_EQ(m.delay("198.51.100.1", t0 + 2s), 240ms);
}

TEST(history_engine, a_prefix_that_only_failed_has_no_delay) {
    memory m;
    m.learn({failed("198.51.100.1"), refused("203.0.113.1")});
    EXPECT_EQ(m.delay("198.51.100.1"), std::nullopt);
    EXPECT_EQ(m.delay("203.0.113.1"), std::nullopt);
}

// --- For what, and for how long ---

TEST(history_engine, what_is_known_is_known_for_a_slash_24_of_ipv4_and_a_slash_48_of_ipv6) {
    memory m;
    m.learn({connected("198.51.100.1", 80ms), connected("2001:db8:1:1::1", 80ms)});
    EXPECT_EQ(m.delay("198.51.100.255"), 240ms);
    EXPECT_EQ(m.delay("198.51.101.1"), std::nullopt);
    EXPECT_EQ(m.delay("2001:db8:1:ffff:ffff::"), 240ms);
    EXPECT_EQ(m.delay("2001:db8:2::"), std::nullopt);
    EXPECT_EQ(m.delay("::1"), std::nullopt);
    EXPECT_EQ(m.delay("::ffff:198.51.100.7"), 240ms) << "reached over IPv4";
    EXPECT_EQ(m.size(t0), 2u);
}

TEST(history_engine, link_local_addresses_of_two_interfaces_are_two_prefixes) {
    memory m;
    m.learn({connected("fe80::1%1", 80ms)});
    EXPECT_EQ(m.delay("fe80::2%1"), 240ms);
    EXPECT_EQ(m.delay("fe80::1%2"), std::nullopt);
}

TEST(history_engine, what_is_known_of_a_network_is_for_that_network) {
    memory m;
    m.learn({failed("2001:db8:1::1"), failed("2001:db8:2::1"), connected("198.51.100.1", 80ms)});
    EXPECT_TRUE(m.second(v6, {"2001:db8:1::1"}));
    EXPECT_FALSE(m.second(v6, {"2001:db8:1::1"}, t0, office));
    EXPECT_FALSE(m.second(v6, {}, t0, office));
    EXPECT_EQ(m.delay("198.51.100.1", t0, office), std::nullopt);
    m.learn({connected("2001:db8:1::1")}, t0 + 1s, office);
    EXPECT_TRUE(m.second(v6, {"2001:db8:1::1"}, t0 + 1s));
    EXPECT_EQ(m.size(t0 + 1s), 4u);
}

TEST(history_engine, everything_is_forgotten_after_ten_minutes) {
    memory m;
    m.learn({failed("2001:db8:1::1"), failed("2001:db8:2::1"), connected("198.51.100.1", 80ms)});
    const time_point last = t0 + 10min - 1ns, gone = t0 + 10min;
    EXPECT_TRUE(m.second(v6, {"2001:db8:1::1"}, last));
    EXPECT_TRUE(m.second(v6, {}, last));
    EXPECT_EQ(m.delay("198.51.100.1", last), 240ms);
    EXPECT_FALSE(m.second(v6, {"2001:db8:1::1"}, gone));
    EXPECT_FALSE(m.second(v6, {}, gone));
    EXPECT_EQ(m.delay("198.51.100.1", gone), std::nullopt);
    EXPECT_EQ(m.size(last), 3u);
    EXPECT_EQ(m.size(gone), 0u);
}

TEST(history_engine, each_thing_is_forgotten_ten_minutes_after_it_was_learned_itself) {
    memory m;
    m.learn({failed("2001:db8:1::1"), connected("198.51.100.1", 80ms)});
    m.learn({failed("198.51.100.1"), failed("2001:db8:2::1")}, t0 + 5min);
    EXPECT_TRUE(m.second(v6, {}, t0 + 10min - 1ns));
    EXPECT_FALSE(m.second(v6, {}, t0 + 10min)) << "the first of the two is forgotten";
    EXPECT_EQ(m.delay("198.51.100.1", t0 + 10min), std::nullopt);
    EXPECT_TRUE(m.second(v4, {"198.51.100.1"}, t0 + 10min));
    EXPECT_EQ(m.size(t0 + 10min), 2u);
    m.learn({connected("198.51.100.1", 160ms)}, t0 + 11min);
    EXPECT_EQ(m.delay("198.51.100.1", t0 + 11min), 480ms) << "as the first: the older one does not count any more";
}

TEST(history_engine, the_prefix_not_heard_of_for_longest_goes_first_when_there_are_too_many) {
    memory m{2};
    m.learn({connected("198.51.100.1", 80ms)});
    m.learn({connected("203.0.113.1", 80ms)}, t0 + 1s);
    m.learn({failed("198.51.100.2")}, t0 + 2s);
    m.learn({connected("192.0.2.1", 80ms)}, t0 + 3s);
    EXPECT_EQ(m.size(t0 + 3s), 2u);
    EXPECT_EQ(m.delay("203.0.113.1", t0 + 3s), std::nullopt);
    EXPECT_EQ(m.delay("198.51.100.1", t0 + 3s), 240ms);
    EXPECT_EQ(m.delay("192.0.2.1", t0 + 3s), 240ms);
}

TEST(history_engine, without_room_it_remembers_nothing) {
    memory m{0};
    m.learn({failed("2001:db8:1::1"), failed("2001:db8:2::1"), connected("198.51.100.1")});
    EXPECT_EQ(m.size(t0), 0u);
    EXPECT_FALSE(m.second(v6, {"2001:db8:1::1"}));
    EXPECT_FALSE(m.second(v6, {}));
}

TEST(history_engine, to_clear_it_forgets_all) {
    memory m;
    m.learn({failed("2001:db8:1::1"), failed("2001:db8:2::1"), connected("198.51.100.1")});
    m.clear();
    EXPECT_EQ(m.size(t0), 0u);
    EXPECT_FALSE(m.second(v6, {"2001:db8:1::1"}));
    EXPECT_FALSE(m.second(v6, {}));
    EXPECT_EQ(m.delay("198.51.100.1"), std::nullopt);
}

TEST(history_engine, of_networks_it_keeps_some_however_many_there_are) {
    memory m;
    for (std::uint64_t i = 0; i != 1000; ++i)
        m.learn({failed("2001:db8:1::1"), failed("2001:db8:2::1")}, t0 + i * 1ms, network{i});
    EXPECT_TRUE(m.second(v6, {}, t0 + 1s, network{999}));
    EXPECT_FALSE(m.second(v6, {}, t0 + 1s, network{0}));
}

// --- Against a model that keeps a diary of everything, and reads it through at each question ---

class diary {
public:
    explicit diary(std::size_t most) : most_{most} {}

    void write(const network& n, const attempt& a, bool worked, time_point now) {
        entries_.push_back({n, a, prefix_of(n, a.to), worked, now});
        // Beyond the bound, a prefix is as if it had never been heard of; what it said of its family stays.
        for (auto known = prefixes(now); known.size() > most_; known = prefixes(now))
            torn_out_[known.back()] = entries_.size();
    }

    // Newest first.
    std::vector<std::string> prefixes(time_point now) const {
        std::vector<std::string> known;
        for (std::size_t i = entries_.size(); i-- != 0;)
            if (is_kept(i, now) && std::ranges::find(known, entries_[i].prefix) == known.end())
                known.push_back(entries_[i].prefix);
        return known;
    }

    bool goes_second(const network& n, family f, const std::vector<address>& candidates, time_point now) const {
        return fails(n, f, candidates, now) && !fails(n, f == v4 ? v6 : v4, candidates, now);
    }

private:
    struct entry {
        network where;
        attempt what;
        std::string prefix;
        bool worked;
        time_point when;
    };

    static std::string prefix_of(const network& n, const address& a) {
        const auto length = is_v4(a) ? 15u : 6u;
        return std::to_string(n.identity) + ' ' + std::string(a.bytes.begin(), a.bytes.begin() + length) +
            std::to_string(is_v4(a));
    }
    bool is_kept(std::size_t i, time_point now) const {
        const auto torn = torn_out_.find(entries_[i].prefix);
        return now - entries_[i].when < 10min && (torn == torn_out_.end() || i >= torn->second);
    }
    bool fails(const network& n, family f, const std::vector<address>& candidates, time_point now) const {
        std::set<std::string> known;
        bool works = false;
        for (const address& c : candidates) {
            if (is_v4(c) != (f == v4)) continue;
            std::optional<std::size_t> last;
            for (std::size_t i = 0; i != entries_.size(); ++i) {
                const entry& e = entries_[i];
                if (!is_kept(i, now) || e.prefix != prefix_of(n, c)) continue;
                if (!last || e.when > entries_[*last].when || e.worked) last = i;
            }
            if (last) known.insert(entries_[*last].prefix);
            works = works || (last && entries_[*last].worked);
        }
        if (works) return false;
        if (!known.empty()) return true;
        std::set<std::string> dead;
        for (const entry& e : entries_) {
            if (!(e.where == n) || is_v4(e.what.to) != (f == v4) || now - e.when >= 10min) continue;
            if (e.worked || e.what.how == ending::refused) return false;
            dead.insert(e.prefix);
        }
        return dead.size() >= 2;
    }

    std::size_t most_;
    std::vector<entry> entries_;
    std::map<std::string, std::size_t> torn_out_;  // what was written of a prefix before this place is gone
};

TEST(history_engine, says_what_a_diary_of_everything_says) {
    constexpr const char* places[] = {"2001:db8:1::1", "2001:db8:1::2", "2001:db8:2::1", "2001:db8:3::1",
        "198.51.100.1", "198.51.100.2", "203.0.113.1", "192.0.2.1", "10.0.0.1", "10.0.1.1"};
    int second = 0, first = 0, full = 0;
    for (unsigned seed = 0; seed != 300; ++seed) {
        std::mt19937 random{seed};
        const auto up_to = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
        const std::size_t most = 1 + up_to(12);
        memory m{most};
        diary d{most};
        time_point now = t0;
        const unsigned bad = up_to(100);  // some networks are worse than others
        for (int step = 0; step != 60; ++step) {
            now += std::chrono::seconds{up_to(4) == 0 ? up_to(500) : up_to(5)};
            const network where{up_to(2)};
            attempt a{at(places[up_to(10)]), ending::connected, now, std::chrono::milliseconds{up_to(300)}};
            if (up_to(100) < bad) a.how = up_to(8) == 0 ? ending::refused : ending::failed;
            m.learn({a}, now, where);
            d.write(where, a, a.how == ending::connected, now);

            const time_point later = now + std::chrono::seconds{up_to(3) == 0 ? up_to(700) : 0};
            std::vector<address> candidates;
            for (unsigned i = up_to(5); i != 0; --i) candidates.push_back(at(places[up_to(10)]));
            const family f = up_to(2) == 0 ? v4 : v6;
            const bool expected = d.goes_second(where, f, candidates, later);
            ASSERT_EQ(m.goes_second(where, f, candidates, later), expected) << "seed " << seed << ", step " << step;
            ASSERT_EQ(m.size(now), d.prefixes(now).size()) << "seed " << seed << ", step " << step;
            ASSERT_LE(m.size(now), most);
            (expected ? second : first) += 1;
            full += m.size(now) == most;
        }
    }
    EXPECT_GT(second, 1000);
    EXPECT_GT(first, 1000);
    EXPECT_GT(full, 1000);
}

}  // namespace
}  // namespace dial::remembering
