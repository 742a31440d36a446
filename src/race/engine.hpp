// Decides which address is tried next, and when: Happy Eyeballs (RFC 8305). Pure: no socket, no clock but `now`.
//
// The operation tells it what lookups and attempts came to, and that the caller gave up; then it obeys next(now), one
// step at a time, until that says wait or finish. Addresses go by an index that the operation chooses: the same address
// always by the same index, whichever answer it came in. What was told first counts, where two things exclude each other.
#pragma once

#include <dial/time.hpp>

#include <array>
#include <cstddef>
#include <memory_resource>
#include <optional>
#include <span>
#include <variant>
#include <vector>

namespace dial::race {

enum class family : unsigned char { v4, v6 };

struct candidate {
    std::size_t index;
    family of;
    std::size_t group = 0;                  // lower ones are tried first: endpoints of a service by its priority
    std::optional<duration> patience = {};  // how long it has before the next one starts, where that is known better
    bool operator==(const candidate&) const = default;
};

struct rules {
    duration attempt_delay = std::chrono::milliseconds{250};    // section 5: Connection Attempt Delay
    duration resolution_delay = std::chrono::milliseconds{50};  // section 3: Resolution Delay
    duration spacing = std::chrono::milliseconds{10};           // section 5: at least this from packet to packet
    duration attempt_timeout = never;                           // zero or less: none could be in time, none is tried
    duration timeout = never;                                   // for everything, lookups included, from now on;
    time_point deadline = time_point::max();                    // the earlier of the two counts
    std::size_t max_in_flight = 6;                              // the next waits until there is room; zero is one
    std::size_t first_family_count = 1;                         // section 4: First Address Family Count
    family preferred = family::v6;                              // section 3: whose addresses the others wait for
};

enum class ending : unsigned char {
    connected,
    all_failed,    // every address was tried, every attempt failed, and no lookup is out
    no_addresses,  // no lookup is out, and there was nothing to try
    timed_out,     // the timeout or the deadline
    cancelled,     // by the caller
};

// What the operation does next. Before it finishes, it has closed every attempt but the winner.
struct start_attempt {
    std::size_t index;
    bool operator==(const start_attempt&) const = default;
};
struct close_attempt {  // it runs, and is given up
    enum class cause : unsigned char { attempt_timeout, another_won, timed_out, cancelled };
    std::size_t index;
    cause why;
    bool operator==(const close_attempt&) const = default;
};
struct wait_until {  // max(): for news only
    time_point when;
    bool operator==(const wait_until&) const = default;
};
struct finish {
    ending how;
    std::optional<std::size_t> winner;
    bool operator==(const finish&) const = default;
};
using step = std::variant<start_attempt, close_attempt, wait_until, finish>;

class engine {
public:
    // What it keeps of addresses and attempts lies in `memory`.
    engine(const rules& r, time_point now, std::pmr::memory_resource* memory = std::pmr::get_default_resource());

    // A lookup is out; it is over (with addresses, without, or with an error: what it brought is told by on_addresses).
    void on_asked(family f) { out(f) = true; }
    void on_answered(family f) { out(f) = false; }

    // The same for what tells about the service and not about addresses: SVCB and HTTPS records.
    void on_asked_for_service() { service_out_ = true; }
    void on_service_answered() { service_out_ = false; }

    // Whose addresses the others wait for, from now on.
    void prefer(family f) { rules_.preferred = f; }

    // All addresses known now, of both families, in destination order (RFC 6724) within each group, those already tried among
    // them or not.
    // One that is named twice is one. One that is no longer named is not tried; if it is being tried, it goes on.
    void on_addresses(std::span<const candidate> sorted);

    // How an attempt ended. That of one which is not running any more is ignored, as is everything after the end.
    void on_connected(std::size_t index);
    void on_failed(std::size_t index);
    void on_refused_locally(std::size_t index);  // it failed before a packet was on the wire: no route, no source, …

    void on_cancelled() {
        if (!ending_) ending_ = ending::cancelled;
    }

    step next(time_point now);

    // What is left is one address: nothing else runs, waits its turn, or may still come. (TCP Fast Open asks.)
    bool only_one_left() const;

private:
    struct attempt {
        enum class state : unsigned char { running, failed, closed, won };
        candidate what;
        time_point started;
        state is = state::running;
        bool sent = true;  // as far as is known: a packet is on the wire
    };

    bool& out(family f) { return out_[static_cast<std::size_t>(f)]; }
    bool lookups_are_out() const { return out_[0] || out_[1] || service_out_; }
    bool waits(family f) const;
    std::size_t running() const;
    attempt* find_running(std::size_t index);
    void fail(std::size_t index, bool sent);

    void look_for_the_end(time_point now);
    step wind_up();
    time_point next_start(time_point now);
    time_point first_start(time_point now);
    step start(time_point now);
    family turn() const;
    time_point expiry(const attempt& a) const { return saturating_add(a.started, rules_.attempt_timeout); }

    rules rules_;
    time_point deadline_;
    std::array<bool, 2> out_{};  // by family: the lookup is out
    bool service_out_ = false;
    std::pmr::vector<candidate> waiting_;   // not tried yet, in destination order
    std::pmr::vector<attempt> attempts_;    // in the order of their starts
    family leading_ = family::v6;           // of the first address of the list
    std::optional<time_point> window_end_;  // of the Resolution Delay, once it runs
    std::optional<ending> ending_;
    std::optional<std::size_t> winner_;
};

}  // namespace dial::race
