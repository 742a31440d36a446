#include <cache/patience.hpp>

#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

namespace dial::caching {

namespace asio = boost::asio;

class patience_timers : public std::enable_shared_from_this<patience_timers> {
public:
    unsigned long add(const asio::any_io_executor& executor, duration length, std::function<void()> over) {
        const std::lock_guard lock{mutex_};
        const unsigned long number = next_++;
        if (closed_) return number;
        constexpr duration longest = std::chrono::hours{24 * 365};  // what can be added to the time of day
        asio::steady_timer& timer = timers_.try_emplace(number, executor, std::min(length, longest)).first->second;
        timer.async_wait([self = weak_from_this(), number, call = std::move(over)](boost::system::error_code) {
            if (const auto alive = self.lock(); alive && alive->take(number)) call();
        });
        return number;
    }

    bool take(unsigned long number) {
        const std::lock_guard lock{mutex_};
        return timers_.erase(number) != 0;  // which cancels one that runs
    }

    void close() {
        const std::lock_guard lock{mutex_};
        closed_ = true;
        timers_.clear();
    }

    void before_fork() { mutex_.lock(); }
    void after_fork() { mutex_.unlock(); }

private:
    std::mutex mutex_;
    bool closed_ = false;
    unsigned long next_ = 1;
    std::map<unsigned long, asio::steady_timer> timers_;
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

patience patience::begin(const asio::any_io_executor& executor, duration length, std::function<void()> over) {
    patience begun;
    auto& context = asio::query(executor, asio::execution::context);
    const auto& timers = asio::use_service<timers_of_context>(context).timers;
    begun.of_ = timers;
    begun.number_ = timers->add(executor, length, std::move(over));
    return begun;
}

void patience::end() {
    if (const auto timers = of_.lock()) timers->take(number_);
}

}  // namespace dial::caching
