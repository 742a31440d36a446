#include <dial/connect.hpp>
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

// Bounds what a hostile answer can cause.
constexpr std::size_t most_addresses_of_a_family = 64;

race::rules rules_of(const request& what, const options& with) {
    return {.attempt_delay = with.attempt_delay,
        .resolution_delay = with.resolution_delay,
        .attempt_timeout = with.attempt_timeout,
        .timeout = with.timeout,
        .deadline = what.deadline().value_or(time_point::max()),
        .max_in_flight = with.max_attempts_in_flight};
}

race::family family_of(const asio::ip::address& a) {
    return a.is_v4() ? race::family::v4 : race::family::v6;
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
        asio::post(
            dial->executor_, [dial] { dial->turn(called_from::the_executor, clock_now(), [&] { dial->begin(); }); });
    else
        dial->turn(called_from::the_caller, dial->now_, [&] { dial->begin(); });
}

dial_operation::dial_operation(request&& what, std::shared_ptr<const dialer_settings> settings, const options& with,
    tcp_handler&& handler, handler_runs where)
    : what_{std::move(what)}, settings_{std::move(settings)}, with_{with}, handler_{std::move(handler)}, where_{where},
      executor_{what_.executor()}, story_{what_, settings_.get()}, now_{clock_now()}, engine_{
                                                                                          rules_of(what_, with), now_} {
    if (where_ == handler_runs::elsewhere)
        handlers_work_ =
            asio::prefer(asio::get_associated_executor(handler_, executor_), asio::execution::outstanding_work.tracked);
    story_.begin(what_.to(), now_);
}

// One thing has happened. Whatever follows from it is done before the lock is free again, and when nothing is left to wait
// for, the handler is called: at once where that may be, never inside the caller's own call.
template <class Turn>
void dial_operation::turn(called_from from, time_point now, Turn what_happened) {
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
        now_ = now;
        what_happened();
        if (begun_ && !finished_) obey();
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

void dial_operation::on_delivery(unsigned which, delivery brought) {
    turn(called_from::the_executor, clock_now(), [&] {
        tickets_[which].reset();
        if (!finished_) hear(which, brought);
    });
}

void dial_operation::on_cancelled() {
    turn(called_from::the_caller, clock_now(), [&] { engine_.on_cancelled(); });
}

// --- Asking ---

void dial_operation::begin() {
    begun_ = true;
    const target& to = what_.to();
    if (to.empty() || to.is_unix()) return fail_at_once(error::invalid_target);
    engine_.on_asked(race::family::v6);
    engine_.on_asked(race::family::v4);
    // Nothing is asked, and no system call made, for a dial that is over already.
    if (const auto step = engine_.next(now_); const auto* const end = std::get_if<race::finish>(&step))
        return finish(*end);
    port_ = to.port();
    if (to.service().empty()) return look_up();
    tell_phase("resolve", false);
    resolving_ = true;
    ask(lookup_service);
}

void dial_operation::look_up() {
    const target& to = what_.to();
    if (to.address() || to.is_localhost()) {
        if (std::exchange(resolving_, false)) tell_phase("resolve", true, outcome::done);  // the service was asked for
    }
    if (to.address()) return take_literal(*to.address());
    if (to.is_localhost()) {
        const std::array<asio::ip::address, 2> loopback{
            asio::ip::address_v6::loopback(), asio::ip::address_v4::loopback()};
        learn(loopback, address_family::any);
        engine_.on_answered(race::family::v6);
        engine_.on_answered(race::family::v4);
        return;
    }
    if (!resolving_) tell_phase("resolve", false);
    resolving_ = true;
    answers_due_ = wants(address_family::v6) && wants(address_family::v4) ? 2 : 1;
    if (!wants(address_family::v6)) engine_.on_answered(race::family::v6);
    if (!wants(address_family::v4)) engine_.on_answered(race::family::v4);
    if (wants(address_family::v6)) ask(lookup_v6);
    if (wants(address_family::v4)) ask(lookup_v4);
}

void dial_operation::take_literal(const asio::ip::address& literal) {
    asio::ip::address address = literal;
    if (const std::string& zone = what_.to().zone(); !zone.empty()) {
        const unsigned index = resolve::interface_index(zone);
        if (index == 0) return fail_at_once({errno, boost::system::system_category()});
        asio::ip::address_v6 scoped = literal.to_v6();
        scoped.scope_id(index);
        address = scoped;
    }
    learn({&address, 1}, address_family::any);
    engine_.on_answered(race::family::v6);
    engine_.on_answered(race::family::v4);
}

void dial_operation::ask(unsigned which) {
    tell_lookup(which, false);
    const auto ticket = lookup_ticket::open(executor_, shared_from_this(), which);
    tickets_[which] = ticket;
    const target& to = what_.to();
    if (which == lookup_service) {
        resolve::start_service_lookup(to.service(), ticket);
    } else {
        const lookup question{to.host(), which == lookup_v6 ? address_family::v6 : address_family::v4};
        (settings_ ? settings_->names : resolver{}).start(question, answer_handler{ticket});
    }
    if (const auto early = ticket->started()) {
        tickets_[which].reset();
        hear(which, *early);
    }
}

void dial_operation::hear(unsigned which, const delivery& brought) {
    if (which == lookup_service) return hear_port(brought);
    const auto family = which == lookup_v6 ? address_family::v6 : address_family::v4;
    const error_code error = brought.given.error();
    tell_lookup(which, true, error ? outcome::failed : outcome::done, error, brought.given.addresses());
    lookup_errors_.push_back(error);
    learn(brought.given.addresses(), family);
    engine_.on_answered(which == lookup_v6 ? race::family::v6 : race::family::v4);
    if (--answers_due_ != 0) return;
    resolving_ = false;
    const error_code why = known_.empty() ? resolve::why_no_addresses(lookup_errors_) : error_code{};
    tell_phase("resolve", true, why ? outcome::failed : outcome::done, why);
}

void dial_operation::hear_port(const delivery& brought) {
    const error_code error = brought.given.error();
    tell_lookup(lookup_service, true, error ? outcome::failed : outcome::done, error);
    if (error) {
        lookup_errors_.push_back(error);
        engine_.on_answered(race::family::v6);
        engine_.on_answered(race::family::v4);
        resolving_ = false;
        return tell_phase("resolve", true, outcome::failed, error);
    }
    port_ = brought.port;
    look_up();
}

// New ones join those that are known, and the race; duplicates do not, nor what nobody asked for.
void dial_operation::learn(std::span<const asio::ip::address> addresses, address_family of) {
    const std::size_t before = known_.size();
    for (const auto& a : addresses) {
        const auto family = a.is_v4() ? address_family::v4 : address_family::v6;
        if (!wants(family) || (of != address_family::any && of != family)) continue;
        if (known_.size() - before == most_addresses_of_a_family) break;
        if (std::ranges::find(known_, a) == known_.end()) known_.push_back(a);
    }
    if (known_.size() != before) tell_the_engine_what_is_known();
}

void dial_operation::tell_the_engine_what_is_known() {
    if (known_.size() == 1) {
        const race::candidate only{0, family_of(known_[0])};
        return engine_.on_addresses({&only, 1});
    }
    std::optional<asio::ip::address_v4> from_v4 = with_.socket.local_v4;
    std::optional<asio::ip::address_v6> from_v6 = with_.socket.local_v6;
    if (settings_ && !settings_->sources_v4.empty()) from_v4 = settings_->sources_v4.front().to_v4();
    if (settings_ && !settings_->sources_v6.empty()) from_v6 = settings_->sources_v6.front().to_v6();
    std::pmr::vector<race::candidate> sorted{&memory_};
    sorted.reserve(known_.size());
    for (const std::size_t i : resolve::destination_order(known_, from_v4, from_v6))
        sorted.push_back({i, family_of(known_[i])});
    engine_.on_addresses(sorted);
}

void dial_operation::fail_at_once(error_code why) {
    result_ = why;
    finished_ = true;
    ended_ = now_;
}

// --- Racing ---

void dial_operation::obey() {
    for (;;) {
        const race::step step = engine_.next(now_);
        if (const auto* const begins = std::get_if<race::start_attempt>(&step)) {
            start_attempt(begins->index);
        } else if (const auto* const over = std::get_if<close_attempt>(&step)) {
            close(over->index, over->why);
        } else if (const auto* const wait = std::get_if<race::wait_until>(&step)) {
            return wait_until(wait->when);
        } else {
            return finish(std::get<race::finish>(step));
        }
    }
}

void dial_operation::start_attempt(std::size_t candidate) {
    if (!racing_) {
        racing_ = true;
        tell_phase("race", false);
    }
    const asio::ip::tcp::endpoint peer{known_[candidate], port_};
    runner& r = runners_.emplace_back(executor_, peer, candidate);
    tell_attempt(r, runners_.size() - 1, outcome::pending);
    r.attempt.start(setup_for(peer));
    hear_attempt(r);
}

race::attempt_setup dial_operation::setup_for(const asio::ip::tcp::endpoint& peer) {
    race::attempt_setup setup{.options = with_.socket};
    if (setup.options.fast_open) setup.options.fast_open = engine_.only_one_left();
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
        case race::attempt::state::connected: return engine_.on_connected(r.candidate);
        case race::attempt::state::failed:
            r.over = true;
            tell_end_of(r, outcome::failed, r.attempt.error());
            return r.attempt.sent() ? engine_.on_failed(r.candidate) : engine_.on_refused_locally(r.candidate);
    }
}

void dial_operation::wait_for(runner& r) {
    if (r.waiting) return;
    r.waiting = true;
    ++waits_;
    r.attempt.socket().async_wait(asio::ip::tcp::socket::wait_write, ready_handler{shared_from_this(), &r});
}

void dial_operation::on_ready(runner& r, error_code ec) {
    turn(called_from::the_executor, clock_now(), [&] {
        --waits_;
        r.waiting = false;
        if (finished_ || r.over || r.attempt.is() != race::attempt::state::running) return;
        if (ec)
            r.attempt.fail(ec);  // the reactor cannot wait for it
        else
            r.attempt.ask();
        hear_attempt(r);
    });
}

void dial_operation::wait_until(time_point when) {
    if (when >= armed_until_) return;  // it comes earlier, and then it is seen what there is to wait for
    armed_until_ = when;
    if (!timer_) timer_ = std::make_unique<asio::steady_timer>(executor_);
    timer_->expires_at(when);
    ++waits_;
    timer_->async_wait(timer_handler{shared_from_this()});
}

void dial_operation::on_time(error_code ec) {
    turn(called_from::the_executor, clock_now(), [&] {
        --waits_;
        if (ec || finished_) return;
        armed_until_ = time_point::max();
        // A late loop is not a late peer.
        for (runner& r : runners_) {
            if (r.over || !r.waiting || r.attempt.is() != race::attempt::state::running) continue;
            r.attempt.ask();
            hear_attempt(r);
        }
    });
}

void dial_operation::close(std::size_t candidate, close_attempt::cause why) {
    runner* const r = find(candidate);
    if (!r) return;
    r->over = true;
    r->attempt.close();
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
        error_code ignored;
        if (winner_->waiting) winner_->attempt.socket().cancel(ignored);  // it was asked before the reactor told
        if (story_.told()) tell_end_of(*winner_, winner_->attempt.deferred() ? outcome::deferred : outcome::done);
    }
    result_ = error_of(end.how);
    close_lookups(end.how);
    if (story_.told()) {
        for (std::size_t i = 0; i != known_.size(); ++i) {
            if (find(i)) continue;
            story_.tell({.what = event::subject::attempt,
                .ended = true,
                .when = now_,
                .how = outcome::not_started,
                .index = runners_.size() + i,
                .peer = {known_[i], port_}});
        }
    }
    if (racing_) tell_phase("race", true, result_ ? outcome::failed : outcome::done, result_);
}

void dial_operation::close_lookups(ending how) {
    const outcome given_up = how == ending::connected ? outcome::another_won
        : how == ending::cancelled                    ? outcome::cancelled
                                                      : outcome::timed_out;
    for (unsigned which = 0; which != lookups; ++which) {
        const auto ticket = std::exchange(tickets_[which], {});
        if (!ticket) continue;
        ticket->close();
        tell_lookup(which, true, given_up);
    }
    if (std::exchange(resolving_, false)) tell_phase("resolve", true, given_up);
}

error_code dial_operation::error_of(ending how) const {
    switch (how) {
        case ending::connected: return {};
        case ending::timed_out: return error::timeout;
        case ending::cancelled: return asio::error::operation_aborted;
        case ending::no_addresses: return resolve::why_no_addresses(lookup_errors_);
        case ending::all_failed: break;
    }
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

void dial_operation::tell_lookup(
    unsigned which, bool ended, outcome how, error_code error, std::span<const asio::ip::address> addresses) {
    if (!story_.told()) return;
    const auto family = which == lookup_v6 ? address_family::v6
        : which == lookup_v4               ? address_family::v4
                                           : address_family::any;
    story_.tell({.what = event::subject::lookup,
        .ended = ended,
        .when = now_,
        .how = how,
        .error = error,
        .family = family,
        .addresses = addresses});
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

namespace {

// One address, given by the target, and nobody who listens: there is nothing to look up, to race or to tell. That is what
// connect() is for.
bool is_just_one_connect(const request& what, const dialer_settings* settings, const options& with) {
    const target& to = what.to();
    if (!to.address() || !to.zone().empty() || to.port() == 0 || what.report()) return false;
    if (with.family != address_family::any && (with.family == address_family::v4) != to.address()->is_v4())
        return false;
    return !settings ||
        (!settings->observer && !settings->before_connect && settings->sources_v4.empty() &&
            settings->sources_v6.empty());
}

// A handler that runs with the dial, and so needs not be asked where.
struct handler_in_place {
    tcp_handler handler;

    using cancellation_slot_type = asio::cancellation_slot;
    cancellation_slot_type get_cancellation_slot() const noexcept {
        return asio::get_associated_cancellation_slot(handler);
    }
    void operator()(error_code ec, asio::ip::tcp::socket socket) { std::move(handler)(ec, std::move(socket)); }
};

// What the limits leave for one attempt; zero or less: nothing.
duration limit_of(const request& what, const options& with) {
    const duration limit = std::min(with.timeout, with.attempt_timeout);
    if (!what.deadline()) return limit;
    const time_point now = std::chrono::steady_clock::now();
    return *what.deadline() <= now ? duration::zero() : std::min(limit, *what.deadline() - now);
}

}  // namespace

void start_dial(request&& what, std::shared_ptr<const dialer_settings> settings, const options* own,
    tcp_handler&& handler, handler_runs where) {
    const options& with = own ? *own : settings->options;
    if (is_just_one_connect(what, settings.get(), with)) {
        const asio::ip::tcp::endpoint peer{*what.to().address(), what.to().port()};
        const connect_options limited{limit_of(what, with), with.socket};
        if (where == handler_runs::with_the_dial)
            return start_owned(what.executor(), handler_in_place{std::move(handler)}, peer, limited);
        return start_owned(what.executor(), std::move(handler), peer, limited);
    }
    dial_operation::start(std::move(what), settings, with, std::move(handler), where);
}

}  // namespace dial::detail
