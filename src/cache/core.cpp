#include <cache/core.hpp>

#include <resolve/fork_guard.hpp>
#include <resolve/hosts_file.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/query.hpp>

#include <atomic>
#include <mutex>

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

}  // namespace

// One lookup that is out, on one execution context: another one may stop running at any time, and these shall not wait for
// it. The next resolver has it as whom to answer.
class caching_resolver::core::flight final : public detail::answer_receiver,
                                             public std::enable_shared_from_this<flight> {
public:
    flight(std::weak_ptr<core> owner, const lookup& asked, asio::execution_context* on)
        : question{asked}, context{on}, owner_{std::move(owner)} {}

    void deliver(answer given) override {
        const auto alive = shared_from_this();
        if (const auto owner = owner_.lock()) owner->on_answer(*this, std::move(given));
    }
    bool wanted() const noexcept override { return is_wanted; }  // takes no lock
    asio::any_io_executor executor() const override {
        const auto owner = owner_.lock();
        if (!owner) return {};
        const std::lock_guard lock{resolve::process_mutex()};
        for (const std::uint64_t id : waiters)
            if (const auto w = owner->waiters_.find(id); w != owner->waiters_.end()) return w->second.executor;
        return is_wanted ? last_executor : asio::any_io_executor{};
    }
    void on_unwanted(std::function<void()> call) override {
        {
            const std::lock_guard lock{resolve::process_mutex()};
            if (is_wanted) return tell.swap(call);
        }
        call();
    }

    const lookup question;
    asio::execution_context* const context;
    // Under the lock:
    std::atomic<bool> is_wanted = true;   // changes there, may be read anywhere
    std::vector<std::uint64_t> waiters;   // also those that have given up
    std::size_t waiting = 0;              // those that have not
    bool overdue = false;                 // patience with it is over
    asio::any_io_executor last_executor;  // once all have been given a stale answer
    std::function<void()> tell;
    std::optional<answer> stale;
    caching::patience limit;

private:
    const std::weak_ptr<core> owner_;  // the next resolver may have this for as long as it likes, and the core has that
};

caching_resolver::core::core(resolver next, const cache_options& options, clock now)
    : next_{std::move(next)}, patience_{options.patience()}, now_{std::move(now)}, kept_{rules_of(options)} {}

// What can be answered now.
std::optional<answer> caching_resolver::core::find(const lookup& question) {
    const time_point now = now_();
    if (const auto fresh = kept_.find(question_of(question), now)) {
        ++counters_.hits;
        return answer{*fresh->value}.ttl(fresh->left);
    }
    if (const auto stale = kept_.find_stale(question_of(question), now); stale && !stale->ask_anew) {
        ++counters_.stale;
        answer given{*stale->value};
        return std::move(given.ttl(caching::stale_ttl).source("stale " + stale->value->source()));
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
    auto* const context = &asio::query(executor, asio::execution::context);
    done.on_unwanted([self = weak_from_this(), id] {
        if (const auto alive = self.lock()) alive->give_up(id);
    });

    std::shared_ptr<flight> begun;
    bool has_stale = false;
    {
        const std::lock_guard lock{resolve::process_mutex()};
        if (!done.wanted()) return;
        auto& out = flights_[{resolve::canonical(question.name()) + (question.name().ends_with('.') ? "." : ""),
            question.type(), context}];
        if (out && out->is_wanted && out->overdue) {
            ++counters_.stale;
            known = out->stale;
        } else if (!out || !out->is_wanted) {
            begun = out = std::make_shared<flight>(weak_from_this(), question, context);
            ++counters_.misses;
        } else {
            ++counters_.coalesced;
        }
        if (begun) {
            if (const auto stale = kept_.find_stale(question_of(question), now_())) {
                has_stale = true;
                answer given{*stale->value};
                begun->stale = std::move(given.ttl(caching::stale_ttl).source("stale " + stale->value->source()));
            }
        }
        if (!known) {
            ++out->waiting;
            out->waiters.push_back(id);
            waiters_.emplace(id, waiter{out, std::move(done), executor});
        }
    }
    if (known) return done(std::move(*known));
    if (!begun) return;
    if (has_stale) {
        auto limit =
            caching::patience::begin(executor, patience_, [self = weak_from_this(), with = std::weak_ptr{begun}] {
                const auto alive = self.lock();
                const auto late = with.lock();
                if (alive && late) alive->on_patience_over(*late);
            });
        bool wanted = false;
        {
            const std::lock_guard lock{resolve::process_mutex()};
            begun->limit = limit;
            wanted = begun->is_wanted;
        }
        if (!wanted) limit.end();
    }
    next_.start(question, answer_handler{begun});
}

std::vector<caching_resolver::core::waiter> caching_resolver::core::take_waiters(flight& of) {
    std::vector<waiter> taken;
    taken.reserve(of.waiting);
    for (const std::uint64_t id : std::exchange(of.waiters, {}))
        if (auto node = waiters_.extract(id)) taken.push_back(std::move(node.mapped()));
    of.waiting = 0;
    return taken;
}

void caching_resolver::core::give_up(std::uint64_t id) {
    std::map<std::uint64_t, waiter>::node_type gone;
    std::function<void()> tell;
    caching::patience limit;
    {
        const std::lock_guard lock{resolve::process_mutex()};
        gone = waiters_.extract(id);
        if (!gone) return;
        flight& left = *gone.mapped().on;
        if (--left.waiting != 0) return;
        left.is_wanted = false;
        tell.swap(left.tell);
        limit = left.limit;
    }
    limit.end();
    if (tell) tell();
}

void caching_resolver::core::on_answer(flight& from, answer given) {
    std::vector<waiter> waited;
    std::function<void()> forgotten;
    caching::patience limit;
    {
        const std::lock_guard lock{resolve::process_mutex()};
        const kind what = kind_of(given);
        answer kept{given};
        kept.source(behind("cache", given.source()));
        kept_.keep(question_of(from.question), std::move(kept), what, given.ttl(), now_());
        waited = take_waiters(from);
        from.is_wanted = false;
        forgotten.swap(from.tell);
        limit = from.limit;
        std::erase_if(flights_, [&](const auto& each) { return each.second.get() == &from; });
        if (what == kind::failure && from.stale) {
            counters_.stale += waited.size();
            given = *from.stale;
        }
    }
    limit.end();
    for (waiter& w : waited) w.done(given);
}

// Something old is better than to wait on (RFC 8767 section 5). The lookup goes on, for those who come later.
void caching_resolver::core::on_patience_over(flight& with) {
    std::vector<waiter> waited;
    {
        const std::lock_guard lock{resolve::process_mutex()};
        if (!with.is_wanted || !with.stale) return;
        with.overdue = true;
        waited = take_waiters(with);
        if (!waited.empty()) with.last_executor = waited.front().executor;
        counters_.stale += waited.size();
    }
    for (waiter& w : waited) w.done(*with.stale);
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
