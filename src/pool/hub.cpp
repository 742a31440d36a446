#include <dial/detail/pool_hub.hpp>
#include <dial/detail/post_straight.hpp>

#include <chance.hpp>
#include <pool/closing.hpp>
#include <pool/directory.hpp>
#include <pool/engine.hpp>
#include <pool/follower.hpp>
#include <pool/news.hpp>
#include <pool/rules.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <mutex>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

namespace dial::detail {
namespace {

using namespace pooling;

time_point clock_now() {
    return std::chrono::steady_clock::now();
}

}  // namespace

class pool_hub::core {
public:
    using lock_type = std::unique_lock<std::mutex>;

    explicit core(pool_hub& hub)
        : hub_{hub}, decides_{rules_of(hub.options_)}, news_{static_cast<bool>(hub.options_.observer())},
          timer_{hub.executor_} {}

    ~core() { timer_wait_.ended(timer_number_, hub_.counter_); }

    // --- Told, under the lock ---

    std::uint64_t wait(std::weak_ptr<pool_waiter> who, const target& to, time_point now, time_point deadline) {
        const std::lock_guard lock{mutex_};
        directory::entry& of = entry_of(to);
        const waiter_id id = decides_.on_acquire(of.id, now, deadline);
        at(waiters_, id) = {std::move(who), &of, now};
        return id;
    }
    bool leave(std::uint64_t number) {
        const std::lock_guard lock{mutex_};
        const time_point now = clock_now();
        if (!decides_.on_cancelled(number, now)) return false;
        const line_entry& left = at(waiters_, number);
        piece_of_news& told = tell(pool_event::subject::wait_ended, *left.of, 0);
        told.event.error = asio::error::operation_aborted;
        told.event.waited = now - left.since;
        return true;
    }
    void warm_up(const target& to) {
        const std::lock_guard lock{mutex_};
        decides_.on_warm_up(entry_of(to).id, clock_now());
    }
    void reset(const target& to) {
        const std::lock_guard lock{mutex_};
        if (const directory::entry* const found = targets_.find(to)) decides_.on_reset(found->id, clock_now());
    }
    void reset() {
        const std::lock_guard lock{mutex_};
        targets_.each([&](const directory::entry& entry) { decides_.on_reset(entry.id, clock_now()); });
    }
    void close() {
        const std::lock_guard lock{mutex_};
        if (!decides_.closed()) decides_.on_close(clock_now());
    }
    void add(const std::shared_ptr<closing>& who) {
        const std::lock_guard lock{mutex_};
        closings_.push_back(who);
    }

    // False: nobody wants it any longer.
    bool on_opened(pool_connection& connection, report story) {
        const std::lock_guard lock{mutex_};
        member* const known = find(connection.id());
        if (!known) return false;
        become_idle(connection);
        if (!decides_.on_connected(connection.id(), clock_now(), chance())) return false;
        if (hub_.options_.follow_dns()) {
            known->peer = followed_address(story, known->of->to);
            if (known->peer) follow();
        }
        known->opened = std::make_shared<const report>(std::move(story));
        tell(pool_event::subject::opened, *known->of, known->number).story = known->opened;
        return true;
    }
    void on_open_failed(pool_connection& connection, error_code error, report story) {
        const std::lock_guard lock{mutex_};
        member* const known = find(connection.id());
        if (!known) return;
        const time_point now = clock_now();
        if (!decides_.on_connect_failed(connection.id(), now, chance())) return;
        directory::entry& of = *known->of;
        known->failed = of.last = std::make_shared<const failed_connect>(failed_connect{error, std::move(story), now});
        known->connection.reset();
        piece_of_news& told = tell(pool_event::subject::open_failed, of, known->number);
        told.event.error = error;
        told.failed = of.last;
    }
    void on_checked(pool_connection& connection, bool alive) {
        const std::lock_guard lock{mutex_};
        member* const known = find(connection.id());
        if (!known) return;
        if (alive) become_idle(connection);
        decides_.on_checked(connection.id(), alive, clock_now());
        if (alive) tell(pool_event::subject::checked, *known->of, known->number);
    }
    void on_readable(pool_connection& connection) {
        const std::lock_guard lock{mutex_};
        if (find(connection.id())) decides_.on_readable(connection.id());
    }
    void on_returned(pool_connection& connection, std::uint32_t loan, bool reusable) {
        lock_type lock{mutex_};
        member* const known = find(connection.id());
        if (!known) return;
        const time_point now = clock_now();
        if (reusable && !decides_.closed()) become_idle(connection);
        decides_.on_returned(connection.id(), loan, reusable, now);
        tell(pool_event::subject::returned, *known->of, known->number);
        turn(std::move(lock), now);
    }
    void on_taken(pool_connection& connection, std::uint32_t loan) {
        const std::lock_guard lock{mutex_};
        member* const known = find(connection.id());
        if (!known) return;
        tell(pool_event::subject::returned, *known->of, known->number);
        decides_.on_taken(connection.id(), loan);
        *known = {};
    }

    // --- Of DNS ---

    std::vector<target> followed() const {
        const std::lock_guard lock{mutex_};
        std::vector<target> all;
        if (decides_.closed()) return all;
        targets_.each([&](const directory::entry& entry) {
            bool any = false;
            decides_.each_open(entry.id, [&](connection_id id) { any = any || peer_of(id); });
            if (any) all.push_back(entry.to);
        });
        return all;
    }
    void on_addresses(const target& of, const known_addresses& known) {
        const std::lock_guard lock{mutex_};
        const directory::entry* const found = targets_.find(of);
        if (!found) return;
        std::vector<connection_id> gone;
        decides_.each_open(found->id, [&](connection_id id) {
            if (const auto& peer = peer_of(id); peer && known.lack(*peer)) gone.push_back(id);
        });
        for (const connection_id id : gone) decides_.on_address_gone(id, clock_now());
    }

    // --- Done, without the lock ---

    void turn() {
        lock_type lock{mutex_};
        turn(std::move(lock), clock_now());
    }
    void turn(lock_type lock, time_point now) {
        if (std::exchange(busy_, true)) return;  // the other thread does it
        for (unsigned steps = 1;; ++steps) {
            if (!news_.empty()) {
                const piece_of_news first = news_.take();
                outside(lock, [&] { hub_.options_.observer()(first.told()); });
                continue;
            }
            const step next = decides_.next(now);
            if (const auto* const wait = std::get_if<wait_until>(&next)) {
                set_timer(wait->when);
                break;
            }
            std::visit([&](const auto& todo) { act(todo, lock); }, next);
            // Reading the clock is a sixth of what a hand-out costs. Who is told a little late is told by the timer.
            if (steps % 16 == 0 || !std::holds_alternative<hand_out>(next)) now = clock_now();
        }
        busy_ = false;
        if (decides_.closed() && decides_.size() == 0) {
            stop_timer();
            const auto ended = std::exchange(closings_, {});
            lock.unlock();
            for (const auto& each : ended)
                if (const auto waits = each.lock()) waits->on_closed();
        }
    }

    pool_stats stats() const {
        const std::lock_guard lock{mutex_};
        pool_stats all;
        all.total = decides_.forgotten();
        targets_.each([&](const directory::entry& entry) {
            all.targets.emplace_back(entry.to, decides_.counts(entry.id));
            all.total += all.targets.back().counts;
        });
        return all;
    }

private:
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
    void follow() {
        if (!follower_)
            follower_ = std::make_shared<follower>(
                hub_.executor_, hub_.counter_, *hub_.options_.follow_dns(), hub_.options_.follow_interval(),
                [weak = hub_.weak_from_this()] {
                    const auto hub = weak.lock();
                    return hub ? hub->followed() : std::vector<target>{};
                },
                [weak = hub_.weak_from_this()](const target& of, const known_addresses& known) {
                    if (const auto hub = weak.lock()) hub->on_addresses(of, known);
                });
        follower_->wake();
    }
    // Watched when this turn of the io_context is over: who hands it out until then has no need of the system call, for the reactor
    // would not have been asked either. From elsewhere nobody knows when the next turn is.
    void become_idle(pool_connection& connection) {
        connection.lent(false);
        if (!connection.needs_watch()) return;
        if (!hub_.counter_.runs_here()) return connection.watch();
        to_watch_.push_back(connection.id());
        if (std::exchange(watch_is_due_, true)) return;
        post_straight(hub_.executor_, [weak = hub_.weak_from_this()] {
            const auto hub = weak.lock();
            if (!hub) return;
            hub->turn();  // who waits by now gets them first
            hub->core_->watch_idle();
        });
    }
    void watch_idle() {
        const std::lock_guard lock{mutex_};
        watch_is_due_ = false;
        for (const connection_id id : to_watch_)
            if (const member* const known = find(id); known && id != inspected_ && !known->connection->lent())
                known->connection->watch();
        to_watch_.clear();
    }

    // --- The steps ---

    // Without the lock. What `action` owns goes there too: the last of a stream, a waiter or a connector may be the user's.
    template <class Action>
    static void outside(lock_type& lock, Action action) {
        lock.unlock();
        {
            Action own = std::move(action);
            own();
        }
        lock.lock();
    }

    void act(const start_connect& todo, lock_type& lock) {
        auto made = hub_.make(todo.connection);
        directory::entry& of = targets_.at(todo.target);
        member& added = at(members_, todo.connection);
        added = {};
        added.connection = made;
        added.number = ++opened_;
        added.of = &of;
        tell(pool_event::subject::opening, of, added.number);
        outside(lock, [made = std::move(made), to = of.to, limit = hub_.options_.connect_timeout()] {
            made->open(to, saturating_add(clock_now(), limit));
        });
    }
    void act(const cancel_connect& todo, lock_type& lock) {
        member gone = std::exchange(at(members_, todo.connection), {});
        tell(pool_event::subject::open_failed, *gone.of, gone.number).event.error = asio::error::operation_aborted;
        outside(lock, [given_up = std::move(gone.connection)] { given_up->give_up(); });
    }
    void act(const inspect& todo, lock_type& lock) {
        bool alive = false;
        inspected_ = todo.connection;
        outside(lock, [&alive, looked_at = at(members_, todo.connection).connection] {
            alive = looked_at->is_quiet();
            if (alive) looked_at->watch();
        });
        inspected_ = 0;
        decides_.on_inspected(todo.connection, alive, clock_now());
    }
    void act(const start_check& todo, lock_type& lock) {
        auto checked = at(members_, todo.connection).connection;
        checked->lent(true);
        outside(lock, [checked = std::move(checked), limit = hub_.options_.check_timeout()] { checked->check(limit); });
    }
    void act(const hand_out& todo, lock_type& lock) {
        member& given = at(members_, todo.connection);
        given.connection->lent(true);
        piece_of_news& told = tell(pool_event::subject::acquired, *given.of, given.number);
        told.event.reused = todo.reused;
        told.event.waited = todo.waited;
        outside(lock,
            [who = at(waiters_, todo.waiter).who.lock(), opened = std::move(given.opened),
                got = loan{hub_.shared_from_this(), given.connection, todo.loan, todo.reused}]() mutable {
                if (who) who->on_granted(std::move(got), std::move(opened));
            });  // if whoever waited is gone with its io_context, it goes back
    }
    void act(const close_connection& todo, lock_type& lock) {
        member gone = std::exchange(at(members_, todo.connection), {});
        tell(pool_event::subject::closed, *gone.of, gone.number).event.why = todo.why;
        outside(lock, [closed = std::move(gone.connection)] { closed->close(); });
    }
    void act(const end_wait& todo, lock_type& lock) {
        vain_wait why;
        std::shared_ptr<const failed_connect> own;
        if (todo.why == wait_end::connect_failed) own = at(members_, todo.connection).failed;
        const line_entry& ended = at(waiters_, todo.waiter);
        const directory::entry& of = *ended.of;
        why.error = error_of(todo.why, own.get());
        why.own = own != nullptr;
        why.last = own ? own : of.last;
        why.counts = decides_.counts(of.id);
        why.in_all = decides_.size();
        piece_of_news& told = tell(pool_event::subject::wait_ended, of, 0);
        told.event.error = why.error;
        told.event.waited = todo.waited;
        told.failed = own;
        outside(lock, [who = ended.who.lock(), why = std::move(why)]() mutable {
            if (who) who->on_vain(std::move(why));
        });
    }
    void act(const forget& todo, lock_type&) { targets_.remove(todo.target); }
    void act(const wait_until&, lock_type&) {}

    // --- The observer ---

    piece_of_news& tell(pool_event::subject what, const directory::entry& of, std::uint64_t number) {
        piece_of_news& told = news_.add();
        if (!news_.heard()) return told;
        const pool_counts& counts = decides_.counts(of.id);
        told.event.what = what;
        told.event.when = clock_now();
        told.event.connection = number;
        told.event.in_use = counts.in_use;
        told.event.idle = counts.idle;
        told.event.connecting = counts.connecting;
        told.event.waiting = counts.waiting;
        told.target = of.to.to_string();
        return told;
    }

    // --- The time ---

    struct timer_handler {
        std::weak_ptr<pool_hub> hub;
        std::uint32_t number;

        void operator()(error_code ec) const {
            const auto alive = hub.lock();
            if (!alive) return;
            alive->core_->timer_wait_.ended(number, alive->counter_);
            if (!ec) alive->core_->on_timer();
        }
    };

    // It may be set too early: then it only looks.
    void set_timer(time_point when) {
        if (when >= set_to_) return;
        timer_wait_.ended(timer_number_, hub_.counter_);
        set_to_ = when;
        timer_.expires_at(when);
        timer_number_ = timer_wait_.begin();
        timer_.async_wait(timer_handler{hub_.weak_from_this(), timer_number_});
        timer_wait_.started(timer_number_, hub_.counter_);
    }
    void stop_timer() {
        follower_.reset();
        timer_wait_.ended(timer_number_, hub_.counter_);
        timer_.cancel();
    }
    void on_timer() {
        {
            const std::lock_guard lock{mutex_};
            set_to_ = time_point::max();
        }
        turn();
    }

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
    std::vector<connection_id> to_watch_;
    bool watch_is_due_ = false;
    connection_id inspected_ = 0;  // at this moment, without the lock
    std::shared_ptr<follower> follower_;

    asio::steady_timer timer_;
    background_wait timer_wait_;
    std::uint32_t timer_number_ = 0;
    time_point set_to_ = time_point::max();
};

pool_hub::pool_hub(const asio::any_io_executor& executor, pool_options options)
    : executor_{executor}, counter_{executor}, options_{std::move(options)}, core_{std::make_unique<core>(*this)} {}

pool_hub::~pool_hub() = default;

std::uint64_t pool_hub::wait(std::weak_ptr<pool_waiter> who, const target& to, time_point now, time_point deadline) {
    return core_->wait(std::move(who), to, now, deadline);
}

bool pool_hub::leave(std::uint64_t number) {
    return core_->leave(number);
}

void pool_hub::warm_up(const target& to) {
    core_->warm_up(to);
    turn();
}

void pool_hub::reset(const target& to) {
    core_->reset(to);
    turn();
}

void pool_hub::reset() {
    core_->reset();
    turn();
}

void pool_hub::close() {
    core_->close();
    turn();
}

void pool_hub::wait_until_closed(duration patience, done_handler handler) {
    const auto waits = std::make_shared<closing>(executor_, std::move(handler));
    waits->start(patience);
    core_->add(waits);
    turn();
}

pool_stats pool_hub::stats() const {
    return core_->stats();
}

void pool_hub::turn() {
    core_->turn();
}

void pool_hub::on_opened(pool_connection& connection, report story) {
    if (!core_->on_opened(connection, std::move(story))) return connection.close();
    turn();
}

void pool_hub::on_open_failed(pool_connection& connection, error_code error, report story) {
    core_->on_open_failed(connection, error, std::move(story));
    turn();
}

void pool_hub::on_checked(pool_connection& connection, bool alive) {
    core_->on_checked(connection, alive);
    turn();
}

void pool_hub::on_readable(pool_connection& connection) {
    core_->on_readable(connection);
    turn();
}

void pool_hub::on_returned(pool_connection& connection, std::uint32_t number, bool reusable) {
    reusable = reusable && connection.is_usable();
    core_->on_returned(connection, number, reusable);
}

void pool_hub::on_taken(pool_connection& connection, std::uint32_t number) {
    core_->on_taken(connection, number);
    turn();
}

std::vector<target> pool_hub::followed() const {
    return core_->followed();
}

void pool_hub::on_addresses(const target& of, const pooling::known_addresses& now) {
    core_->on_addresses(of, now);
    turn();
}

}  // namespace dial::detail
