// A network that does as a test says, for connectors and layers; and what a connect through them came to.
#pragma once

#include <dial/connector.hpp>
#include <support/loopback.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dial::test {

/// A stream that is connected to nothing: move-only, without a default constructor. Counts how many are open.
class fake_stream {
public:
    using executor_type = asio::any_io_executor;

    explicit fake_stream(executor_type executor) : executor_{std::move(executor)} {}
    fake_stream(executor_type executor, std::string peer)
        : executor_{std::move(executor)}, peer_{std::move(peer)}, open_{true} {
        ++count();
    }
    fake_stream(fake_stream&& other) noexcept
        : executor_{other.executor_}, peer_{std::move(other.peer_)}, open_{std::exchange(other.open_, false)} {}
    fake_stream& operator=(fake_stream&& other) noexcept {
        close();
        executor_ = other.executor_;
        peer_ = std::move(other.peer_);
        open_ = std::exchange(other.open_, false);
        return *this;
    }
    ~fake_stream() { close(); }

    executor_type get_executor() const { return executor_; }
    const std::string& peer() const { return peer_; }
    bool is_open() const { return open_; }
    void close() {
        if (std::exchange(open_, false)) --count();
    }

    static int open_now() { return count(); }

private:
    static std::atomic<int>& count() {
        static std::atomic<int> open = 0;
        return open;
    }

    executor_type executor_;
    std::string peer_;
    bool open_ = false;
};

/// What a connect came to.
struct connected {
    int calls = 0;
    error_code ec;
    bool open = false;
    std::string peer;
    asio::any_io_executor executor;

    auto handler() {
        return [this](error_code e, fake_stream s) {
            ++calls;
            ec = e;
            open = s.is_open();
            peer = s.peer();
            executor = s.get_executor();
        };
    }
    auto handler(asio::cancellation_signal& signal) { return asio::bind_cancellation_slot(signal.slot(), handler()); }
};

/// Fails the test unless the handler was called once, and with `ec`.
inline void expect(const connected& is, error_code ec) {
    EXPECT_EQ(is.calls, 1);
    EXPECT_EQ(is.ec, ec) << is.ec.message();
    EXPECT_EQ(is.open, !is.ec);
}

/// Keeps the connects that it is asked for until the test ends them. Its io_context is to outlive it.
class fake_network {
public:
    using handler_type = detail::connect_handler<fake_stream>;

    struct call {
        request what;
        std::optional<handler_type> handler;  // none: it has ended
        std::vector<asio::cancellation_type> told;
    };

    /// What it does by itself when it is told to stop.
    enum class when_told { nothing, ends_soon, ends_at_once };

    fake_network() = default;
    fake_network(const fake_network&) = delete;
    fake_network& operator=(const fake_network&) = delete;

    auto connect() {
        return [this](request what, handler_type handler) {
            const std::size_t index = calls_.size();
            auto slot = asio::get_associated_cancellation_slot(handler);
            calls_.push_back({std::move(what), std::move(handler), {}});
            if (slot.is_connected()) slot.assign([this, index](asio::cancellation_type kind) { on_told(index, kind); });
        };
    }
    template <class Executor>
    connector<fake_stream> connector_on(Executor& executor) {
        return {executor, connect()};
    }

    std::size_t asked() const { return calls_.size(); }
    const call& operator[](std::size_t index) const { return calls_.at(index); }
    std::string target(std::size_t index) const { return calls_.at(index).what.to().to_string(); }
    std::size_t running() const {
        std::size_t count = 0;
        for (const call& each : calls_) count += each.handler.has_value();
        return count;
    }

    /// Ends one: connected, without an error.
    void end(std::size_t index, error_code ec = {}) {
        call& which = calls_.at(index);
        auto handler = std::move(which.handler.value());
        which.handler.reset();
        fake_stream stream{which.what.executor()};
        if (!ec) stream = fake_stream{which.what.executor(), which.what.to().to_string()};
        std::move(handler)(ec, std::move(stream));
    }

    when_told told = when_told::ends_soon;

private:
    void on_told(std::size_t index, asio::cancellation_type kind) {
        call& which = calls_.at(index);
        which.told.push_back(kind);
        if (!which.handler) return;
        if (told == when_told::ends_at_once) end(index, aborted);
        if (told == when_told::ends_soon)
            asio::post(which.what.executor(), [this, index] {
                if (calls_.at(index).handler) end(index, aborted);
            });
    }

    std::deque<call> calls_;
};

/// One that connects at once.
inline auto connects_at_once() {
    return [](request what, detail::connect_handler<fake_stream> handler) {
        std::move(handler)(error_code{}, fake_stream{what.executor(), what.to().to_string()});
    };
}

/// One that fails at once.
inline auto fails_with(error_code ec) {
    return [ec](const request& what, detail::connect_handler<fake_stream> handler) {
        std::move(handler)(ec, fake_stream{what.executor()});
    };
}

/// Fails at first, so often; then connects. Counts how often it is called.
inline auto fails_at_first(int times, error_code ec, int& calls) {
    return [times, ec, &calls](request what, detail::connect_handler<fake_stream> handler) {
        if (calls++ < times)
            std::move(handler)(ec, fake_stream{what.executor()});
        else
            std::move(handler)(error_code{}, fake_stream{what.executor(), what.to().to_string()});
    };
}

/// Names of a report's phases, in order: "wait backoff wait".
inline std::string phases_of(const report& story) {
    std::string names;
    for (const report::phase& each : story.phases()) names += (names.empty() ? "" : " ") + each.name;
    return names;
}

inline const error_code refused = asio::error::connection_refused;

}  // namespace dial::test
