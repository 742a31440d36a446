// What is behind a pool, whatever its streams are: the core, who waits, the connections, the time. Compiled.
//
// One lock, held for moments. What the core says is done by one thread at a time, without the lock: whoever brings news while
// another one is at it leaves them there and goes. So the user's code (connectors, streams, observers) is never called under it,
// but for what leads to the socket that is watched.
#pragma once

#include <dial/detail/background_wait.hpp>
#include <dial/error.hpp>
#include <dial/pool_options.hpp>
#include <dial/pool_stats.hpp>
#include <dial/report.hpp>
#include <dial/request.hpp>
#include <dial/target.hpp>
#include <dial/time.hpp>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace dial::pooling {
struct known_addresses;
}

namespace dial::detail {

class pool_hub;

// One connection of the pool. All but the watch is called by one thread at a time.
class pool_connection : public std::enable_shared_from_this<pool_connection> {
public:
    explicit pool_connection(std::uint64_t id) : id_{id} {}
    pool_connection(const pool_connection&) = delete;
    pool_connection& operator=(const pool_connection&) = delete;
    virtual ~pool_connection() = default;

    std::uint64_t id() const noexcept { return id_; }

    // Ends with pool_hub::on_opened or on_open_failed.
    virtual void open(const target& to, time_point deadline) = 0;
    virtual void give_up() = 0;              // opening it: nothing more of it is wanted
    virtual void check(duration limit) = 0;  // ends with pool_hub::on_checked
    virtual bool is_quiet() = 0;             // nothing to read, and not ended
    virtual bool needs_watch() = 0;          // can be watched, and is not
    virtual void watch() = 0;                // from now on, unless it is watched already
    virtual bool is_usable() = 0;            // open, as far as one can see from here
    virtual void close() = 0;

    // Whether somebody uses it: then the watch says nothing.
    void lent(bool yes) noexcept { lent_.store(yes); }
    bool lent() const noexcept { return lent_.load(); }

private:
    const std::uint64_t id_;
    std::atomic<bool> lent_ = true;
};

// How the last connect to a target failed.
struct failed_connect {
    error_code error;
    dial::report report;
    time_point when;
};

// Why somebody waited in vain, and how the connections to the target are.
struct vain_wait {
    error_code error;
    pool_counts counts;
    std::size_t in_all = 0;
    std::shared_ptr<const failed_connect> last;  // may be of any time
    bool own = false;                            // it is the reason
};

// A connection for somebody: goes back when it is dropped.
class loan {
public:
    loan() = default;
    loan(std::shared_ptr<pool_hub> from, std::shared_ptr<pool_connection> connection, std::uint32_t number, bool reused)
        : from_{std::move(from)}, connection_{std::move(connection)}, number_{number}, reused_{reused} {}
    loan(loan&& other) noexcept
        : from_{std::move(other.from_)},
          connection_{std::move(other.connection_)}, number_{other.number_}, reused_{other.reused_} {}
    loan& operator=(loan&& other) noexcept;
    ~loan() { give_back(true); }

    explicit operator bool() const noexcept { return connection_ != nullptr; }
    pool_connection* connection() const noexcept { return connection_.get(); }
    bool reused() const noexcept { return reused_; }

    const std::shared_ptr<pool_hub>& from() const noexcept { return from_; }
    std::uint32_t number() const noexcept { return number_; }

    void give_back(bool reusable) noexcept;
    // It is not the pool's any more.
    std::shared_ptr<pool_connection> take() noexcept;
    // The pool has it back already.
    void forget() noexcept;

private:
    std::shared_ptr<pool_hub> from_;
    std::shared_ptr<pool_connection> connection_;
    std::uint32_t number_ = 0;
    bool reused_ = false;
};

// An idle connection for somebody who need not wait, until it is theirs: in between it may end, or be no longer wanted.
struct reserved_loan {
    loan got;
    std::uint64_t turnovers = 0;
    bool watched = false;
};

// Somebody who waits. Told once, by any thread, with no lock held.
class pool_waiter {
public:
    // `opened`: how, if it was opened just now and reports are kept.
    virtual void on_granted(loan got, std::shared_ptr<const report> opened) = 0;
    virtual void on_vain(vain_wait why) = 0;

protected:
    ~pool_waiter() = default;
};

class pool_hub : public std::enable_shared_from_this<pool_hub> {
public:
    pool_hub(const asio::any_io_executor& executor, pool_options options);
    pool_hub(const pool_hub&) = delete;
    pool_hub& operator=(const pool_hub&) = delete;
    virtual ~pool_hub();

    const asio::any_io_executor& executor() const noexcept { return executor_; }
    const work_counter& counter() const noexcept { return counter_; }
    const pool_options& options() const noexcept { return options_; }

    // One that is idle, if there is one and nobody waits.
    loan try_acquire(const target& to);
    // The same for later. Not where an observer is to be told, for whom it would be too early.
    reserved_loan reserve(const target& to);
    // Whether it is still to be had; if not, the pool has it back, and the loan is to be forgotten. A turn is due then.
    bool confirm(const reserved_loan& reserved);

    // Gets in line. turn() then tells whose turn it is. Returns its number.
    std::uint64_t wait(std::weak_ptr<pool_waiter> who, const target& to, time_point now, time_point deadline);
    // Leaves the line; false if it has been told, or is about to be.
    bool leave(std::uint64_t number);

    void warm_up(const target& to);
    void reset(const target& to);
    void reset();
    // Idle connections are closed, who waits is told, those in use go when they come back.
    void close();
    // Completes when all have come back, or with error::timeout; close() comes first.
    void wait_until_closed(duration patience, done_handler handler);

    pool_stats stats() const;

    // Does what there is to do.
    void turn();

    // --- News ---

    void on_opened(pool_connection& connection, report story);
    void on_open_failed(pool_connection& connection, error_code error, report story);
    void on_checked(pool_connection& connection, bool alive);
    void on_readable(pool_connection& connection);
    void on_returned(pool_connection& connection, std::uint32_t number, bool reusable);
    void on_taken(pool_connection& connection, std::uint32_t number);

    // Targets whose addresses are to be asked for; what DNS says of one now.
    std::vector<target> followed() const;
    void on_addresses(const target& of, const pooling::known_addresses& now);

protected:
    virtual std::shared_ptr<pool_connection> make(std::uint64_t id) = 0;

private:
    class core;

    const asio::any_io_executor executor_;
    const work_counter counter_;
    const pool_options options_;
    const std::unique_ptr<core> core_;
};

}  // namespace dial::detail
