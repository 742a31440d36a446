// Cancelling a dial in every phase, by every means, and what is left behind: nothing.
#include <dial/dialer.hpp>
#include <support/loopback.hpp>
#include <support/resolvers.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <gtest/gtest.h>

#include <array>
#include <iostream>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;

struct result {
    int calls = 0;
    error_code ec;
    bool open = false;

    auto handler() {
        return [this](error_code e, tcp::socket s) {
            ++calls;
            ec = e;
            open = s.is_open();
        };
    }
};

class dialer_cancellation : public testing::TestWithParam<asio::cancellation_type> {
protected:
    std::string silently() const { return "127.0.0.1:" + std::to_string(silent.endpoint().port()); }
    std::string to_server() const { return "127.0.0.1:" + std::to_string(server.endpoint().port()); }

    auto cancellable_handler() { return asio::bind_cancellation_slot(signal.slot(), outcome.handler()); }

    asio::io_context io;
    tcp_server server;
    silent_server silent;
    manual_resolver names;
    asio::cancellation_signal signal;
    result outcome;
};

INSTANTIATE_TEST_SUITE_P(each, dialer_cancellation,
    testing::Values(
        asio::cancellation_type::terminal, asio::cancellation_type::partial, asio::cancellation_type::total),
    [](const auto& kind) { return name_of(kind.param); });

TEST_P(dialer_cancellation, ends_a_dial_that_is_looking_up) {
    dialer{io, {}, names}.connect("name:1", cancellable_handler());
    run_ready(io);
    ASSERT_TRUE(names.wanted(address_family::v4));
    signal.emit(GetParam());
    EXPECT_EQ(outcome.calls, 0) << "never inside emit";
    EXPECT_FALSE(names.wanted(address_family::v4));
    run(io);
    EXPECT_EQ(outcome.calls, 1);
    EXPECT_EQ(outcome.ec, aborted);
    EXPECT_TRUE(names.answer_next(address_family::v4, answer{addresses({"127.0.0.1"})}));  // nobody hears
}

TEST_P(dialer_cancellation, ends_a_dial_that_is_racing) {
    dialer{io}.connect(silently(), cancellable_handler());
    run_ready(io);
    signal.emit(GetParam());
    EXPECT_EQ(outcome.calls, 0);
    run(io);
    EXPECT_EQ(outcome.calls, 1);
    EXPECT_EQ(outcome.ec, aborted);
    EXPECT_FALSE(outcome.open);
}

TEST_P(dialer_cancellation, ends_a_dial_before_the_io_context_runs) {
    dialer{io, {.timeout = never}, names}.connect("name:1", cancellable_handler());
    signal.emit(GetParam());
    run(io);
    EXPECT_EQ(outcome.calls, 1);
    EXPECT_EQ(outcome.ec, aborted);
}

TEST_P(dialer_cancellation, comes_too_late_once_the_outcome_is_known) {
    dialer{io}.connect(to_server(), cancellable_handler());  // on loopback, the first call decides
    signal.emit(GetParam());
    run(io);
    EXPECT_EQ(outcome.calls, 1);
    EXPECT_EQ(outcome.ec, success);
    EXPECT_TRUE(outcome.open);
    signal.emit(GetParam());  // and after the handler, nothing
}

TEST_P(dialer_cancellation, reaches_through_awaitable_operators_and_parallel_groups) {
    using namespace asio::experimental::awaitable_operators;
    const dialer d{io};
    bool other_won = false;
    asio::co_spawn(
        io,
        [&]() -> asio::awaitable<void> {
            asio::steady_timer soon{io, 5ms};
            const auto first =
                co_await (d.connect(silently(), asio::use_awaitable) || soon.async_wait(asio::use_awaitable));
            other_won = first.index() == 1;
        },
        asio::detached);
    run(io);
    EXPECT_TRUE(other_won);

    io.restart();
    asio::steady_timer soon{io, 5ms};
    asio::experimental::make_parallel_group(d.connect(silently(), asio::deferred), soon.async_wait(asio::deferred))
        .async_wait(asio::experimental::wait_for_one(),
            [&](std::array<std::size_t, 2>, error_code ec, tcp::socket s, error_code) {
                outcome.handler()(ec, std::move(s));
            });
    run(io);
    EXPECT_EQ(outcome.calls, 1);
    EXPECT_EQ(outcome.ec, aborted);
}

TEST(dialer_destruction, of_the_io_context_with_1000_dials_pending_releases_everything) {
    const std::size_t before = open_descriptors();
    const auto alive = std::make_shared<int>();
    {
        const silent_server silent;
        manual_resolver names;
        asio::io_context io;
        const dialer by_name{io, {}, names}, by_address{io};
        for (int i = 0; i != 500; ++i) {
            by_name.connect("name:1", [alive](error_code, tcp::socket) { FAIL(); });
            by_address.connect(
                "127.0.0.1:" + std::to_string(silent.endpoint().port()), [alive](error_code, tcp::socket) { FAIL(); });
        }
        run_ready(io);
        EXPECT_GT(alive.use_count(), 1000);
        if (names.asked() != 1000) ADD_FAILURE() << names.asked();
    }
    EXPECT_EQ(alive.use_count(), 1);
    EXPECT_EQ(open_descriptors(), before);
}

TEST(dialer_destruction, of_the_dialer_leaves_its_dials_alone) {
    asio::io_context io;
    const tcp_server server;
    manual_resolver names;
    result r;
    std::make_unique<dialer>(io, options{}, names)
        ->connect("x:" + std::to_string(server.endpoint().port()), r.handler());
    names.answer_next(address_family::v6, answer{addresses({})});
    names.answer_next(address_family::v4, answer{addresses({"127.0.0.1"})});
    run(io);
    EXPECT_EQ(r.ec, success);
}

// --- At random moments ---

constexpr int dials = 20'000;
constexpr int at_once = 40;

struct random_dial {
    asio::cancellation_signal signal;
    std::optional<tcp::socket> socket;
    int calls = 0;
    error_code ec;
};

TEST(dialer_random_cancellation, leaves_nothing_and_every_outcome_agrees_with_the_socket) {
    std::mt19937 random{20'261'125};
    const auto chance = [&](int of) { return static_cast<int>(random() % static_cast<unsigned>(of)); };
    asio::io_context io;
    const tcp_server server;
    const auto port = server.endpoint().port();
    const silent_server silent{"127.0.0.2", port};
    manual_resolver names;
    const options quick{.attempt_timeout = 3ms, .attempt_delay = 100us, .resolution_delay = 100us};
    const std::array<dialer, 3> dialers{dialer{io, quick, names},
        dialer{io, quick, static_resolver({{"x", addresses({"127.0.0.2", "127.0.0.1"})}})},
        dialer{io, quick, static_resolver({{"x", addresses({"127.0.0.2", "127.0.0.3"})}})}};
    const tcp::socket starts_the_reactor{io};
    const std::size_t before = open_descriptors();
    int connected = 0, failed = 0, cancelled = 0;

    for (int done = 0; done != dials; done += at_once) {
        std::array<random_dial, at_once> round;
        for (random_dial& d : round) {
            dialers[static_cast<std::size_t>(chance(3))].connect("x:" + std::to_string(port),
                asio::bind_cancellation_slot(d.signal.slot(), [&d](error_code ec, tcp::socket s) {
                    ++d.calls;
                    d.ec = ec;
                    if (s.is_open()) d.socket.emplace(std::move(s));
                }));
        }
        for (int turns = 0; turns != 400; ++turns) {
            if (chance(12) == 0)
                round[static_cast<std::size_t>(chance(at_once))].signal.emit(asio::cancellation_type::total);
            if (chance(2) == 0) names.answer_next(address_family::v6, answer{addresses({})});
            if (chance(2) == 0) names.answer_next(address_family::v4, answer{addresses({"127.0.0.1"})});
            io.restart();
            io.poll_one();
        }
        while (names.answer_next(address_family::v6, answer{addresses({})})) {}
        while (names.answer_next(address_family::v4, answer{addresses({"127.0.0.1"})})) {}
        io.restart();
        run(io);
        for (random_dial& d : round) {
            ASSERT_EQ(d.calls, 1);
            ASSERT_EQ(d.socket.has_value(), !d.ec);
            if (d.socket) {
                ASSERT_TRUE(is_connected(d.socket->native_handle()));
                close_by_reset(d.socket->native_handle());
            }
            ++(d.ec == aborted ? cancelled : d.ec ? failed : connected);
        }
        server.accept_all();
    }
    std::cout << dials << " dials: " << connected << " connected, " << failed << " failed, " << cancelled
              << " cancelled\n";
    EXPECT_GE(connected, 500);
    EXPECT_GE(failed, 500);
    EXPECT_GE(cancelled, 500);
    EXPECT_EQ(open_descriptors(), before);
}

}  // namespace
}  // namespace dial::test
