// A dial that runs out of memory, at each place where it may: thrown or told, but over, and nothing left behind.
#include <dial/dialer.hpp>
#include <support/loopback.hpp>
#include <support/resolvers.hpp>

#include <boost/asio/steady_timer.hpp>

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <utility>

namespace {

thread_local long allocations_left = -1;  // of this thread, until one fails; below zero: none does

bool fails() {
    return allocations_left >= 0 && allocations_left-- == 0;
}

}  // namespace

void* operator new(std::size_t size) {
    void* const memory = fails() ? nullptr : std::malloc(size ? size : 1);
    if (!memory) throw std::bad_alloc{};
    return memory;
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {  // std::stable_sort's, which does without
    return fails() ? nullptr : std::malloc(size ? size : 1);
}
void operator delete(void* memory, const std::nothrow_t&) noexcept {
    std::free(memory);
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;

struct what_came {
    bool thrown = false, called = false, used_up = false;
};

// Dials with memory for `n` more allocations, and expects that it ends.
what_came dial_with_memory_for(long n, const resolver& names, std::uint16_t port) {
    what_came came;
    std::weak_ptr<int> handler_lives;
    {
        asio::io_context io;
        const tcp::socket starts_the_reactor{io};
        const asio::steady_timer starts_the_timers{io};
        const dialer d{io, {.timeout = 20s, .attempt_delay = 1ms}, names};
        report story;
        const request what{target{"db", port}, &story};
        auto guard = std::make_shared<int>();
        handler_lives = guard;
        auto handler = [guard = std::move(guard), &came](error_code, tcp::socket) { came.called = true; };
        allocations_left = n;
        try {
            d.connect(what, std::move(handler));
        } catch (const std::bad_alloc&) {
            came.thrown = true;
        }
        for (int i = 0; i != 3 && !io.stopped(); ++i) {
            try {
                io.run_for(10s);
            } catch (const std::bad_alloc&) {
                came.thrown = true;
            }
        }
        came.used_up = std::exchange(allocations_left, -1) < 0;
        EXPECT_TRUE(io.stopped()) << "still pending, with memory for " << n;
        EXPECT_TRUE(handler_lives.expired()) << "the handler is kept, with memory for " << n;
    }
    EXPECT_TRUE(came.thrown || came.called) << "lost, with memory for " << n;
    return came;
}

TEST(dialer_without_memory, ends_and_leaves_nothing) {
    const tcp_server server;
    const auto port = server.endpoint().port();
    const silent_server silent{"127.0.0.3", port};
    const std::size_t before = open_descriptors();
    for (const resolver& names : {resolver{static_resolver({{"db", addresses({"127.0.0.1"})}})},
             resolver{static_resolver({{"db", addresses({"127.0.0.2", "127.0.0.3", "127.0.0.1"})}})}}) {
        int thrown = 0;
        for (long n = 0;; ++n) {
            const what_came came = dial_with_memory_for(n, names, port);
            thrown += came.thrown;
            if (!came.used_up) break;
            ASSERT_LT(n, 1000);
        }
        EXPECT_GT(thrown, 10);
    }
    EXPECT_EQ(open_descriptors(), before);
}

}  // namespace
}  // namespace dial::test
