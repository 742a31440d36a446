// Decides what past dials say about the next: which family goes second, how long an attempt has before the next one
// starts. Pure: no socket, no clock but `now`; which network this machine is in comes in.
//
// Kept for each prefix (IPv4 /24, IPv6 /48) of each network, and for ten minutes. The families are told apart because one
// that is broken is usually so for all destinations of a network, yet seldom for ever.
#pragma once

#include <dial/time.hpp>
#include <race/engine.hpp>
#include <resolve/engine.hpp>

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <span>

namespace dial::remembering {

using race::family;
using resolve::address;

// Which network the machine is in: equal numbers for equal ones. What it is made of is up to the shell (core.hpp).
struct network {
    std::uint64_t identity = 0;
    auto operator<=>(const network&) const = default;
};

enum class ending : unsigned char {
    connected,   // it won
    refused,     // the peer says no: this destination does not work, but the way there and back does
    failed,      // for any other reason, also before a packet was on the wire (no route, no source, …)
    unanswered,  // it was given up while it ran, since another had won, or the dial was over
};

struct attempt {
    address to;
    ending how;
    time_point started;
    duration took;  // from its start to its end
};

class engine {
public:
    explicit engine(std::size_t max_prefixes) : max_prefixes_{max_prefixes} {}

    // What came of one dial, once at its end: all attempts that it started.
    void remember(const network& where, std::span<const attempt> all, time_point now);

    // Whether family `f` is to go second, where destination order (RFC 6724) has it first. `candidates`: of both
    // families, as far as they are known. A family of which none is known goes by what is known of the network.
    bool goes_second(const network& where, family f, std::span<const address> candidates, time_point now) const;

    // How long an attempt to `to` has before the next one starts (RFC 8305 section 5); nothing where no round trip to its
    // prefix is known.
    std::optional<duration> attempt_delay(const network& where, const address& to, time_point now) const;

    std::size_t size(time_point now);  // prefixes it knows something about
    void clear();

private:
    struct prefix {
        network where;
        std::array<unsigned char, 16> begin{};
        std::uint32_t scope_id = 0;
        auto operator<=>(const prefix&) const = default;
    };
    struct round_trip {  // RFC 6298 section 2
        duration smoothed, variation;
        time_point learned;
    };
    struct record {
        prefix of;
        std::optional<time_point> worked = {}, failed = {};
        std::optional<round_trip> time = {};
    };
    using records = std::list<record>;  // the one that was heard of last is the last

    // What is known of a family in a network, all its prefixes taken together.
    struct family_record {
        struct failure {
            prefix of;
            time_point when;
        };
        network where;
        family of;
        std::optional<time_point> heard = {}, reached = {};  // the last time that anything came back
        std::array<std::optional<failure>, 2> failed = {};   // of the prefixes, the two that failed last
    };

    static prefix prefix_of(const network& where, const address& a);

    void worked(const network& where, const attempt& a, time_point now);
    void failed(const network& where, const attempt& a, time_point now);
    record& heard_of(const prefix& p);
    family_record& family_heard_of(const network& where, family f, time_point now);
    const record* find(const network& where, const address& a) const;
    bool fails(const network& where, family f, std::span<const address> candidates, time_point now) const;
    bool fails_everywhere(const network& where, family f, time_point now) const;
    void forget_the_old(time_point now);

    std::size_t max_prefixes_;
    time_point latest_ = time_point::min();
    records records_;
    std::map<prefix, records::iterator> by_prefix_;
    std::list<family_record> families_;  // the one that was heard of last is the last
};

}  // namespace dial::remembering
