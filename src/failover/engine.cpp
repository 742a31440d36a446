#include <dial/detail/failover_engine.hpp>

#include <algorithm>
#include <numeric>
#include <utility>

namespace dial::failing_over {
namespace {

// Fisher and Yates, from the last place down.
void shuffle(std::pmr::vector<std::size_t>& order, std::span<const double> random) {
    for (std::size_t left = order.size(); left > 1 && !random.empty(); --left, random = random.subspan(1)) {
        const double chance = random.front() > 0 ? std::min(random.front(), 1.0) : 0;
        const auto pick = static_cast<std::size_t>(chance * static_cast<double>(left));
        std::swap(order[left - 1], order[std::min(pick, left - 1)]);
    }
}

}  // namespace

engine::engine(const failover_options& options, std::size_t targets, std::span<const double> random,
    std::pmr::memory_resource* memory)
    : delay_{options.order() == failover_order::raced ? options.delay() : never}, order_(targets, memory),
      states_(targets, memory) {
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    if (options.order() == failover_order::random) shuffle(order_, random);
}

void engine::on_connected(std::size_t target) {
    if (is_running(target) && !winner_) winner_ = target;
}

void engine::on_failed(std::size_t target) {
    if (!is_running(target)) return;
    states_[target] = state::failed;
    ++failed_;
}

// An older one may fail: the newest still has its time.
step engine::next(time_point now) {
    if (winner_ || failed_ == order_.size()) return finish{winner_};
    if (started_ == order_.size()) return wait_until{time_point::max()};
    if (started_ != 0 && states_[order_[started_ - 1]] != state::failed) {
        const time_point due = saturating_add(newest_started_, delay_);
        if (now < due) return wait_until{due};
    }
    newest_started_ = now;
    states_[order_[started_]] = state::running;
    return start{order_[started_++]};
}

}  // namespace dial::failing_over
