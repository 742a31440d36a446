#include <cache/core.hpp>

#include <resolve/fork_guard.hpp>
#include <resolve/hosts_file.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/query.hpp>

#include <atomic>
#include <mutex>
#include <set>

namespace dial {
namespace {

namespace asio = boost::asio;
using caching::kind;

caching::rules rules_of(const cache_options& o) {
    return {.max_entries = o.max_entries(),
        .min_ttl = o.min_ttl(),
        .max_ttl = o.max_ttl(),
        .max_negative_ttl = o.max_negative_ttl(),
        .default_ttl = o.default_ttl(),
        .serve_stale = o.serve_stale()};
}

kind kind_of(const answer& a) {
    const bool none = a.error() == asio::error::host_not_found || a.error() == asio::error::no_data;
    if (a.error() && !none) return kind::failure;
    return a.empty() ? kind::negative : kind::positive;
}

caching::question question_of(const lookup& l) {
    return {l.name(), static_cast<std::uint16_t>(l.type())};
}

std::string behind(const char* what, const std::string& source) {
    return source.empty() ? what : std::string{what} + ": " + source;
}

answer as_stale(answer kept) {
    kept.ttl(caching::stale_ttl).source("stale " + kept.source());
    return kept;
}

}  // namespace

// One lookup that is out, on one execution context: another one may stop running at any time, and these shall not wait for
// it. The next resolver has it as whom to answer.
class caching_resolver::core::flight final : public detail::answer_receiver,
                                             public std::enable_shared_from_this<flight> {
public:
    flight(std::weak_ptr<core> owner, const lookup& asked) : question{asked}, owner_{std::move(owner)} {}

    void deliver(answer given) override {
        const auto alive = shared_from_this();
        if (const auto owner = owner_.lock()) owner->on_answer(*this, std::move(given));
    }
    bool wanted() const noexcept override { return is_wanted; }  // takes no lock
    asio::any_io_executor executor() const override {
        const auto owner = owner_.lock();
        if (!owner) return {};
        const std::lock_guard lock{resolve::process_mutex()};
        return waiters.empty() ? last_executor : owner->waiters_.at(*waiters.begin()).executor;
    }
    void on_unwanted(std::function<void()> call) override {
        {
            const std::lock_guard lock{resolve::process_mutex()};
            if (is_wanted) return tell.swap(call);
        }
        call();
    }

    const lookup question;
    // Under the lock:
    const unsigned generation = resolve::fork_generation();
    std::atomic<bool> is_wanted = true;  // and among the core's flights; changes under the lock, may be read anywhere
    flights::iterator place;             // there
    std::set<std::uint64_t> waiters;
    bool overdue = false;                 // patience with it is over
    asio::any_io_executor last_executor;  // once all have been given a stale answer
    std::function<void()> tell;
    std::optional<answer> stale;
    time_point stale_until = time_point::min();
    caching::patience limit;

private:
    const std::weak_ptr<core> owner_;  // the next resolver may have this for as long as it likes, and the core has that
};

caching_resolver::core::core(resolver next, const cache_options& options, clock now)
    : next_{std::move(next)}, patience_{options.patience()}, now_{std::move(now)}, kept_{rules_of(options)} {}

caching_resolver::core::~core() {
    for (;;) {
        std::shared_ptr<flight> last;
        remains left;
        {
            const std::lock_guard lock{resolve::process_mutex()};
            if (flights_.empty()) return;
            last = flights_.begin()->second;
            left = end(*last);
        }
        tell_unwanted(std::move(left));
    }
}

// What can be answered now.
std::optional<answer> caching_resolver::core::find(const lookup& question) {
    const time_point now = now_();
    if (const auto fresh = kept_.find(question_of(question), now)) {
        ++counters_.hits;
        return answer{*fresh->value}.ttl(fresh->left);
    }
    if (const auto stale = kept_.find_stale(question_of(question), now); stale && !stale->ask_anew) {
        ++counters_.stale;
        return as_stale(*stale->value);
    }
    return {};
}

void caching_resolver::core::ask(const lookup& question, answer_handler done) {
    std::optional<answer> known;
    std::uint64_t id = 0;
    {
        const std::lock_guard lock{resolve::process_mutex()};
        known = find(question);
        id = next_id_++;
    }
    if (known) return done(std::move(*known));

    const asio::any_io_executor executor = done.get_executor();
    if (!executor) return;  // nobody waits
    flight_key key{resolve::canonical(question.name()) + (question.name().ends_with('.') ? "." : ""), question.type(),
        &asio::query(executor, asio::execution::context)};
    done.on_unwanted([self = weak_from_this(), id] {
        if (const auto alive = self.lock()) alive->give_up(id);
    });

    std::shared_ptr<flight> on, lost;
    std::vector<waiter> lost_waiters;  // who are told so, without the lock
    remains lost_remains;
    bool begun = false;
    {
        const std::lock_guard lock{resolve::process_mutex()};
        if (!done.wanted()) return;
        const time_point now = now_();
        auto found = flights_.find(key);
        if (found != flights_.end() && found->second->generation != resolve::fork_generation()) {
            lost = found->second;
            lost_waiters = take_waiters(*lost);
            lost_remains = end(*lost);
            found = flights_.end();
        }
        begun = found == flights_.end();
        on = begun ? begin_flight(question, std::move(key), now) : found->second;
        if (on->overdue && on->stale && now < on->stale_until) {
            ++counters_.stale;
            known = on->stale;
        } else {
            ++(begun ? counters_.misses : counters_.coalesced);
            on->waiters.insert(id);
            waiters_.emplace(id, waiter{on, std::move(done), executor});
        }
    }
    if (known) return done(std::move(*known));
    if (!begun) return;
    begin_patience(on, executor);
    next_.start(question, answer_handler{on});
}

std::shared_ptr<caching_resolver::core::flight> caching_resolver::core::begin_flight(
    const lookup& question, flight_key key, time_point now) {
    const auto begun = std::make_shared<flight>(weak_from_this(), question);
    if (const auto stale = kept_.find_stale(question_of(question), now)) {
        begun->stale = as_stale(*stale->value);
        begun->stale_until = stale->until;
    }
    begun->place = flights_.emplace(std::move(key), begun).first;
    return begun;
}

void caching_resolver::core::begin_patience(
    const std::shared_ptr<flight>& with, const asio::any_io_executor& executor) {
    {
        const std::lock_guard lock{resolve::process_mutex()};
        if (!with->stale) return;
    }
    const auto call = [self = weak_from_this(), about = std::weak_ptr{with}](void (core::*what)(flight&)) {
        const auto alive = self.lock();
        const auto still = about.lock();
        if (alive && still) ((*alive).*what)(*still);
    };
    auto limit = caching::patience::begin(
        executor, patience_, [call] { call(&core::on_patience_over); }, [call] { call(&core::on_context_gone); });
    bool wanted = false;
    {
        const std::lock_guard lock{resolve::process_mutex()};
        with->limit = limit;
        wanted = with->is_wanted;
    }
    if (!wanted) limit.end();
}

std::vector<caching_resolver::core::waiter> caching_resolver::core::take_waiters(flight& of) {
    std::vector<waiter> taken;
    taken.reserve(of.waiters.size());
    for (const std::uint64_t id : std::exchange(of.waiters, {}))
        if (auto node = waiters_.extract(id)) taken.push_back(std::move(node.mapped()));
    return taken;
}

// Under the lock; the caller has the flight.
caching_resolver::core::remains caching_resolver::core::end(flight& over) {
    if (!over.is_wanted) return {};
    over.is_wanted = false;
    flights_.erase(over.place);
    return {std::exchange(over.tell, {}), std::exchange(over.limit, {}), std::exchange(over.last_executor, {}),
        over.generation != resolve::fork_generation()};
}

// In the child of a fork, whoever has a lock of the parent's may never let go of it.
void caching_resolver::core::forget(remains of) {
    if (!of.lost) of.limit.end();
}

void caching_resolver::core::tell_unwanted(remains of) {
    if (of.lost) return;
    of.limit.end();
    if (of.tell) of.tell();
}

void caching_resolver::core::give_up(std::uint64_t id) {
    std::map<std::uint64_t, waiter>::node_type gone;
    remains left;
    {
        const std::lock_guard lock{resolve::process_mutex()};
        gone = waiters_.extract(id);
        if (!gone) return;
        flight& of = *gone.mapped().on;
        of.waiters.erase(id);
        if (!of.waiters.empty()) return;
        left = end(of);
    }
    tell_unwanted(std::move(left));
}

// To be given up is not to fail: the next resolver may drop what nobody waits for, and knows no more than before.
void caching_resolver::core::on_answer(flight& from, answer given) {
    std::vector<waiter> waited;
    remains left;
    {
        const std::lock_guard lock{resolve::process_mutex()};
        const time_point now = now_();
        const kind what = kind_of(given);
        if (what != kind::failure || from.is_wanted) {
            answer kept{given};
            kept.source(behind("cache", given.source()));
            kept_.keep(question_of(from.question), std::move(kept), what, given.ttl(), now);
        }
        waited = take_waiters(from);
        left = end(from);
        if (what == kind::failure && from.stale && now < from.stale_until) {
            counters_.stale += waited.size();
            given = *from.stale;
        }
    }
    forget(std::move(left));
    for (waiter& w : waited) w.done(given);
}

// Something old is better than to wait on (RFC 8767 section 5). The lookup goes on, for those who come later.
void caching_resolver::core::on_patience_over(flight& with) {
    std::vector<waiter> waited;
    std::optional<answer> given;
    {
        const std::lock_guard lock{resolve::process_mutex()};
        if (!with.is_wanted || !with.stale || now_() >= with.stale_until) return;
        with.overdue = true;
        given = with.stale;
        waited = take_waiters(with);
        if (!waited.empty()) with.last_executor = waited.front().executor;
        counters_.stale += waited.size();
    }
    for (waiter& w : waited) w.done(*given);
}

// Also one that goes on after all have been given a stale answer does so there.
void caching_resolver::core::on_context_gone(flight& of) {
    remains left;
    {
        const std::lock_guard lock{resolve::process_mutex()};
        left = end(of);
    }
    tell_unwanted(std::move(left));
}

cache_counters caching_resolver::core::counters() const {
    const std::lock_guard lock{resolve::process_mutex()};
    cache_counters now = counters_;
    now.size = kept_.size();
    return now;
}

void caching_resolver::core::clear() {
    const std::lock_guard lock{resolve::process_mutex()};
    kept_.clear();
    for (const auto& [key, out] : flights_) out->stale.reset();
}

caching_resolver::caching_resolver(resolver next, cache_options options)
    : core_{std::make_shared<core>(std::move(next), options)} {}

void caching_resolver::start(const lookup& question, answer_handler done) {
    core_->ask(question, std::move(done));
}

void caching_resolver::start_records(const lookup& question, answer_handler done) {
    core_->ask(question, std::move(done));
}

cache_counters caching_resolver::counters() const {
    return core_->counters();
}

void caching_resolver::clear() {
    core_->clear();
}

}  // namespace dial
