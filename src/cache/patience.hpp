// Timers for lookups, which belong to an io_context and die with it, whoever else knows of them.
#pragma once

#include <dial/time.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <functional>
#include <memory>

namespace dial::caching {

class patience_timers;  // of one execution context

// One that runs. Thread-safe.
class patience {
public:
    // Calls `over` on the executor after `length`, and `gone` if the context goes away, before that or after; neither once it
    // is ended.
    static patience begin(const boost::asio::any_io_executor& executor, duration length, std::function<void()> over,
        std::function<void()> gone);

    patience() = default;
    void end();  // now: nothing of it keeps the context at work

private:
    std::weak_ptr<patience_timers> of_;
    unsigned long number_ = 0;
};

}  // namespace dial::caching
