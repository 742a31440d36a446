// Decides who may start: so many at a time, so many a second, in the order they came in. Pure: no clock but `now`.
//
// After each thing that it is told, and at the time of a wait_until, next(now) is obeyed until it says something else than start.
#pragma once

#include <dial/limit_options.hpp>
#include <dial/time.hpp>

#include <cstddef>
#include <cstdint>
#include <set>
#include <variant>

namespace dial::limiting {

// A place in the line. Later ones are greater; none is given twice.
enum class ticket : std::uint64_t {};

struct start {
    ticket who;
    bool operator==(const start&) const = default;
};
struct wait_until {
    time_point when;
    bool operator==(const wait_until&) const = default;
};
struct idle {  // for news only: nobody waits, or all places are taken
    bool operator==(const idle&) const = default;
};
using step = std::variant<start, wait_until, idle>;

class engine {
public:
    explicit engine(const limit_options& options);

    // Without a place in the line, where there is none: most find the way free.
    bool start_at_once(time_point now);
    ticket on_arrived();
    void on_withdrawn(
        ticket who);     // it waits no more: cancelled, or out of time. One that has started is not in the line.
    void on_finished();  // one that had started has ended, in whatever way

    step next(time_point now);

    std::size_t waiting() const { return line_.size(); }
    std::size_t in_flight() const { return in_flight_; }

private:
    void refill(time_point now);
    void take_token(time_point now);

    std::size_t max_in_flight_, in_flight_ = 0;
    std::uint64_t next_ticket_ = 0;
    std::set<ticket> line_;  // arrivals go to the end, starts come from the front: no search; to withdraw is one

    // A bucket of tokens: each start takes one, and one comes back every interval as long as it is not full.
    duration interval_;  // zero: no bucket
    std::size_t burst_, tokens_;
    time_point next_token_ = time_point::max();  // when it is not full
};

}  // namespace dial::limiting
