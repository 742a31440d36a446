#include <pool/hub_core.hpp>

#include <dial/detail/post_straight.hpp>

#include <chance.hpp>
#include <pool/rules.hpp>

#include <boost/asio/error.hpp>

#include <algorithm>
#include <utility>
#include <vector>

namespace dial::detail {

pool_hub::core::core(pool_hub& hub)
    : hub_{hub}, decides_{rules_of(hub.options_)}, news_{static_cast<bool>(hub.options_.observer())},
      timer_{hub.executor_} {}

pool_hub::core::~core() {
    timer_wait_.ended(timer_number_, hub_.counter_);
}

// --- Told, under the lock ---

reserved_loan pool_hub::core::reserve(const target& to) {
    const std::lock_guard lock{mutex_};
    const directory::entry* const of = targets_.find(to);
    if (!of || inspected_ != 0) return {};
    const auto reserved = decides_.on_reserve(of->id, told_at(clock_now()));
    if (!reserved) return {};
    member& lent = at(members_, reserved->connection);
    lent.connection->lent(true);
    lent.opened.reset();
    tell(pool_event::subject::acquired, *of, lent.number).event.reused = reserved->reused;
    return {loan{hub_.shared_from_this(), lent.connection, reserved->loan, reserved->reused}, turnovers_.load(),
        !lent.connection->needs_watch()};
}

bool pool_hub::core::confirm(const reserved_loan& reserved) {
    pool_connection& connection = *reserved.got.connection();
    const bool readable = reserved.watched && connection.needs_watch();
    if (!readable && reserved.turnovers == turnovers_.load()) return true;
    const std::lock_guard lock{mutex_};
    if (decides_.on_confirm(connection.id(), reserved.got.number(), readable)) return true;
    if (find(connection.id())) connection.lent(false);  // to be inspected, and watched again
    return false;
}

std::uint64_t pool_hub::core::wait(
    std::weak_ptr<pool_waiter> who, const target& to, time_point now, time_point deadline) {
    const std::lock_guard lock{mutex_};
    directory::entry& of = entry_of(to);
    const waiter_id id = decides_.on_acquire(of.id, told_at(now), deadline);
    at(waiters_, id) = {std::move(who), &of, now};
    return id;
}

bool pool_hub::core::leave(std::uint64_t number) {
    const std::lock_guard lock{mutex_};
    const time_point now = told_at(clock_now());
    if (!decides_.on_cancelled(number, now)) return false;
    const line_entry& left = at(waiters_, number);
    piece_of_news& told = tell(pool_event::subject::wait_ended, *left.of, 0);
    told.event.error = asio::error::operation_aborted;
    told.event.waited = now - left.since;
    return true;
}

void pool_hub::core::warm_up(const target& to) {
    const std::lock_guard lock{mutex_};
    decides_.on_warm_up(entry_of(to).id, told_at(clock_now()));
}

void pool_hub::core::reset(const target& to) {
    const std::lock_guard lock{mutex_};
    ++turnovers_;
    if (const directory::entry* const found = targets_.find(to)) decides_.on_reset(found->id, told_at(clock_now()));
}

void pool_hub::core::reset() {
    const std::lock_guard lock{mutex_};
    ++turnovers_;
    targets_.each([&](const directory::entry& entry) { decides_.on_reset(entry.id, told_at(clock_now())); });
}

void pool_hub::core::close() {
    const std::lock_guard lock{mutex_};
    ++turnovers_;
    if (!decides_.closed()) decides_.on_close(told_at(clock_now()));
}

void pool_hub::core::add(const std::shared_ptr<closing>& who) {
    const std::lock_guard lock{mutex_};
    std::erase_if(closings_, [](const auto& each) { return each.expired(); });
    closings_.push_back(who);
}

bool pool_hub::core::on_opened(pool_connection& connection, report story) {
    const std::lock_guard lock{mutex_};
    member* const known = find(connection.id());
    if (!known) return false;
    become_idle(connection);
    if (!decides_.on_connected(connection.id(), told_at(clock_now()), chance())) return false;
    if (hub_.options_.follow_dns()) {
        known->peer = followed_address(story, known->of->to);
        if (known->peer) follow();
    }
    known->opened = std::make_shared<const report>(std::move(story));
    tell(pool_event::subject::opened, *known->of, known->number).story = known->opened;
    return true;
}

void pool_hub::core::on_open_failed(pool_connection& connection, error_code error, report story) {
    const std::lock_guard lock{mutex_};
    member* const known = find(connection.id());
    if (!known) return;
    const time_point now = told_at(clock_now());
    if (!decides_.on_connect_failed(connection.id(), now, chance())) return;
    directory::entry& of = *known->of;
    known->failed = of.last = std::make_shared<const failed_connect>(failed_connect{error, std::move(story), now});
    known->connection.reset();
    piece_of_news& told = tell(pool_event::subject::open_failed, of, known->number);
    told.event.error = error;
    told.failed = of.last;
}

void pool_hub::core::on_checked(pool_connection& connection, bool alive) {
    const std::lock_guard lock{mutex_};
    member* const known = find(connection.id());
    if (!known) return;
    if (alive) become_idle(connection);
    decides_.on_checked(connection.id(), alive, told_at(clock_now()));
    if (alive) tell(pool_event::subject::checked, *known->of, known->number);
}

void pool_hub::core::on_readable(pool_connection& connection) {
    const std::lock_guard lock{mutex_};
    if (find(connection.id())) decides_.on_readable(connection.id());
}

void pool_hub::core::on_returned(pool_connection& connection, std::uint32_t loan, bool reusable) {
    lock_type lock{mutex_};
    member* const known = find(connection.id());
    if (!known) return;
    const time_point now = told_at(clock_now());
    if (reusable && !decides_.closed()) become_idle(connection);
    decides_.on_returned(connection.id(), loan, reusable, now);
    tell(pool_event::subject::returned, *known->of, known->number);
    if (!busy_ && news_.empty() && decides_.is_at_rest(now)) return set_timer(decides_.earliest());
    turn(std::move(lock), now);
}

void pool_hub::core::on_taken(pool_connection& connection, std::uint32_t loan) {
    const std::lock_guard lock{mutex_};
    member* const known = find(connection.id());
    if (!known) return;
    decides_.on_taken(connection.id(), loan);
    tell(pool_event::subject::returned, *known->of, known->number);
    *known = {};
}

// --- Of DNS ---

std::vector<target> pool_hub::core::followed() const {
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

void pool_hub::core::on_addresses(const target& of, const known_addresses& known) {
    const std::lock_guard lock{mutex_};
    const directory::entry* const found = targets_.find(of);
    if (!found) return;
    std::vector<connection_id> gone;
    decides_.each_open(found->id, [&](connection_id id) {
        if (const auto& peer = peer_of(id); peer && known.lack(*peer)) gone.push_back(id);
    });
    if (!gone.empty()) ++turnovers_;
    for (const connection_id id : gone) decides_.on_address_gone(id, told_at(clock_now()));
}

void pool_hub::core::follow() {
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
void pool_hub::core::become_idle(pool_connection& connection) {
    connection.lent(false);
    if (!connection.needs_watch()) return;
    if (!hub_.counter_.runs_here()) return connection.watch();
    to_watch_.push_back(connection.id());
    if (std::exchange(watch_is_due_, true)) return;
    post_straight(hub_.executor_, [weak = hub_.weak_from_this()] {
        const auto hub = weak.lock();
        if (!hub) return;
        hub->core_->watch_idle();
    });
}

void pool_hub::core::watch_idle() {
    lock_type lock{mutex_};
    if (decides_.waiting() != 0) {  // they get them first
        turn(std::move(lock), clock_now());
        lock = lock_type{mutex_};
    }
    watch_is_due_ = false;
    for (const connection_id id : to_watch_)
        if (const member* const known = find(id); known && id != inspected_ && !known->connection->lent())
            known->connection->watch();
    to_watch_.clear();
}

// A turn does not decide by an older time than that of what it has been told.
time_point pool_hub::core::told_at(time_point now) {
    newest_ = std::max(newest_, now);
    return now;
}

// --- The figures ---

pool_stats pool_hub::core::stats() const {
    const std::lock_guard lock{mutex_};
    pool_stats all;
    all.total = decides_.forgotten();
    targets_.each([&](const directory::entry& entry) {
        all.targets.emplace_back(entry.to, decides_.counts(entry.id));
        all.total += all.targets.back().counts;
    });
    return all;
}

// --- The observer ---

piece_of_news& pool_hub::core::tell(pool_event::subject what, const directory::entry& of, std::uint64_t number) {
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

struct pool_hub::core::timer_handler {
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
void pool_hub::core::set_timer(time_point when) {
    if (when >= set_to_) return;
    timer_wait_.ended(timer_number_, hub_.counter_);
    set_to_ = when;
    timer_.expires_at(when);
    timer_number_ = timer_wait_.begin();
    timer_.async_wait(timer_handler{hub_.weak_from_this(), timer_number_});
    timer_wait_.started(timer_number_, hub_.counter_);
}

void pool_hub::core::stop_timer() {
    follower_.reset();
    timer_wait_.ended(timer_number_, hub_.counter_);
    timer_.cancel();
}

void pool_hub::core::on_timer() {
    {
        const std::lock_guard lock{mutex_};
        set_to_ = time_point::max();
    }
    turn();
}

}  // namespace dial::detail
