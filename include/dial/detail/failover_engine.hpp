// Decides which of several targets is tried next, and when. Pure: no clock but `now`, chance comes in. Targets go by their index.
//
// Obey next(now) after each thing that it is told, and at the time of a wait_until, until it says wait or finish. At the end,
// whatever still runs has lost and is cancelled.
#pragma once

#include <dial/failover_options.hpp>
#include <dial/time.hpp>

#include <cstddef>
#include <memory_resource>
#include <optional>
#include <span>
#include <variant>
#include <vector>

namespace dial::failing_over {

struct start {
    std::size_t target;
    bool operator==(const start&) const = default;
};
struct wait_until {  // max(): for news only
    time_point when;
    bool operator==(const wait_until&) const = default;
};
struct finish {  // without a winner: every target has failed, or there is none
    std::optional<std::size_t> winner;
    bool operator==(const finish&) const = default;
};
using step = std::variant<start, wait_until, finish>;

class engine {
public:
    // `random`: for failover_order::random, one number from [0, 1) for each target but one. Where they are too few, less is shuffled.
    engine(const failover_options& options, std::size_t targets, std::span<const double> random = {},
        std::pmr::memory_resource* memory = std::pmr::get_default_resource());

    // How a try ended. That of a target that is not running is ignored, as is everything after the end.
    void on_connected(std::size_t target);
    void on_failed(std::size_t target);

    step next(time_point now);

private:
    enum class state : unsigned char { waiting, running, failed };

    bool is_running(std::size_t target) const { return target < states_.size() && states_[target] == state::running; }

    duration delay_;
    std::pmr::vector<std::size_t> order_;  // of the targets
    std::pmr::vector<state> states_;       // by target
    std::size_t started_ = 0, failed_ = 0;
    time_point newest_started_;
    std::optional<std::size_t> winner_;
};

}  // namespace dial::failing_over
