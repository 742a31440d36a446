#include <dial/detail/limiter.hpp>

#include <limit/engine.hpp>

#include <map>
#include <mutex>
#include <utility>
#include <variant>
#include <vector>

namespace dial::detail {

struct limiter::core {
    explicit core(const limit_options& options) : engine{options} {}

    std::mutex mutex;
    limiting::engine engine;
    std::map<limiting::ticket, std::weak_ptr<waiter>> line;
};

limiter::limiter(const limit_options& options) : core_{std::make_unique<core>(options)} {}

limiter::~limiter() = default;

bool limiter::start_at_once(time_point now) {
    const std::lock_guard lock{core_->mutex};
    return core_->engine.start_at_once(now);
}

std::uint64_t limiter::wait(std::weak_ptr<waiter> who) {
    const std::lock_guard lock{core_->mutex};
    const limiting::ticket number = core_->engine.on_arrived();
    core_->line.emplace(number, std::move(who));
    return static_cast<std::uint64_t>(number);
}

bool limiter::leave(std::uint64_t number) {
    const std::lock_guard lock{core_->mutex};
    const auto who = static_cast<limiting::ticket>(number);
    core_->engine.on_withdrawn(who);
    return core_->line.erase(who) != 0;
}

void limiter::give_back() {
    const std::lock_guard lock{core_->mutex};
    core_->engine.on_finished();
}

void limiter::look(time_point now) {
    std::vector<std::shared_ptr<waiter>> may_start;
    std::shared_ptr<waiter> asks_again;  // released without the lock: it may be the last reference
    time_point when;
    {
        const std::lock_guard lock{core_->mutex};
        for (;;) {
            const limiting::step step = core_->engine.next(now);
            if (const auto* const start = std::get_if<limiting::start>(&step)) {
                const auto found = core_->line.find(start->who);
                auto who = found->second.lock();
                core_->line.erase(found);
                if (who)
                    may_start.push_back(std::move(who));
                else
                    core_->engine.on_finished();  // its io_context is going away
                continue;
            }
            if (const auto* const wait = std::get_if<limiting::wait_until>(&step)) {
                when = wait->when;
                for (const auto& [number, who] : core_->line)
                    if ((asks_again = who.lock())) break;
            }
            break;
        }
    }
    for (const auto& each : may_start) each->on_turn();
    if (asks_again) asks_again->wait_until(when);
}

}  // namespace dial::detail
