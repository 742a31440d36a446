// The end of the process, and fork(2), while getaddrinfo hangs.
#include "getaddrinfo.hpp"

#include <resolve/threads.hpp>
#include <support/sanitizers.hpp>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <thread>

// What the sanitizers cannot do.
#if DIAL_TEST_TSAN
#define SKIP_UNDER_TSAN() GTEST_SKIP() << "the thread sanitizer starts no threads in the child of a fork"
#else
#define SKIP_UNDER_TSAN() static_cast<void>(0)
#endif
#if DIAL_TEST_ASAN
#define SKIP_UNDER_ASAN() GTEST_SKIP() << "the address sanitizer's allocator may be locked in the child of a fork"
#else
#define SKIP_UNDER_ASAN() static_cast<void>(0)
#endif

namespace {

bool is_child = false;

}  // namespace

// Asked by the leak sanitizer: what the threads of the parent had is lost to their child.
extern "C" int __lsan_is_turned_off();
int __lsan_is_turned_off() {
    return is_child;
}

namespace dial::test {
namespace {

using asio::ip::tcp;

class system_resolver_process : public scripted_dials {};

// Runs `child` in a child process, for 20 s at the most, and gives its exit status; -1 for any other end.
template <class Child>
int in_child(Child child) {
    std::fflush(nullptr);
    const pid_t pid = ::fork();
    if (pid == 0) {
        is_child = true;
        ::alarm(20);
        ::_exit(child());
    }
    int status = -1;
    if (pid == -1 || ::waitpid(pid, &status, 0) != pid) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(system_resolver_process, does_not_hold_a_process_that_exits_and_does_not_crash_it) {
    SKIP_UNDER_TSAN();
    enum when { hanging, without_io_context, as_calls_return };
    for (const when w : {hanging, without_io_context, as_calls_return}) {
        int status = -1;
        EXPECT_LT(time_of([&] {
            status = in_child([&] {
                install_script();
                static system_resolver of_the_process{3};  // is destroyed as the process ends
                const auto child_io = new std::optional<asio::io_context>{std::in_place};
                for (const auto& r : {resolver{}, resolver{of_the_process}})
                    dialer{**child_io, {}, r}.connect("a.test:1", handler());
                if (!installed.load()->hanging(4)) return 1;
                if (w == without_io_context) child_io->reset();
                if (w == as_calls_return) std::atexit([] { installed.load()->reply_to_all(here); });
                std::exit(calls == 0 ? 7 : 2);
            });
        }),
            10s);  // exit alone is not what takes long here: fork, and a check for leaks
        EXPECT_EQ(status, 7) << w;
    }
}

// In a child: whether dialing by name works.
bool dials_by_name(asio::io_context& io, const tcp_server& server, const resolver& from = {}) {
    install_script().reply_to_all(here);
    std::optional<error_code> heard;
    dialer{io, {}, from}.connect("fresh.test:" + std::to_string(server.endpoint().port()),
        [&](error_code ec, const tcp::socket&) { heard = ec; });
    io.restart();
    while (!heard && io.run_one_for(10s) != 0) {}
    return heard == success;
}

TEST_F(system_resolver_process, starts_afresh_in_the_child_of_a_fork_while_the_parents_lookups_go_on) {
    SKIP_UNDER_TSAN();
    const resolver own = system_resolver{1};  // with a lookup that waits for its turn
    dialer{io}.connect(at("a.test"), handler());
    dialer{io, {}, own}.connect(at("b.test"), handler());
    ASSERT_TRUE(names.hanging(3));
    EXPECT_EQ(in_child([&] {
        asio::io_context fresh;
        if (!dials_by_name(fresh, server) || !dials_by_name(fresh, server, own)) return 1;
        return dials_by_name(fresh, server, system_resolver{}) ? 0 : 2;
    }),
        0);
    names.reply_to_all(here);
    run(io);
    EXPECT_EQ(calls, 2);
    EXPECT_EQ(ec, success);
    EXPECT_EQ(in_child([&] {  // now with idle threads, which the child does not have
        asio::io_context fresh;
        return dials_by_name(fresh, server) && dials_by_name(fresh, server, own) ? 0 : 1;
    }),
        0);
}

TEST_F(system_resolver_process, says_try_again_in_a_child_that_goes_on_with_the_io_context) {
    SKIP_UNDER_TSAN();
    dialer{io, {.timeout = never}}.connect(at("a.test"), handler());
    ASSERT_TRUE(names.hanging(2));
    io.notify_fork(asio::execution_context::fork_prepare);
    const int status = in_child([&] {
        io.notify_fork(asio::execution_context::fork_child);
        io.run_for(10s);
        if (calls != 1 || ec != asio::error::host_not_found_try_again) return 1;
        return dials_by_name(io, server) ? 0 : 2;
    });
    io.notify_fork(asio::execution_context::fork_parent);
    EXPECT_EQ(status, 0);
    names.reply_to("a.test", here);
    EXPECT_EQ(finish(), success);
}

TEST_F(system_resolver_process, survives_a_fork_at_any_moment) {
    SKIP_UNDER_TSAN();
    SKIP_UNDER_ASAN();
    std::atomic<bool> stop = false;
    std::thread busy{[&] {
        const auto pool = std::make_unique<system_resolver::threads>(4, 1ms);
        struct nothing_to_do : system_resolver::threads::job {
            bool wanted() const override { return true; }
            void run() override {}
        };
        while (!stop) pool->run(std::make_unique<nothing_to_do>());
    }};
    for (int i = 0; i != 30; ++i) {
        EXPECT_EQ(in_child([&] {
            asio::io_context fresh;
            return dials_by_name(fresh, server) ? 0 : 1;
        }),
            0);
    }
    stop = true;
    busy.join();
}

}  // namespace
}  // namespace dial::test
