// fork and pthread_cancel with connects pending.
//
// What Asio allows, and dial adds nothing to:
// - fork: parent and child share the epoll set and the kernel's attempt. A child that goes on with the io_context calls
//   notify_fork; one that only execs or exits does nothing: dial's descriptors are close-on-exec. Closing the child's
//   copy leaves the attempt alone, but a child that cancels a connect on a caller's socket takes it back for both.
// - pthread_cancel of a thread inside io_context::run: it dies in epoll_wait, where Asio puts its state in order while
//   the stack unwinds, and another thread can run the io_context. Never inside dial, which lets the request pass by.
//   Not inside a coroutine: its frame catches everything, also the unwinding, and glibc ends the process. Not in the
//   destructor of a socket (close(2) is a cancellation point, a destructor is noexcept): the same. Not with several
//   threads in run(): one that dies while it waits for its turn is counted as waiting for ever. And a thread that dies
//   as epoll_wait returns (glibc before 2.41) takes what it was told along: readiness is told once.
#include <dial/connect.hpp>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/post.hpp>
#include <support/loopback.hpp>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;
using unix_stream = asio::local::stream_protocol;

// A few connects that stay pending until finish(): to silent and to full peers, borrowed and owned.
class pending_connects {
public:
    explicit pending_connects(asio::io_context& io) : io_{io}, tcp_socket{io}, unix_socket{io} {
        dial::connect(tcp_socket, silent_.endpoint(), 1h, record(of_tcp, cancel_tcp_));
        dial::connect(unix_socket, full_.endpoint(), record(of_unix));
        own_descriptor = ::fcntl(0, F_DUPFD_CLOEXEC, 0);  // the number that the next descriptor gets
        ::close(own_descriptor);
        dial::connect(io, silent_.endpoint(),
            asio::bind_cancellation_slot(cancel_own_.slot(), [this](error_code ec, tcp::socket own) {
                ++of_own.calls;
                of_own.ec = own.is_open() ? error_code{} : ec;
            }));
    }
    void expect_still_pending() {
        EXPECT_EQ(of_tcp.calls + of_unix.calls + of_own.calls, 0);
        EXPECT_EQ(tcp_state(tcp_socket.native_handle()), TCP_SYN_SENT);
    }
    // One is cancelled, one succeeds, dial's own is cancelled; and the first socket connects again.
    void finish() {
        cancel_tcp_.emit(asio::cancellation_type::terminal);
        cancel_own_.emit(asio::cancellation_type::terminal);
        EXPECT_TRUE(full_.accept());
        run(io_);
        expect(of_tcp, aborted);
        expect(of_unix, success);
        expect(of_own, aborted);
        EXPECT_TRUE(is_connected(unix_socket.native_handle()));
        const tcp_server server;
        outcome next;
        dial::connect(tcp_socket, server.endpoint(), record(next));
        run(io_);
        expect(next, success);
    }

private:
    silent_server silent_;
    full_unix_server full_;
    asio::cancellation_signal cancel_tcp_, cancel_own_;
    asio::io_context& io_;

public:
    outcome of_tcp, of_unix, of_own;
    tcp::socket tcp_socket;
    unix_stream::socket unix_socket;
    int own_descriptor = -1;
};

// Runs `child` in a child process and gives its exit status.
template <class Child>
int in_child(Child child) {
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(child());
    int status = -1;
    if (pid == -1 || ::waitpid(pid, &status, 0) != pid) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(connect_process, that_forks_and_whose_child_exits_goes_on_as_before) {
    asio::io_context io;
    pending_connects connects{io};
    run_ready(io);
    EXPECT_EQ(in_child([] { return 7; }), 7);
    connects.expect_still_pending();
    connects.finish();
}

TEST(connect_process, that_forks_and_whose_child_execs_hands_on_no_descriptor) {
    asio::io_context io;
    pending_connects connects{io};
    run_ready(io);
    const auto closed = [](int fd) { return "test ! -e /proc/self/fd/" + std::to_string(fd); };
    const std::string script = closed(connects.tcp_socket.native_handle()) + " && " +
        closed(connects.unix_socket.native_handle()) + " && " + closed(connects.own_descriptor);
    ASSERT_NE(::fcntl(connects.own_descriptor, F_GETFD), -1) << "the test's guess of the number is wrong";
    EXPECT_EQ(in_child([&] { return ::execl("/bin/sh", "sh", "-c", script.c_str(), nullptr); }), 0);
    connects.expect_still_pending();
    connects.finish();
}

TEST(connect_process, may_go_on_with_the_io_context_in_a_child_that_closes_its_copies) {
    asio::io_context io;
    pending_connects connects{io};
    run_ready(io);
    io.notify_fork(asio::execution_context::fork_prepare);
    const int status = in_child([&] {
        io.notify_fork(asio::execution_context::fork_child);
        connects.tcp_socket.close();
        connects.unix_socket.close();
        io.restart();
        while (connects.of_tcp.calls + connects.of_unix.calls < 2 && io.run_one_for(10s) != 0) {}
        const bool fine = connects.of_tcp.ec == aborted && connects.of_unix.ec == aborted && connects.of_own.calls == 0;
        return fine ? 0 : 1;
    });
    io.notify_fork(asio::execution_context::fork_parent);
    EXPECT_EQ(status, 0);
    connects.expect_still_pending();
    connects.finish();
}

TEST(connect_process, loses_nothing_when_the_child_destroys_its_io_context) {
    const silent_server silent;
    std::optional<asio::io_context> io{std::in_place};
    asio::cancellation_signal signal;
    auto socket = std::make_unique<tcp::socket>(*io);
    tcp::socket& borrowed = *socket;
    outcome is;
    dial::connect(borrowed, silent.endpoint(),
        asio::bind_cancellation_slot(signal.slot(), [&is, own = std::move(socket)](error_code ec) {
            ++is.calls;
            is.ec = ec;
            EXPECT_FALSE(is_connected(own->native_handle()));
        }));
    run_ready(*io);
    EXPECT_EQ(in_child([&] {
        io.reset();
        return is.calls;
    }),
        0);
    EXPECT_EQ(tcp_state(borrowed.native_handle()), TCP_SYN_SENT);
    signal.emit(asio::cancellation_type::terminal);
    run(*io);
    expect(is, aborted);
}

// --- pthread_cancel ---

pthread_t run_in_thread(asio::io_context& io) {
    pthread_t thread{};
    const auto body = [](void* context) -> void* {
        static_cast<asio::io_context*>(context)->run();
        return nullptr;
    };
    EXPECT_EQ(::pthread_create(&thread, nullptr, body, &io), 0);
    return thread;
}

void expect_dies(pthread_t thread) {
    void* result = nullptr;
    ASSERT_EQ(::pthread_join(thread, &result), 0);
    EXPECT_EQ(result, PTHREAD_CANCELED);
}

TEST(connect_process, whose_thread_dies_in_run_completes_everything_on_another) {
    asio::io_context io;
    const tcp::socket starts_the_reactor{io};
    const std::size_t before = open_descriptors();
    {
        pending_connects connects{io};
        const pthread_t thread = run_in_thread(io);
        ::pthread_cancel(thread);
        expect_dies(thread);
        connects.expect_still_pending();
        connects.finish();
    }
    EXPECT_EQ(open_descriptors(), before);
}

TEST(connect_process, whose_thread_is_to_die_does_not_die_inside_connect) {
    asio::io_context io;
    const tcp::socket starts_the_reactor{io};
    const tcp_server server;
    const refusing_port refusing;
    const std::size_t before = open_descriptors();
    {
        std::optional<pending_connects> connects;
        tcp::socket a{io}, b{io};
        outcome connected, refused, timed_out;
        bool returned = false;
        asio::post(io, [&] {
            ::pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, nullptr);  // the set-up has calls of its own to die in
            auto silent = std::make_unique<silent_server>();
            const auto silent_peer = silent->endpoint();
            connects.emplace(io);
            ::pthread_cancel(::pthread_self());
            ::pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, nullptr);  // from here, the next such call is the last
            dial::connect(a, server.endpoint(), record(connected));
            dial::connect(b, refusing.endpoint(), 1h, record(refused));
            dial::connect(io, silent_peer, connect_options{.timeout = 1ms},
                [&timed_out, keep = std::move(silent)](error_code ec, const tcp::socket&) {
                    ++timed_out.calls;
                    timed_out.ec = ec;
                });
            dial::connect(io, refusing.endpoint(), [](error_code, const tcp::socket&) {});
            returned = true;
        });
        expect_dies(run_in_thread(io));
        EXPECT_TRUE(returned);
        ASSERT_TRUE(connects);
        connects->finish();
        expect(connected, success);
        expect(refused, asio::error::connection_refused);
        expect(timed_out, error::timeout);
    }
    EXPECT_EQ(open_descriptors(), before);
}

// Connects that fail, one after the other, until it is told to stop.
class failing_connects {
public:
    failing_connects(asio::io_context& io, std::atomic<int>& ended) : io_{io}, ended_{ended} {}

    void start() {
        again(silent_.endpoint());
        again(full_.endpoint());
        again(refusing_.endpoint());
    }
    void stop() { stopped_ = true; }

private:
    template <class Endpoint>
    void again(const Endpoint& peer) {
        dial::connect(io_, peer, connect_options{.timeout = 1ms},
            [this, peer](error_code ec, const typename Endpoint::protocol_type::socket& socket) {
                if (!ec || socket.is_open()) std::terminate();
                ++ended_;
                if (!stopped_) again(peer);
            });
    }

    asio::io_context& io_;
    std::atomic<int>& ended_;
    silent_server silent_;
    full_unix_server full_;
    refusing_port refusing_;
    std::atomic<bool> stopped_{false};
};

TEST(connect_process, survives_threads_that_die_at_any_moment) {
    asio::io_context io;
    const tcp::socket starts_the_reactor{io};
    const std::size_t before = open_descriptors();
    {
        std::atomic<int> ended{0};
        failing_connects connects{io, ended};
        connects.start();
        for (int i = 0; i != 100; ++i) {
            const int goal = ended + i % 7;
            const pthread_t thread = run_in_thread(io);
            while (ended < goal) std::this_thread::yield();
            ::pthread_cancel(thread);
            expect_dies(thread);
        }
        connects.stop();
        run(io);
    }
    EXPECT_EQ(open_descriptors(), before);
}

}  // namespace
}  // namespace dial::test
