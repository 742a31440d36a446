// The scenarios in test/data/pool.txt: who asks a pool for connections, and who gets which.
#pragma once

#include <pool/engine.hpp>

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace dial::test {

// What becomes of a wait.
struct pool_answer {
    std::string result;                     // "lent", or "timeout", "cancelled", "connect_failed", "closed", "too_many"
    std::optional<std::size_t> connection;  // lent; empty: one that was not there before
    std::optional<duration> at;
    std::vector<std::size_t> idle;  // in the end
};

struct pool_case {
    struct connect {
        bool succeeds = true;
        std::optional<duration> takes;  // else connect_time
    };
    struct move {
        enum class kind : unsigned char { acquire, cancel, give_back, peer_closes, reset, close };
        duration at;
        kind what;
        std::string who = {};
        std::size_t connection = 0;
        duration timeout = never;
        bool cancelled = false;  // before the call
        bool discard = false;
    };
    struct closing {
        std::string why;
        duration at;
    };

    std::string id, title;
    pooling::pool_rules rules;
    duration connect_time = {};
    std::vector<connect> connects;
    std::vector<move> moves;

    std::map<std::string, pool_answer> expected;                 // by waiter
    std::map<std::string, std::vector<pool_answer>> also_right;  // for ties
    std::optional<std::vector<duration>> starts;
    std::map<std::size_t, closing> closed;
    std::vector<std::size_t> idle;
    std::optional<std::size_t> peak;
    std::optional<duration> close_done;
};

// Throws std::runtime_error, naming the line, where the file is not as its README says.
std::vector<pool_case> read_pool_cases(const std::string& path);

}  // namespace dial::test
