// Dials of unix sockets: what they come to, their report and events, and what they keep of the handler.
#include <dial/dialer.hpp>

#include <support/loopback.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <boost/asio/any_completion_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using unix_stream = asio::local::stream_protocol;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

error_code from_errno(int error) {
    return {error, boost::system::system_category()};
}

// As a target writes it.
std::string to(const unix_stream::endpoint& server) {
    std::string path = server.path();
    if (path.front() == '\0') path.front() = '@';
    return "unix:" + path;
}

// A directory that is gone after the test.
class temporary_directory {
public:
    temporary_directory() {
        char name[] = "/tmp/dial-test-XXXXXX";
        if (!::mkdtemp(name)) throw std::runtime_error{"no temporary directory"};
        path_ = name;
    }
    ~temporary_directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    std::string operator/(const std::string& name) const { return path_ + "/" + name; }

private:
    std::string path_;
};

// Somebody without rights, until the end of the block.
class without_rights {
public:
    without_rights() : before_{::geteuid()} {
        if (before_ == 0 && ::seteuid(65534) != 0) throw std::runtime_error{"seteuid"};
    }
    ~without_rights() {
        if (::seteuid(before_) != 0) std::abort();
    }
    without_rights(const without_rights&) = delete;
    without_rights& operator=(const without_rights&) = delete;

private:
    uid_t before_;
};

class local_dialer_test : public testing::Test {
protected:
    auto handler() {
        return [this](error_code ec, unix_stream::socket s) {
            ++calls;
            result = ec;
            EXPECT_EQ(s.is_open(), !ec) << "the socket is open only on success";
            socket.emplace(std::move(s));
        };
    }
    auto handler(asio::cancellation_signal& signal) { return asio::bind_cancellation_slot(signal.slot(), handler()); }

    // Runs the io_context until it is out of work, and expects one call.
    error_code outcome() {
        run(io);
        EXPECT_EQ(std::exchange(calls, 0), 1);
        return result;
    }
    error_code dial(const local_dialer& d, request what) {
        d.connect(std::move(what), handler());
        EXPECT_EQ(calls, 0) << "called inside the initiating call";
        return outcome();
    }
    error_code dial(request what, const options& with = {}) { return dial(local_dialer{io, with}, std::move(what)); }

    // The only attempt of the report.
    const report::attempt& attempt() {
        EXPECT_THAT(story.attempts(), SizeIs(1));
        return story.attempts().at(0);
    }

    asio::io_context io;
    const unix_stream::socket starts_the_reactor{io, unix_stream{}};
    report story;
    std::optional<unix_stream::socket> socket;
    error_code result;
    int calls = 0;
};

// --- Targets ---

TEST_F(local_dialer_test, connects_to_a_path_and_to_an_abstract_name) {
    const temporary_directory directory;
    const unix_stream::acceptor path{io, unix_stream::endpoint{directory / "socket"}};
    EXPECT_EQ(dial("unix:" + directory / "socket"), success);
    EXPECT_EQ(socket->remote_endpoint().path(), directory / "socket");
    const unix_server abstract;
    EXPECT_EQ(dial(to(abstract.endpoint())), success);
    EXPECT_EQ(socket->remote_endpoint(), abstract.endpoint());
    EXPECT_TRUE(is_connected(socket->native_handle()));
}

TEST_F(local_dialer_test, connects_to_the_longest_of_names) {
    std::string name = std::to_string(::getpid());
    name.resize(106, 'n');
    const unix_stream::endpoint longest{'\0' + name};
    const unix_stream::acceptor acceptor{io, longest};
    EXPECT_EQ(dial(to(longest)), success);
}

TEST_F(local_dialer_test, a_host_or_no_target_is_an_invalid_target) {
    for (const target& none : {target{"localhost:80"}, target{"127.0.0.1:80"}, target{}}) {
        EXPECT_EQ(dial({none, &story}), error::invalid_target);
        EXPECT_TRUE(story.over());
        EXPECT_EQ(story.error(), error::invalid_target);
        EXPECT_EQ(story.target(), none.to_string());
        EXPECT_THAT(story.attempts(), IsEmpty());
        EXPECT_THAT(story.phases(), IsEmpty());
    }
}

// --- Errors ---

TEST_F(local_dialer_test, the_errno_of_connect_is_the_error_and_the_path_is_in_the_report) {
    const temporary_directory directory;
    ASSERT_EQ(::chmod((directory / "").c_str(), 0755), 0);
    const auto expect_error = [&](const std::string& name, int error) {
        const auto before = open_descriptors();
        const std::string where = "unix:" + directory / name;
        EXPECT_EQ(dial({where, &story}), from_errno(error));
        EXPECT_EQ(open_descriptors(), before);
        EXPECT_EQ(attempt().path, where);
        EXPECT_EQ(attempt().how, dial::outcome::failed);
        EXPECT_EQ(attempt().error, from_errno(error));
        EXPECT_EQ(story.winner(), nullptr);
        const std::string text = story.to_string(1000);
        EXPECT_THAT(text.substr(0, text.find('\n')), HasSubstr("cannot connect to " + where));
    };
    expect_error("nobody", ENOENT);
    unix_stream::acceptor{io, unix_stream::endpoint{directory / "closed"}}.close();
    expect_error("closed", ECONNREFUSED);
    expect_error("closed/below", ENOTDIR);
    const unix_stream::acceptor kept{io, unix_stream::endpoint{directory / "private"}};
    ASSERT_EQ(::chmod((directory / "private").c_str(), 0), 0);
    const without_rights from_here;
    expect_error("private", EACCES);
}

// --- A full queue, limits, cancellation ---

TEST_F(local_dialer_test, a_full_queue_is_waited_for_without_limits_for_ever) {
    const full_unix_server full;
    const options no_limits{.timeout = never, .attempt_timeout = never};
    local_dialer{io, no_limits}.connect({to(full.endpoint()), &story, time_point::max()}, handler());
    run_ready(io);
    EXPECT_EQ(calls, 0);
    EXPECT_TRUE(full.accept());
    EXPECT_EQ(outcome(), success);
    EXPECT_EQ(attempt().how, dial::outcome::done);
}

TEST_F(local_dialer_test, each_limit_ends_the_wait_for_a_full_queue) {
    const full_unix_server full;
    const std::string where = to(full.endpoint());
    const auto before = open_descriptors();
    const auto soon = [] { return std::chrono::steady_clock::now() + 5ms; };
    EXPECT_EQ(dial({where, &story}, {.timeout = 5ms}), error::timeout);
    EXPECT_EQ(attempt().how, dial::outcome::timed_out);
    EXPECT_EQ(attempt().error, error::timeout);
    EXPECT_EQ(dial({where, &story}, {.timeout = never, .attempt_timeout = 5ms}), error::timeout);
    EXPECT_EQ(dial({where, &story, soon()}), error::timeout);
    EXPECT_EQ(dial({where, &story, soon()}, {.timeout = never}), error::timeout);
    EXPECT_EQ(dial({where, &story, time_point::max()}, {.timeout = 5ms}), error::timeout);
    EXPECT_EQ(open_descriptors(), before);
}

TEST_F(local_dialer_test, a_limit_that_has_passed_is_a_timeout_at_once_without_an_attempt) {
    const unix_server server;
    const std::string where = to(server.endpoint());
    const auto expect_late = [&](const options& with, std::optional<time_point> deadline = {}) {
        EXPECT_EQ(dial({where, &story, deadline}, with), error::timeout);
        EXPECT_THAT(story.attempts(), IsEmpty());
        EXPECT_EQ(story.error(), error::timeout);
    };
    for (const duration limit : {duration{0}, duration{-1s}, duration::min()}) {
        expect_late({.timeout = limit});
        expect_late({.attempt_timeout = limit});
    }
    for (const time_point deadline : {std::chrono::steady_clock::now(), time_point{}, time_point::min()})
        expect_late({}, deadline);
    EXPECT_EQ(server.accept_all(), 0u);
}

class local_dialer_cancellation : public local_dialer_test,
                                  public testing::WithParamInterface<asio::cancellation_type> {};

INSTANTIATE_TEST_SUITE_P(all, local_dialer_cancellation,
    testing::Values(
        asio::cancellation_type::terminal, asio::cancellation_type::partial, asio::cancellation_type::total));

TEST_P(local_dialer_cancellation, ends_the_wait_for_a_full_queue) {
    const full_unix_server full;
    const auto before = open_descriptors();
    local_dialer d{io};
    for (const bool observed : {false, true}) {
        std::vector<dial::outcome> heard;
        if (observed) d.observe([&](const event& e) { heard.push_back(e.how); });
        asio::cancellation_signal signal;
        d.connect({to(full.endpoint()), &story}, handler(signal));
        run_ready(io);
        signal.emit(GetParam());
        EXPECT_EQ(calls, 0) << "before emit, or inside";
        EXPECT_EQ(outcome(), aborted);
        EXPECT_EQ(attempt().how, dial::outcome::cancelled);
        EXPECT_EQ(attempt().error, success) << "as in a dialer's report";
        EXPECT_THAT(story.to_string(), HasSubstr("cancelled by the caller"));
        EXPECT_EQ(open_descriptors(), before);
        EXPECT_TRUE(!observed || heard.back() == dial::outcome::cancelled);
    }
}

TEST_P(local_dialer_cancellation, ends_an_observed_dial_before_it_has_begun) {
    const unix_server server;
    int heard = 0;
    local_dialer d{io};
    d.observe([&](const event&) { ++heard; });
    asio::cancellation_signal signal;
    d.connect({to(server.endpoint()), &story}, handler(signal));
    signal.emit(GetParam());
    EXPECT_EQ(outcome(), aborted);
    EXPECT_THAT(story.attempts(), IsEmpty());
    EXPECT_EQ(heard, 0);
    EXPECT_EQ(server.accept_all(), 0u);
}

TEST_P(local_dialer_cancellation, may_come_from_the_observer) {
    const unix_server server;
    for (const auto subject : {event::subject::phase, event::subject::attempt}) {
        asio::cancellation_signal signal;
        local_dialer d{io};
        d.observe([&](const event& e) {
            if (e.what == subject && !e.ended) signal.emit(GetParam());
        });
        d.connect({to(server.endpoint()), &story}, handler(signal));
        EXPECT_EQ(outcome(), aborted);
        EXPECT_EQ(attempt().how, dial::outcome::cancelled);
    }
    EXPECT_EQ(server.accept_all(), 0u);
}

TEST_F(local_dialer_test, a_cancellation_that_comes_too_late_is_none) {
    const unix_server server;
    local_dialer d{io};
    for (const bool observed : {false, true}) {
        asio::cancellation_signal signal;
        if (observed)
            d.observe([&](const event& e) {
                if (e.ended) signal.emit(asio::cancellation_type::all);
            });
        d.connect(to(server.endpoint()), handler(signal));
        EXPECT_EQ(outcome(), success);
        signal.emit(asio::cancellation_type::all);
    }
}

TEST_F(local_dialer_test, cancelling_an_observed_dial_while_another_thread_runs_it_is_safe) {
    const full_unix_server full;
    const unix_server server;
    asio::thread_pool pool{3};
    local_dialer d{pool, {.timeout = 2ms}};
    d.observe([](const event&) {});
    std::atomic<int> done = 0;
    constexpr int dials = 500;
    std::vector<std::unique_ptr<asio::cancellation_signal>> signals;
    for (int i = 0; i != dials; ++i) {
        auto& signal = *signals.emplace_back(std::make_unique<asio::cancellation_signal>());
        d.connect(to(i % 2 ? full.endpoint() : server.endpoint()),
            asio::bind_cancellation_slot(signal.slot(), [&](error_code ec, unix_stream::socket s) {
                ++done;
                EXPECT_EQ(s.is_open(), !ec);
            }));
        asio::post(pool, [&signal] { signal.emit(asio::cancellation_type::terminal); });
    }
    pool.join();
    EXPECT_EQ(done, dials);
}

// --- Options ---

TEST_F(local_dialer_test, buffers_are_set_and_options_of_networks_left_out) {
    const unix_server server;
    const options with{.socket = {.receive_buffer = 20'000,
                           .send_buffer = 30'000,
                           .mark = 7,
                           .traffic_class = 4000,
                           .local_v4 = asio::ip::make_address_v4("192.0.2.1"),
                           .interface = "nosuch0",
                           .multipath = true,
                           .fast_open = true}};
    const without_rights from_here;
    EXPECT_EQ(dial(to(server.endpoint()), with), success);
    EXPECT_EQ(option(socket->native_handle(), SOL_SOCKET, SO_RCVBUF), 40'000);
    EXPECT_EQ(option(socket->native_handle(), SOL_SOCKET, SO_SNDBUF), 60'000);
}

// --- Report and events ---

TEST_F(local_dialer_test, the_report_of_a_success_has_path_times_and_winner) {
    const unix_server server;
    const std::string where = to(server.endpoint());
    EXPECT_EQ(dial({where, &story}), success);
    EXPECT_TRUE(story.ok());
    EXPECT_EQ(story.target(), where);
    EXPECT_EQ(attempt().path, where);
    EXPECT_EQ(attempt().how, dial::outcome::done);
    EXPECT_EQ(story.winner(), &story.attempts()[0]);
    EXPECT_LE(attempt().started, attempt().ended);
    EXPECT_LE(attempt().ended, story.total());
    EXPECT_THAT(story.lookups(), IsEmpty());
    ASSERT_THAT(story.phases(), SizeIs(1));
    EXPECT_EQ(story.phases()[0].name, "connect");
    EXPECT_EQ(story.phases()[0].how, dial::outcome::done);
    EXPECT_THAT(story.to_string(), HasSubstr("connected to " + where));
}

TEST_F(local_dialer_test, the_report_is_written_right_before_the_handler_is_called_and_never_on_destruction) {
    const unix_server server;
    const full_unix_server full;
    story.begin("as it was", {});
    for (const auto& where : {to(server.endpoint()), to(full.endpoint()), std::string{"localhost:80"}}) {
        asio::io_context given_up;
        local_dialer{given_up}.connect({where, &story}, handler());
        if (where == to(full.endpoint())) run_ready(given_up);
    }
    EXPECT_EQ(story.target(), "as it was");
    EXPECT_EQ(calls, 0);
    bool written = false;
    local_dialer{io}.connect(
        {to(server.endpoint()), &story}, [&](error_code, unix_stream::socket) { written = story.ok(); });
    EXPECT_EQ(story.target(), "as it was");
    run(io);
    EXPECT_TRUE(written);
}

TEST_F(local_dialer_test, an_observer_hears_phase_and_attempt_in_order_on_the_executor) {
    const unix_server server;
    auto strand = asio::make_strand(io);
    local_dialer d{strand};
    std::vector<std::string> heard;
    std::string path;
    d.observe([&](const event& e) {
        EXPECT_TRUE(strand.running_in_this_thread());
        heard.push_back(
            (e.what == event::subject::phase ? std::string{e.phase} : "attempt") + (e.ended ? " ended" : " started"));
        if (e.what == event::subject::attempt) path = e.path;
    });
    d.connect(to(server.endpoint()), handler());
    EXPECT_THAT(heard, IsEmpty()) << "an observed dial begins on the executor";
    EXPECT_EQ(outcome(), success);
    EXPECT_THAT(heard, ElementsAre("connect started", "attempt started", "attempt ended", "connect ended"));
    EXPECT_EQ(path, to(server.endpoint()));
    heard.clear();
    EXPECT_EQ(dial(d, "localhost:80"), error::invalid_target);
    EXPECT_THAT(heard, IsEmpty());
}

// --- Handlers ---

TEST_F(local_dialer_test, handlers_may_be_move_only) {
    const unix_server server;
    int connected = 0;
    local_dialer{io}.connect(to(server.endpoint()),
        [&, guard = std::make_unique<int>()](error_code ec, unix_stream::socket) { connected += !ec; });
    run(io);
    EXPECT_EQ(connected, 1);
}

TEST_F(local_dialer_test, handlers_run_on_their_own_executor_where_the_socket_lives_too) {
    const unix_server server;
    const full_unix_server full;
    auto strand = asio::make_strand(io);
    for (const auto& where : {to(server.endpoint()), to(full.endpoint()), std::string{"localhost:80"}}) {
        int called = 0;
        asio::io_context of_the_dialer;
        local_dialer{of_the_dialer, {.timeout = 5ms}}.connect(
            where, asio::bind_executor(strand, [&](error_code, unix_stream::socket s) {
                ++called;
                EXPECT_TRUE(strand.running_in_this_thread());
                EXPECT_EQ(s.get_executor(), asio::any_io_executor{strand});
            }));
        run(of_the_dialer);
        EXPECT_EQ(called, 0);
        run(io);
        EXPECT_EQ(called, 1);
    }
}

TEST_F(local_dialer_test, handlers_of_an_executor_that_runs_no_sockets_run_there_and_the_socket_lives_on_the_dialers) {
    const full_unix_server full;
    asio::io_context other;
    asio::any_completion_executor elsewhere = other.get_executor();
    bool called = false;
    local_dialer{io, {.timeout = 5ms}}.connect(
        to(full.endpoint()), asio::bind_executor(elsewhere, [&](error_code ec, unix_stream::socket s) {
            called = true;
            EXPECT_EQ(ec, error::timeout);
            EXPECT_TRUE(other.get_executor().running_in_this_thread());
            EXPECT_EQ(s.get_executor(), asio::any_io_executor{io.get_executor()});
        }));
    const unix_server server;
    std::future<unix_stream::socket> future = local_dialer{io}.connect(to(server.endpoint()), asio::use_future);
    std::thread sockets{[&] { run(io); }};
    run(other);  // it is at work until the handler was called
    sockets.join();
    EXPECT_TRUE(called);
    EXPECT_TRUE(future.get().is_open());
}

TEST_F(local_dialer_test, every_form_can_be_awaited) {
    const temporary_directory directory;
    const unix_stream::acceptor acceptor{io, unix_stream::endpoint{directory / "x"}};
    const std::string where = "unix:" + directory / "x";
    int connected = 0;
    asio::co_spawn(
        io,
        [&]() -> asio::awaitable<void> {
            local_dialer d{co_await asio::this_coro::executor};
            unix_stream::socket a = co_await d.connect(where);
            connected += a.is_open();
            unix_stream::socket b = co_await d.connect(where.c_str());
            connected += b.is_open();
            unix_stream::socket c = co_await d.connect({where, &story}, asio::use_awaitable);
            connected += c.is_open() && story.ok();
            auto [ec, e] = co_await d.connect(where, asio::as_tuple(asio::deferred));
            connected += !ec && e.is_open();
            unix_stream::socket f = co_await d.connect({where, nullptr, std::chrono::steady_clock::now() + 5s});
            connected += f.is_open();
            unix_stream::socket g = co_await local_dialer{io, {.timeout = 5s}}.connect(target{where});
            connected += g.is_open();
            auto [refused, h] = co_await d.connect("unix:/nonexistent/x", asio::as_tuple(asio::use_awaitable));
            connected += refused == from_errno(ENOENT) && !h.is_open();
            try {
                co_await d.connect("unix:/nonexistent/x");
            } catch (const boost::system::system_error& thrown) {
                connected += thrown.code() == from_errno(ENOENT);
            }
        },
        [](std::exception_ptr failure) {
            if (failure) std::rethrow_exception(failure);
        });
    run(io);
    EXPECT_EQ(connected, 8);
}

}  // namespace
}  // namespace dial::test
