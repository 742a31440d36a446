// How many tries may be repeated: a part of all.
#pragma once

#include <dial/time.hpp>

#include <memory>

namespace dial {

/// Bounds how much retries add to the load: to a tenth of it, so that they do not keep down a server that is on its knees.
/// Given to retry layers by retry_options::budget(); several that call the same servers should share one.
///
/// Over the last ten seconds, counted in whole ones, there are at most `ratio` retries for each first try, and `reserve` on
/// top for who tries seldom. What is not used in ten seconds is gone: a long quiet time saves up nothing for a storm.
///
///   dial::retry_budget budget{0.2};
///   auto a = dial::retry(d, dial::retry_options().budget(budget));
///   auto b = dial::retry(e, dial::retry_options().budget(budget));
///
/// A handle: copies share what is counted. Thread-safe.
class retry_budget {
public:
    /// `ratio`: from zero to 1000, else the nearest; not-a-number is zero. A `reserve` below zero is zero. With both zero,
    /// nothing is retried.
    explicit retry_budget(double ratio = 0.1, int reserve = 10);

    /// One that allows everything.
    static retry_budget unlimited();

    /// For layers, and for loops of one's own. A first try begins: it may be repeated or not, it counts.
    void on_first_try(time_point now);
    /// Whether one more retry is within the budget. If so, it counts.
    bool withdraw(time_point now);

private:
    class core;
    explicit retry_budget(std::shared_ptr<core> shared);

    std::shared_ptr<core> core_;  // none: unlimited
};

}  // namespace dial
