// What a pool has done so far, and what it has now.
#pragma once

#include <dial/pool_counts.hpp>
#include <dial/target.hpp>

#include <utility>
#include <vector>

namespace dial {

class target_counts {
public:
    target_counts(dial::target of, const pool_counts& are) : target{std::move(of)}, counts{are} {}

    dial::target target;
    pool_counts counts;
};

/// pool::stats().
class pool_stats {
public:
    pool_stats() = default;

    pool_counts total;                   ///< of all targets, also of those that the pool has forgotten
    std::vector<target_counts> targets;  ///< in the order in which they were asked for first
};

}  // namespace dial
