// The line of a `limit` layer: who may start, and who waits. Compiled, thread-safe.
#pragma once

#include <dial/limit_options.hpp>
#include <dial/time.hpp>

#include <cstdint>
#include <memory>

namespace dial::detail {

class limiter {
public:
    // One that waits. Called from any thread, with no lock held.
    class waiter {
    public:
        virtual void on_turn() = 0;               // it has its place, and gives it back
        virtual void wait_until(time_point) = 0;  // its turn will not come before: it asks again then, with poke()

    protected:
        ~waiter() = default;
    };

    explicit limiter(const limit_options& options);
    limiter(const limiter&) = delete;
    limiter& operator=(const limiter&) = delete;
    ~limiter();

    // True: it may start now, with a place that it gives back.
    bool start_at_once(time_point now);
    // Gets in line; look() then tells whose turn it is. Returns its number.
    std::uint64_t wait(std::weak_ptr<waiter> who);
    // Leaves the line; false if it was its turn already.
    bool leave(std::uint64_t number);
    void give_back();

    // Whose turn it is by now: they are told, unless they ask themselves for the first one to wait.
    void look(time_point now);

private:
    struct core;
    const std::unique_ptr<core> core_;
};

}  // namespace dial::detail
