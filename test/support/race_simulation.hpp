// A race in virtual time: a scripted network on one side, the race engine or a model of it on the other.
#pragma once

#include <race/engine.hpp>

#include <optional>
#include <ostream>
#include <string>
#include <vector>

namespace dial::test {

inline constexpr time_point race_begins{std::chrono::hours{5}};  // times in scripts and records count from here

// How an attempt ends, counted from its start. Without a time it hangs.
struct race_outcome {
    enum class what : unsigned char { connected, failed, refused_locally } is = what::connected;
    std::optional<duration> after;
};

// At `at`: a lookup is over, or the addresses known are now these (all of them, in destination order), or both.
struct race_news {
    duration at;
    std::optional<race::family> answered;
    std::optional<std::vector<race::candidate>> addresses;
    bool service_answered = false;
};

struct race_script {
    race::rules rules;
    std::vector<race::family> asked;     // lookups out at the start
    bool service_asked = false;          // that for HTTPS records as well
    std::vector<race_news> news;         // in the order of time
    std::vector<race_outcome> outcomes;  // by index; for what is not listed: hangs
    std::optional<duration> cancel_at;
    bool cancel_comes_first = false;  // before other news of its tick
};

struct race_start {
    std::size_t index;
    duration at;
    bool operator==(const race_start&) const = default;
};
struct race_close {
    std::size_t index;
    duration at;
    race::close_attempt::cause why;
    bool operator==(const race_close&) const = default;
};

// What happened: everything that the operation around the engine would do.
struct race_record {
    std::vector<race_start> starts;
    std::vector<race_start> failures;
    std::vector<race_close> closed;
    std::optional<race::finish> end;  // none: nothing more happens, or not until `patience`
    duration ended_at{};
    bool operator==(const race_record&) const = default;
};

// What is not part of the outcome, but worth a look.
struct race_traits {
    std::size_t peak = 0;     // attempts running at the same time
    bool timer_left = false;  // at the last wait
    std::string broken;       // a rule of driving that the engine broke
};

// Drives the engine as an operation does: on each wake-up all news, then next(now) until it says wait or finish.
race_record run_race(const race_script& script, duration patience = never, race_traits* traits = nullptr);

std::ostream& operator<<(std::ostream& out, const race_record& record);
std::ostream& operator<<(std::ostream& out, const race_script& script);
const char* name_of(race::ending how);

}  // namespace dial::test
