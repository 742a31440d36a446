// Waits that keep no io_context at work: run() returns when there is nothing but them.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/io_context.hpp>

#include <atomic>
#include <cstdint>

namespace dial::detail {

namespace asio = boost::asio;

// Where work is counted: an io_context, whose own executor it is. Elsewhere waits stay counted: under a strand, or in a thread_pool,
// Asio counts more than the operation itself.
class work_counter {
public:
    work_counter() = default;
    explicit work_counter(const asio::any_io_executor& executor);

    // Less work only here: a context that runs out of it stops, also outside of run(), and that nobody would expect.
    bool runs_here() const noexcept;
    void more() const noexcept;
    void less() const noexcept;

private:
    asio::io_context* context_ = nullptr;
};

// One wait after the other: begin(), then the operation is started, then started(); ended() first thing in its handler, or before
// it is cancelled. In between it does not count.
class background_wait {
public:
    std::uint32_t begin() noexcept {
        const std::uint32_t number = number_of(state_.load()) + 1;
        state_.store(state(number, counted));
        return number;
    }
    void started(std::uint32_t number, const work_counter& counter) noexcept {
        if (!counter.runs_here()) return;
        std::uint64_t expected = state(number, counted);
        if (state_.compare_exchange_strong(expected, state(number, hidden))) counter.less();
    }
    void ended(std::uint32_t number, const work_counter& counter) noexcept {
        std::uint64_t now = state_.load();
        while (number_of(now) == number && now != state(number, over)) {
            if (!state_.compare_exchange_weak(now, state(number, over))) continue;
            if (now == state(number, hidden)) counter.more();
            return;
        }
    }

private:
    enum phase : std::uint64_t { over, counted, hidden };
    static std::uint64_t state(std::uint32_t number, phase p) { return std::uint64_t{number} << 2 | p; }
    static std::uint32_t number_of(std::uint64_t state) { return static_cast<std::uint32_t>(state >> 2); }

    std::atomic<std::uint64_t> state_ = 0;
};

}  // namespace dial::detail
