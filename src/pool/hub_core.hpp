// What a pool does: pool_core decides, this keeps what belongs to the ids, and obeys.
#pragma once

#include <dial/detail/pool_hub.hpp>

#include <pool/closing.hpp>
#include <pool/directory.hpp>
#include <pool/engine.hpp>
#include <pool/follower.hpp>
#include <pool/news.hpp>

#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace dial::detail {

using namespace pooling;

class pool_hub::core {
public:
    explicit core(pool_hub& hub);
    ~core();

    // --- Told, under the lock; turn() then does what follows from it ---

    reserved_loan reserve(const target& to);
    bool confirm(const reserved_loan& reserved);
    std::uint64_t wait(std::weak_ptr<pool_waiter> who, const target& to, time_point now, time_point deadline);
    bool leave(std::uint64_t number);
    void warm_up(const target& to);
    void reset(const target& to);
    void reset();
    void close();
    void add(const std::shared_ptr<closing>& who);

    // False: nobody wants it any longer.
    bool on_opened(pool_connection& connection, report story);
    void on_open_failed(pool_connection& connection, error_code error, report story);
    void on_checked(pool_connection& connection, bool alive);
    void on_readable(pool_connection& connection);
    void on_returned(pool_connection& connection, std::uint32_t loan, bool reusable);  // with its turn
    void on_taken(pool_connection& connection, std::uint32_t loan);

    std::vector<target> followed() const;
    void on_addresses(const target& of, const known_addresses& known);

    // --- Done, without the lock ---

    void turn();

    pool_stats stats() const;

private:
    using lock_type = std::unique_lock<std::mutex>;

    struct line_entry {
        std::weak_ptr<pool_waiter> who;
        directory::entry* of = nullptr;
        time_point since = {};
    };
    struct member {
        std::shared_ptr<pool_connection> connection;
        std::uint64_t number = 0;
        directory::entry* of = nullptr;
        std::shared_ptr<const report> opened;  // until it is handed out for the first time
        std::shared_ptr<const failed_connect> failed;
        std::optional<asio::ip::address> peer;  // looked up under the target's name
    };

    // By the slot in an id.
    template <class T>
    static T& at(std::vector<T>& all, std::uint64_t id) {
        const auto slot = static_cast<std::uint32_t>(id);
        if (slot >= all.size()) all.resize(slot + 1);
        return all[slot];
    }
    // None, if it is about to be closed or given up: then that is what happens to it.
    member* find(connection_id id) { return decides_.has(id) ? &at(members_, id) : nullptr; }
    directory::entry& entry_of(const target& to) {
        return targets_.get(to, [&] { return decides_.add_target(); });
    }
    const std::optional<asio::ip::address>& peer_of(connection_id id) const {
        return members_[static_cast<std::uint32_t>(id)].peer;
    }

    static time_point clock_now() { return std::chrono::steady_clock::now(); }
    time_point told_at(time_point now);
    void follow();
    void become_idle(pool_connection& connection);
    void watch_idle();

    void turn(lock_type lock, time_point now);
    template <class Action>
    static void outside(lock_type& lock, Action action);
    void act(const pooling::start_connect& todo, lock_type& lock);
    void act(const cancel_connect& todo, lock_type& lock);
    void act(const inspect& todo, lock_type& lock);
    void act(const start_check& todo, lock_type& lock);
    void act(const hand_out& todo, lock_type& lock);
    void act(const close_connection& todo, lock_type& lock);
    void act(const end_wait& todo, lock_type& lock);
    void act(const forget& todo, lock_type&) { targets_.remove(todo.target); }
    void act(const wait_until&, lock_type&) {}

    // For the observer.
    piece_of_news& tell(pool_event::subject what, const directory::entry& of, std::uint64_t number);

    struct timer_handler;
    void set_timer(time_point when);
    void stop_timer();
    void on_timer();

    pool_hub& hub_;
    mutable std::mutex mutex_;
    bool busy_ = false;  // a thread is at it
    pool_core decides_;
    directory targets_;
    std::vector<line_entry> waiters_;
    std::vector<member> members_;
    news news_;
    std::vector<std::weak_ptr<closing>> closings_;
    std::uint64_t opened_ = 0;
    std::atomic<std::uint64_t> turnovers_ = 0;  // since then, connections in use may not be reused
    time_point newest_ = time_point::min();     // of what was told
    std::vector<connection_id> to_watch_;
    bool watch_is_due_ = false;
    connection_id inspected_ = 0;  // at this moment, without the lock
    std::shared_ptr<follower> follower_;

    asio::steady_timer timer_;
    background_wait timer_wait_;
    std::uint32_t timer_number_ = 0;
    time_point set_to_ = time_point::max();
};

}  // namespace dial::detail
