// A connection of a pool, as long as somebody uses it.
#pragma once

#include <dial/detail/pool_hub.hpp>
#include <dial/detail/pooled_connection.hpp>

#include <exception>
#include <utility>

namespace dial {

template <class Stream>
class pool;

namespace detail {
template <class Stream>
class acquire_operation;
template <class Stream>
struct idle_handover;
}  // namespace detail

/// The connection goes back to its pool when the lease is destroyed: leave nothing unread on it, and no operation pending.
///
///   auto c = co_await pool.acquire("redis:6379");
///   co_await asio::async_write(*c, asio::buffer("PING\r\n"));
///
/// It is closed instead where it must not be used again: after discard(); if its socket is closed; and if an exception leaves the
/// scope of the lease, since then nobody knows what is still to come on it. Where failures come as error codes, or the exception is
/// caught inside the scope, that is for discard() to say.
///
/// Move-only; what was moved from is empty. It may outlive the pool, but not the execution context of the connection. One thread at
/// a time.
template <class Stream>
class lease {
public:
    using stream_type = Stream;

    /// Empty.
    lease() = default;
    lease(lease&& other) noexcept : loan_{std::move(other.loan_)} {}
    lease& operator=(lease&& other) noexcept {
        if (this == &other) return *this;
        give_back();
        loan_ = std::move(other.loan_);
        exceptions_ = std::uncaught_exceptions();
        return *this;
    }
    ~lease() {
        if (loan_) loan_.give_back(std::uncaught_exceptions() <= exceptions_);
    }

    /// Whether there is a connection.
    explicit operator bool() const noexcept { return static_cast<bool>(loan_); }

    Stream& operator*() const noexcept { return connection().stream(); }
    Stream* operator->() const noexcept { return &connection().stream(); }
    Stream& get() const noexcept { return connection().stream(); }

    /// Whether somebody had it before. A server may have closed such a connection just when it was handed out: if the first exchange
    /// fails, and may be done twice, discard it and do it again with another. The pool then looks at those that are idle, so that the
    /// next is not one that died with it.
    bool reused() const noexcept { return loan_.reused(); }

    /// Gives it back now; the lease is empty then.
    void give_back() noexcept { loan_.give_back(true); }

    /// Closes it, and makes room for another; the lease is empty then.
    void discard() noexcept { loan_.give_back(false); }

    /// Takes it out of the pool: it is the caller's alone, and the pool makes room for another. The lease is empty then.
    Stream release() {
        const auto taken = loan_.take();
        return static_cast<detail::pooled_connection<Stream>&>(*taken).take();
    }

private:
    friend detail::acquire_operation<Stream>;
    friend detail::idle_handover<Stream>;
    friend pool<Stream>;

    explicit lease(detail::loan loan) : loan_{std::move(loan)} {}

    detail::pooled_connection<Stream>& connection() const noexcept {
        return static_cast<detail::pooled_connection<Stream>&>(*loan_.connection());
    }

    detail::loan loan_;
    int exceptions_ = std::uncaught_exceptions();
};

}  // namespace dial
