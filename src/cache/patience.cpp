#include <cache/patience.hpp>

#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace dial::caching {

namespace asio = boost::asio;

class patience_timers : public std::enable_shared_from_this<patience_timers> {
public:
    unsigned long add(const asio::any_io_executor& executor, duration length, std::function<void()> over,
        std::function<void()> gone) {
        const std::lock_guard lock{mutex_};
        const unsigned long number = next_++;
        if (closed_) return number;
        constexpr duration longest = std::chrono::hours{24 * 365};  // what can be added to the time of day
        one& added = timers_[number];
        added.gone = std::move(gone);
        added.timer.emplace(executor, std::min(length, longest))
            .async_wait([self = weak_from_this(), number, call = std::move(over)](boost::system::error_code) {
                if (const auto alive = self.lock(); alive && alive->fire(number)) call();
            });
        return number;
    }

    void take(unsigned long number) {
        const std::lock_guard lock{mutex_};
        timers_.erase(number);  // which cancels one that runs
    }

    void close() {
        std::vector<std::function<void()>> told;
        {
            const std::lock_guard lock{mutex_};
            closed_ = true;
            for (auto& [number, each] : timers_) told.push_back(std::move(each.gone));
            timers_.clear();
        }
        for (const auto& gone : told) gone();
    }

    void before_fork() { mutex_.lock(); }
    void after_fork() { mutex_.unlock(); }

private:
    struct one {
        std::optional<asio::steady_timer> timer;  // none once it has fired
        std::function<void()> gone;
    };

    bool fire(unsigned long number) {
        const std::lock_guard lock{mutex_};
        const auto found = timers_.find(number);
        if (found == timers_.end()) return false;
        found->second.timer.reset();
        return true;
    }

    std::mutex mutex_;
    bool closed_ = false;
    unsigned long next_ = 1;
    std::map<unsigned long, one> timers_;
};

namespace {

class timers_of_context final : public asio::execution_context::service {
public:
    using key_type = timers_of_context;
    static asio::execution_context::id id;

    explicit timers_of_context(asio::execution_context& context)
        : asio::execution_context::service{context}, timers{std::make_shared<patience_timers>()} {}
    ~timers_of_context() override { timers->close(); }

    const std::shared_ptr<patience_timers> timers;

private:
    void shutdown() override { timers->close(); }
    void notify_fork(asio::execution_context::fork_event event) override {
        event == asio::execution_context::fork_prepare ? timers->before_fork() : timers->after_fork();
    }
};

asio::execution_context::id timers_of_context::id;

}  // namespace

patience patience::begin(
    const asio::any_io_executor& executor, duration length, std::function<void()> over, std::function<void()> gone) {
    patience begun;
    auto& context = asio::query(executor, asio::execution::context);
    const auto& timers = asio::use_service<timers_of_context>(context).timers;
    begun.of_ = timers;
    begun.number_ = timers->add(executor, length, std::move(over), std::move(gone));
    return begun;
}

void patience::end() {
    if (const auto timers = of_.lock()) timers->take(number_);
}

}  // namespace dial::caching
