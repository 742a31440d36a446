// Counts tries and retries of the last ten seconds: whether one more retry is within its part of all. Pure: no clock but `now`.
//
// As Finagle's RetryBudget, deposits expire, so that hours without failures do not pay for a storm of retries; and there is a
// reserve that comes back with time. gRPC's retryThrottling has a reserve that only further calls fill up again: it would leave a
// client with one connection, which is lost once a day, without retries in the end.
#pragma once

#include <dial/time.hpp>

#include <array>
#include <chrono>
#include <cstdint>

namespace dial::retrying {

class budget {
public:
    // `ratio`: from zero to 1000; `reserve`: zero or more. Others are the nearest; not-a-number is zero.
    budget(double ratio, int reserve);

    void on_first_try(time_point now);
    bool withdraw(time_point now);  // one retry; false, and nothing is counted, if that is too much

private:
    static constexpr std::size_t slots = 10;
    static constexpr std::chrono::seconds slot_length{1};
    struct count {
        std::uint64_t firsts = 0, retries = 0;
    };

    void forget_the_old(time_point now);

    double ratio_;
    std::uint64_t reserve_;
    std::array<count, slots> slots_{};  // a ring, by second: of this one, and the nine before
    std::int64_t newest_ = 0;           // the number of its second
    count sum_;
};

}  // namespace dial::retrying
