// A pool over a network that does as a test says, and what an acquire came to.
#pragma once

#include <dial/pool.hpp>
#include <support/layers.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <optional>
#include <utility>

namespace dial::test {

template <class Stream>
struct acquired_lease {
    int calls = 0;
    error_code ec;
    lease<Stream> held;

    auto handler() {
        return [this](error_code e, lease<Stream> l) {
            ++calls;
            ec = e;
            held = std::move(l);
        };
    }
    auto handler(asio::cancellation_signal& signal) { return asio::bind_cancellation_slot(signal.slot(), handler()); }
};

/// Fails the test unless the handler was called once, and with `ec`.
template <class Stream>
void expect(const acquired_lease<Stream>& is, error_code ec) {
    EXPECT_EQ(is.calls, 1);
    EXPECT_EQ(is.ec, ec) << is.ec.message();
    EXPECT_EQ(static_cast<bool>(is.held), !ec);
}

/// Runs `io`, in real time, until it is so.
template <class Predicate>
void run_until(asio::io_context& io, Predicate&& done) {
    const auto work = asio::make_work_guard(io);
    const auto bound = std::chrono::steady_clock::now() + std::chrono::seconds{30};
    io.restart();
    while (!done() && std::chrono::steady_clock::now() < bound) io.run_one_for(std::chrono::seconds{1});
    ASSERT_TRUE(done());
}

/// Pools of fake streams.
class pool_test : public testing::Test {
protected:
    using acquired = acquired_lease<fake_stream>;

    ~pool_test() override {
        for (auto* const each : {&a, &b, &c, &d}) each->held = {};
        connections.reset();
        run_ready(io);
        EXPECT_EQ(fake_stream::open_now(), 0);
    }

    pool<fake_stream>& make(pool_options options = {}) {
        return connections.emplace(io, network.connector_on(io), std::move(options));
    }
    /// The connect with this number ends.
    void open(std::size_t index) { fail(index, {}); }
    void fail(std::size_t index, error_code ec) {
        ASSERT_LT(index, network.asked());
        network.end(index, ec);
        run_ready(io);
    }
    /// Acquires a connection that has to be opened first, and opens it.
    void acquire_new(acquired& into) {
        const std::size_t index = network.asked();
        connections->acquire("db:1", into.handler());
        run_ready(io);
        open(index);
        expect(into, success);
    }
    void give_back(acquired& from) {
        from.held.give_back();
        from.calls = 0;
        run_ready(io);
    }
    template <class Predicate>
    void run_until(Predicate&& done) {
        test::run_until(io, std::forward<Predicate>(done));
    }
    pool_counts counts() const { return connections->stats().total; }

    asio::io_context io;
    fake_network network;
    std::optional<pool<fake_stream>> connections;
    asio::cancellation_signal signal;
    acquired a, b, c, d;
};

}  // namespace dial::test
