#include <retry/budget.hpp>

#include <algorithm>
#include <cstddef>

namespace dial::retrying {

budget::budget(double ratio, int reserve)
    : ratio_{ratio > 0 ? std::min(ratio, 1000.0) : 0}, reserve_{static_cast<std::uint64_t>(std::max(reserve, 0))} {}

void budget::on_first_try(time_point now) {
    forget_the_old(now);
    ++slots_[static_cast<std::size_t>(newest_) % slots].firsts;
    ++sum_.firsts;
}

bool budget::withdraw(time_point now) {
    forget_the_old(now);
    const double earned = ratio_ * static_cast<double>(sum_.firsts);
    // 100 * 0.29 is a little less than 29, and pays for 29 nevertheless.
    if (static_cast<double>(sum_.retries + 1) > static_cast<double>(reserve_) + earned + 1e-6) return false;
    ++slots_[static_cast<std::size_t>(newest_) % slots].retries;
    ++sum_.retries;
    return true;
}

// Threads may tell theirs in another order than they read the clock: what is a little late counts for now.
void budget::forget_the_old(time_point now) {
    const std::int64_t second = std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()) / slot_length;
    if (second <= newest_) return;
    const auto passed = static_cast<std::uint64_t>(std::min<std::int64_t>(second - newest_, slots));
    for (std::uint64_t i = 0; i != passed; ++i) {
        count& old = slots_[(static_cast<std::uint64_t>(second) - i) % slots];
        sum_.firsts -= old.firsts;
        sum_.retries -= old.retries;
        old = {};
    }
    newest_ = second;
}

}  // namespace dial::retrying
