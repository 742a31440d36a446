#include <chance.hpp>
#include <dial/detail/no_thread_cancellation.hpp>
#include <dialer/operation.hpp>
#include <race/most_telling.hpp>
#include <resolve/question.hpp>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

namespace dial::detail {
namespace {

using race::close_attempt;
using race::ending;

race::rules rules_of(const request& what, const options& with) {
    return {.attempt_delay = with.attempt_delay,
        .resolution_delay = with.resolution_delay,
        .attempt_timeout = with.attempt_timeout,
        .timeout = with.timeout,
        .deadline = what.deadline().value_or(time_point::max()),
        .max_in_flight = with.max_attempts_in_flight};
}

// Whether another host of the service could do better.
bool can_go_on(ending how) {
    return how == ending::all_failed || how == ending::no_addresses;
}

class canceller {
public:
    explicit canceller(std::weak_ptr<dial_operation> dial) : dial_{std::move(dial)} {}

    void operator()(asio::cancellation_type kind) const {
        if ((kind & asio::cancellation_type::all) == asio::cancellation_type::none) return;
        if (const auto dial = dial_.lock()) dial->on_cancelled();
    }

private:
    std::weak_ptr<dial_operation> dial_;  // the slot keeps this for as long as it likes
};

}  // namespace

struct dial_operation::ready_handler {
    std::shared_ptr<dial_operation> dial;
    runner* which;
    void operator()(error_code ec) const { dial->on_ready(*which, ec); }
};

struct dial_operation::timer_handler {
    std::shared_ptr<dial_operation> dial;
    void operator()(error_code ec) const { dial->on_time(ec); }
};

struct dial_operation::completion {
    std::shared_ptr<dial_operation> dial;
    void operator()() { std::exchange(dial, {})->complete(); }
};

struct dial_operation::completion_elsewhere : completion {
    using executor_type = asio::associated_executor_t<tcp_handler, asio::any_io_executor>;
    executor_type get_executor() const noexcept {
        return asio::get_associated_executor(dial->handler_, dial->executor_);
    }
};

void dial_operation::start(request&& what, std::shared_ptr<const dialer_settings> settings, const options& with,
    tcp_handler&& handler, handler_runs where) {
    const auto dial =
        std::make_shared<dial_operation>(std::move(what), std::move(settings), with, std::move(handler), where);
    auto slot = asio::get_associated_cancellation_slot(dial->handler_);
    if (slot.is_connected()) slot.emplace<canceller>(dial);
    if (dial->story_.observed())
        asio::post(dial->executor_, [dial] { dial->turn(called_from::the_executor, [&] { dial->begin(); }); });
    else
        dial->turn(
            called_from::the_caller, [&] { dial->begin(); }, dial->now_);
}

dial_operation::dial_operation(request&& what, std::shared_ptr<const dialer_settings> settings, const options& with,
    tcp_handler&& handler, handler_runs where)
    : what_{std::move(what)}, settings_{std::move(settings)}, with_{with}, handler_{std::move(handler)}, where_{where},
      executor_{what_.executor()}, story_{what_, settings_.get()}, now_{clock_now()}, rules_{rules_of(what_, with)},
      engine_{std::in_place, rules_, now_, &memory_}, plan_{with.family, with.https_records, random_below} {
    // From here on the end is one point in time, whatever is begun anew.
    rules_.deadline = std::min(saturating_add(now_, rules_.timeout), rules_.deadline);
    rules_.timeout = never;
    if (where_ == handler_runs::elsewhere)
        handlers_work_ =
            asio::prefer(asio::get_associated_executor(handler_, executor_), asio::execution::outstanding_work.tracked);
    story_.begin(what_.to(), now_);
}

// One thing has happened. Whatever follows from it is done before the lock is free again, and when nothing is left to wait
// for, the handler is called: at once where that may be, never inside the caller's own call.
template <class Turn>
void dial_operation::turn(called_from from, Turn what_happened, std::optional<time_point> now) {
    std::unique_lock lock{mutex_};
    if (in_turn_) return what_happened();  // an observer or a hook: the turn that it is part of goes on
    // An io_context that runs out of work stops, also when that happens outside of run(): what this turn lets go of must
    // not be the last before it has found something new to wait for, or posted the handler.
    const asio::any_io_executor work = from == called_from::the_caller && executor_
        ? asio::prefer(executor_, asio::execution::outstanding_work.tracked)
        : asio::any_io_executor{};
    {
        const no_thread_cancellation guard;
        in_turn_ = true;
        now_ = now ? *now : clock_now();
        try {
            what_happened();
            if (begun_ && !finished_) {
                if (now_ >= armed_until_) ask_all();
                obey();
            }
        } catch (...) {  // no memory
            in_turn_ = false;
            let_go_of_all();
            if (waits_ == 0) {
                completing_ = true;
                throw;
            }
        }
        in_turn_ = false;
    }
    if (!finished_ || waits_ != 0 || std::exchange(completing_, true)) return;
    if (from == called_from::the_executor && where_ == handler_runs::with_the_dial) {
        lock.unlock();
        return complete();
    }
    // An io_context behind any_io_executor is looked through: that saves allocations.
    if (where_ == handler_runs::elsewhere)
        asio::post(executor_, completion_elsewhere{{shared_from_this()}});
    else if (const auto* const context = executor_.target<asio::io_context::executor_type>())
        asio::post(*context, completion{shared_from_this()});
    else
        asio::post(executor_, completion{shared_from_this()});
}

void dial_operation::let_go_of_all() noexcept {
    finished_ = true;
    begun_ = true;
    result_ = make_error_code(boost::system::errc::not_enough_memory);
    ended_ = now_;
    winner_ = nullptr;
    for (runner& r : runners_) {
        r.attempt.close();
        stop_check(r);
    }
    for (auto& ticket : tickets_)
        if (const auto open = std::exchange(ticket, {})) open->close();
    if (const auto open = std::exchange(port_ticket_, {})) open->close();
    if (timer_) timer_->cancel();
}

void dial_operation::on_delivery(unsigned which, delivery brought) {
    turn(called_from::the_executor, [&] {
        if (which == lookup_port) {
            port_ticket_.reset();
            if (!finished_) hear_port(brought);
            return;
        }
        tickets_[which].reset();
        if (finished_) return;
        hear(which, brought.given);
        ask_questions();
        look_at_answers();
    });
}

void dial_operation::on_cancelled() {
    turn(called_from::the_caller, [&] { engine_->on_cancelled(); });
}

// --- Racing ---

void dial_operation::obey() {
    for (;;) {
        const race::step step = engine_->next(now_);
        if (const auto* const begins = std::get_if<race::start_attempt>(&step)) {
            start_attempt(begins->index);
        } else if (const auto* const over = std::get_if<close_attempt>(&step)) {
            close(over->index, over->why);
        } else if (const auto* const wait = std::get_if<race::wait_until>(&step)) {
            return wait_until(wait->when);
        } else if (const auto& end = std::get<race::finish>(step); !can_go_on(end.how) || !aim_at_next()) {
            return finish(end);
        }
        if (finished_) return;
    }
}

void dial_operation::start_attempt(std::size_t candidate) {
    if (!racing_) {
        racing_ = true;
        tell_phase("race", false);
    }
    const asio::ip::tcp::endpoint peer = known_[candidate];
    runner& r = runners_.emplace_back(executor_, peer, candidate, now_);
    tell_attempt(r, runners_.size() - 1, outcome::pending);
    r.attempt.start(setup_for(peer));
    hear_attempt(r);
}

race::attempt_setup dial_operation::setup_for(const asio::ip::tcp::endpoint& peer) {
    race::attempt_setup setup{.options = with_.socket};
    if (setup.options.fast_open) setup.options.fast_open = engine_->only_one_left();
    if (!settings_) return setup;
    setup.before_connect = &settings_->before_connect;
    const bool v4 = peer.address().is_v4();
    setup.sources = v4 ? settings_->sources_v4 : settings_->sources_v6;
    if (!setup.sources.empty())
        setup.first_source = (v4 ? settings_->turn_v4 : settings_->turn_v6).fetch_add(1, std::memory_order_relaxed);
    return setup;
}

// What has become of an attempt.
void dial_operation::hear_attempt(runner& r) {
    switch (r.attempt.is()) {
        case race::attempt::state::running: return wait_for(r);
        case race::attempt::state::connected:
            if (!what_.check()) return engine_->on_connected(r.candidate);
            if (!r.checked) check(r);
            return;
        case race::attempt::state::connected_to_itself:  // was started again
        case race::attempt::state::failed:
            r.over = true;
            r.ended = now_;
            tell_end_of(r, outcome::failed, r.attempt.error());
            return r.attempt.sent() ? engine_->on_failed(r.candidate) : engine_->on_refused_locally(r.candidate);
    }
}

void dial_operation::wait_for(runner& r) {
    if (r.waiting) return;
    r.waiting = true;
    r.attempt.socket().async_wait(asio::ip::tcp::socket::wait_write, ready_handler{shared_from_this(), &r});
    ++waits_;
}

void dial_operation::on_ready(runner& r, error_code ec) {
    turn(called_from::the_executor, [&] {
        --waits_;
        r.waiting = false;
        if (finished_ || r.over || r.attempt.is() != race::attempt::state::running) return;
        if (ec == asio::error::operation_aborted) return wait_for(r);  // that was for a socket that it had before
        if (!ec) return ask(r);
        r.attempt.fail(ec);  // the reactor cannot wait for it
        hear_attempt(r);
    });
}

void dial_operation::on_checked(runner& r, error_code ec, std::string note) {
    turn(called_from::the_executor, [&] { hear_check(r, ec, std::move(note)); });
}

void dial_operation::wait_until(time_point when) {
    if (when >= armed_until_) return;  // it comes earlier, and then it is seen what there is to wait for
    armed_until_ = when;
    if (!timer_) timer_ = std::make_unique<asio::steady_timer>(executor_);
    timer_->expires_at(when);
    timer_->async_wait(timer_handler{shared_from_this()});
    ++waits_;
}

void dial_operation::on_time(error_code ec) {
    turn(called_from::the_executor, [&] {
        --waits_;
        if (ec || finished_) return;
        armed_until_ = time_point::max();
        ask_all();
    });
}

// A late loop is not a late peer.
void dial_operation::ask_all() {
    for (runner& r : runners_) {
        if (r.over || !r.waiting || r.attempt.is() != race::attempt::state::running) continue;
        ask(r);
    }
}

void dial_operation::ask(runner& r) {
    r.attempt.ask();
    if (r.attempt.is() == race::attempt::state::connected_to_itself) r.attempt.start(setup_for(r.attempt.peer()));
    hear_attempt(r);
}

void dial_operation::close(std::size_t candidate, close_attempt::cause why) {
    runner* const r = find(candidate);
    if (!r) return;
    r->over = true;
    r->attempt.close();
    stop_check(*r);
    switch (why) {
        case close_attempt::cause::another_won: return tell_end_of(*r, outcome::another_won);
        case close_attempt::cause::cancelled: return tell_end_of(*r, outcome::cancelled);
        case close_attempt::cause::attempt_timeout:
        case close_attempt::cause::timed_out:
            r->attempt.fail(error::timeout);
            return tell_end_of(*r, outcome::timed_out, error::timeout);
    }
}

dial_operation::runner* dial_operation::find(std::size_t candidate) {
    const auto r = std::ranges::find(runners_, candidate, &runner::candidate);
    return r == runners_.end() ? nullptr : &*r;
}

// --- Ending ---

void dial_operation::finish(const race::finish& end) {
    finished_ = true;
    ended_ = now_;
    if (timer_) timer_->cancel();
    if (end.winner) {
        winner_ = find(*end.winner);
        winner_->over = true;
        accept(*winner_);
        error_code ignored;
        if (winner_->waiting) winner_->attempt.socket().cancel(ignored);  // it was asked before the reactor told
        if (story_.told()) tell_end_of(*winner_, winner_->attempt.deferred() ? outcome::deferred : outcome::done);
    }
    result_ = error_of(end.how);
    close_lookups(end.how == ending::connected ? outcome::another_won
            : end.how == ending::cancelled     ? outcome::cancelled
                                               : outcome::timed_out);
    remember();
    if (story_.told()) {
        for (std::size_t i = 0; i != known_.size(); ++i) {
            if (find(i)) continue;
            story_.tell({.what = event::subject::attempt,
                .ended = true,
                .when = now_,
                .how = outcome::not_started,
                .index = runners_.size() + i,
                .peer = known_[i]});
        }
    }
    if (racing_) {
        const outcome how = end.how == ending::connected ? outcome::done
            : end.how == ending::cancelled               ? outcome::cancelled
            : end.how == ending::timed_out               ? outcome::timed_out
                                                         : outcome::failed;
        tell_phase("race", true, how, how == outcome::cancelled ? error_code{} : result_);
    }
}

void dial_operation::close_lookups(outcome how) {
    if (const auto ticket = std::exchange(port_ticket_, {})) {
        ticket->close();
        tell_lookup(lookup_port, true, how);
    }
    for (unsigned number = 0; number != tickets_.size(); ++number) {
        const auto ticket = std::exchange(tickets_[number], {});
        if (!ticket) continue;
        ticket->close();
        tell_lookup(number, true, how);
    }
    if (std::exchange(resolving_, false)) tell_phase("resolve", true, how);
}

// What the attempts have shown, for the dials to come.
void dial_operation::remember() const {
    if (!memories_ || runners_.empty()) return;
    std::vector<history::core::attempt> shown;
    for (const runner& r : runners_) {
        using enum remembering::ending;
        const bool deferred = &r == winner_ && r.attempt.deferred();  // nothing was on the way and back
        const bool ended = r.attempt.is() == race::attempt::state::failed && r.attempt.error() != error::timeout;
        const auto how = &r == winner_ && !deferred ? connected
            : !ended                                ? unanswered
            : r.attempt.error() == asio::error::connection_refused ||
                r.attempt.error() == asio::error::connection_reset || r.checked
            ? refused
            : failed;
        if (deferred) continue;
        shown.push_back({r.attempt.peer().address(), how, r.started, (ended ? r.ended : now_) - r.started});
    }
    memories_->of->remember(memories_->here, shown, now_);
}

error_code dial_operation::error_of(ending how) const {
    switch (how) {
        case ending::connected: return {};
        case ending::timed_out: return error::timeout;
        case ending::cancelled: return asio::error::operation_aborted;
        case ending::no_addresses:
        case ending::all_failed: break;
    }
    if (runners_.empty()) return resolve::why_no_addresses(lookup_errors_);
    std::vector<error_code> errors;
    for (const runner& r : runners_) errors.push_back(r.attempt.error());
    return race::most_telling(errors);
}

// Nothing happens to the operation any more. All that it has is let go of before the handler is called.
void dial_operation::complete() {
    const auto alive = shared_from_this();
    std::unique_lock lock{mutex_};
    story_.end(result_, ended_);
    asio::ip::tcp::socket socket = winner_ ? std::move(winner_->attempt.socket()) : asio::ip::tcp::socket{executor_};
    tcp_handler handler{std::move(handler_)};
    const asio::any_completion_executor handlers_work = std::move(handlers_work_);
    const error_code result = result_;
    report* const wanted = what_.report();
    const std::unique_ptr<report> told = story_.take();
    // A resolver, or the slot, may hold the operation for longer than there is an io_context.
    winner_ = nullptr;
    runners_.clear();
    timer_.reset();
    executor_ = {};
    what_.executor({});
    lock.unlock();
    if (wanted && told) *wanted = std::move(*told);
    std::move(handler)(result, std::move(socket));
}

// --- Telling ---

void dial_operation::tell_phase(std::string_view name, bool ended, outcome how, error_code error) {
    if (!story_.told()) return;
    story_.tell(
        {.what = event::subject::phase, .ended = ended, .when = now_, .how = how, .error = error, .phase = name});
}

void dial_operation::tell_lookup(unsigned which, bool ended, outcome how, const answer* given) {
    if (!story_.told()) return;
    event e{.what = event::subject::lookup, .ended = ended, .when = now_, .how = how};
    if (which == lookup_port) {
        e.name = what_.to().service();
    } else {
        const lookup& asked = plan_.at(which).what;
        e.record = asked.type();
        e.name = asked.name();
        e.family = asked.family();
    }
    if (given) {
        e.error = given->error();
        e.addresses = given->addresses();
        e.given = given;
    }
    story_.tell(e);
}

void dial_operation::tell_attempt(
    const runner& r, std::size_t number, outcome how, error_code error, std::string_view note) {
    if (!story_.told()) return;
    const bool connected = how == outcome::done || how == outcome::deferred;
    story_.tell({.what = event::subject::attempt,
        .ended = how != outcome::pending,
        .when = now_,
        .how = how,
        .error = error,
        .note = note,
        .index = number,
        .peer = r.attempt.peer(),
        .local = connected ? r.attempt.local() : asio::ip::tcp::endpoint{}});
}

void dial_operation::tell_end_of(const runner& r, outcome how, error_code error) {
    tell_attempt(r, number_of(r), how, error, r.attempt.note());
}

std::size_t dial_operation::number_of(const runner& r) const {
    const auto place = std::ranges::find_if(runners_, [&](const runner& each) { return &each == &r; });
    return static_cast<std::size_t>(std::distance(runners_.begin(), place));
}

}  // namespace dial::detail
