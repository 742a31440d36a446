// The scenarios in test/data, read and made into scripts for the simulation.
#pragma once

#include <support/race_simulation.hpp>

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace dial::test {

// What a scenario expects, or for a tie allows: where something is empty, anything is right.
struct race_answer {
    std::string result;  // "winner <address>" or how it ends in the words of name_of(ending)
    std::optional<std::size_t> started;
};

struct race_case {
    std::string id, title, skip;  // skip: why it is not run
    race_script script;
    std::vector<std::string> addresses;  // by index

    race_answer expected;
    std::optional<duration> ends_at;
    std::optional<std::vector<race_start>> starts;
    std::vector<std::size_t> order;  // empty: not said
    std::map<std::string, std::size_t> counts;
    bool no_timer_left = false;
    std::vector<race_answer> also_right;  // for ties
};

// Throws std::runtime_error, naming the line, where the file is not as its README says.
std::vector<race_case> read_race_cases(const std::string& path);

}  // namespace dial::test
