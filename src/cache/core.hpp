// What a caching_resolver and its copies share: the answers that are kept, and the lookups that are out.
#pragma once

#include <dial/caching_resolver.hpp>

#include <cache/engine.hpp>
#include <cache/patience.hpp>

#include <boost/asio/execution_context.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace dial {

// Under the process's mutex, so that it is free in the child of a fork; it is held neither while anybody is called nor while a
// handler is destroyed.
class caching_resolver::core : public std::enable_shared_from_this<core> {
public:
    using clock = std::function<time_point()>;

    core(resolver next, const cache_options& options, clock now = std::chrono::steady_clock::now);
    core(const core&) = delete;
    core& operator=(const core&) = delete;
    ~core();  // the next resolver hears that nobody waits any longer

    void ask(const lookup& question, answer_handler done);
    cache_counters counters() const;
    void clear();

private:
    class flight;
    using flight_key = std::tuple<std::string, record_type, boost::asio::execution_context*>;
    using flights = std::map<flight_key, std::shared_ptr<flight>>;
    // Those who wait for a flight.
    struct waiter {
        std::shared_ptr<flight> on;
        answer_handler done;
        boost::asio::any_io_executor executor;
    };

    // What is left of a flight that is over, for when the lock is not held.
    struct remains {
        std::function<void()> tell;
        caching::patience limit;
        boost::asio::any_io_executor executor;
        bool lost = false;  // it is the parent process's
    };

    std::optional<answer> find(const lookup& question);
    std::shared_ptr<flight> begin_flight(const lookup& question, flight_key key, time_point now);
    void begin_patience(const std::shared_ptr<flight>& with, const boost::asio::any_io_executor& executor);
    remains end(flight& over);
    static void forget(remains of);
    static void tell_unwanted(remains of);
    void give_up(std::uint64_t id);
    void on_answer(flight& from, answer given);
    void on_patience_over(flight& with);
    void on_context_gone(flight& of);
    std::vector<waiter> take_waiters(flight& of);

    const resolver next_;
    const duration patience_;
    const clock now_;

    caching::engine<answer> kept_;
    cache_counters counters_;
    std::uint64_t next_id_ = 1;
    std::map<std::uint64_t, waiter> waiters_;
    flights flights_;  // those that are wanted
};

}  // namespace dial
