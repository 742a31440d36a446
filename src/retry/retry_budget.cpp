#include <dial/retry_budget.hpp>

#include <resolve/fork_guard.hpp>
#include <retry/budget.hpp>

#include <mutex>
#include <utility>

namespace dial {

// The lock is that of the process, so that it is free in the child of a fork.
class retry_budget::core {
public:
    core(double ratio, int reserve) : counts_{ratio, reserve} {}

    void on_first_try(time_point now) {
        const std::lock_guard lock{resolve::process_mutex()};
        counts_.on_first_try(now);
    }
    bool withdraw(time_point now) {
        const std::lock_guard lock{resolve::process_mutex()};
        return counts_.withdraw(now);
    }

private:
    retrying::budget counts_;
};

retry_budget::retry_budget(double ratio, int reserve) : core_{std::make_shared<core>(ratio, reserve)} {}

retry_budget::retry_budget(std::shared_ptr<core> shared) : core_{std::move(shared)} {}

retry_budget retry_budget::unlimited() {
    return retry_budget{std::shared_ptr<core>{}};
}

void retry_budget::on_first_try(time_point now) {
    if (core_) core_->on_first_try(now);
}

bool retry_budget::withdraw(time_point now) {
    return !core_ || core_->withdraw(now);
}

}  // namespace dial
