#include <pool/hub_core.hpp>
#include <pool/rules.hpp>

#include <boost/asio/error.hpp>

#include <algorithm>
#include <utility>
#include <variant>

namespace dial::detail {

// Without the lock. What `action` owns goes there too: the last of a stream, a waiter or a connector may be the user's.
template <class Action>
void pool_hub::core::outside(lock_type& lock, Action action) {
    lock.unlock();
    {
        Action own = std::move(action);
        own();
    }
    lock.lock();
}

void pool_hub::core::act(const pooling::start_connect& todo, lock_type& lock) {
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

void pool_hub::core::act(const cancel_connect& todo, lock_type& lock) {
    member gone = std::exchange(at(members_, todo.connection), {});
    tell(pool_event::subject::open_failed, *gone.of, gone.number).event.error = asio::error::operation_aborted;
    outside(lock, [given_up = std::move(gone.connection)] { given_up->give_up(); });
}

void pool_hub::core::act(const inspect& todo, lock_type& lock) {
    bool alive = false;
    inspected_ = todo.connection;
    outside(lock, [&alive, looked_at = at(members_, todo.connection).connection] {
        alive = looked_at->is_quiet();
        if (alive) looked_at->watch();
    });
    inspected_ = 0;
    decides_.on_inspected(todo.connection, alive, clock_now());
}

void pool_hub::core::act(const start_check& todo, lock_type& lock) {
    auto checked = at(members_, todo.connection).connection;
    checked->lent(true);
    outside(lock, [checked = std::move(checked), limit = hub_.options_.check_timeout()] { checked->check(limit); });
}

void pool_hub::core::act(const hand_out& todo, lock_type& lock) {
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

void pool_hub::core::act(const close_connection& todo, lock_type& lock) {
    member gone = std::exchange(at(members_, todo.connection), {});
    tell(pool_event::subject::closed, *gone.of, gone.number).event.why = todo.why;
    outside(lock, [closed = std::move(gone.connection)] { closed->close(); });
}

void pool_hub::core::act(const end_wait& todo, lock_type& lock) {
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

// --- One after the other, by one thread at a time ---

void pool_hub::core::turn() {
    lock_type lock{mutex_};
    turn(std::move(lock), clock_now());
}

void pool_hub::core::turn(lock_type lock, time_point now) {
    if (std::exchange(busy_, true)) return;  // the other thread does it
    for (unsigned steps = 1;; ++steps) {
        if (!news_.empty()) {
            const piece_of_news first = news_.take();
            outside(lock, [&] { hub_.options_.observer()(first.told()); });
            continue;
        }
        now = std::max(now, newest_);
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

}  // namespace dial::detail
