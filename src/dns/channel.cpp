// The part of a channel that knows who waits for what.
#include <dns/channel.hpp>

#include <resolve/fork_guard.hpp>
#include <resolve/hosts_file.hpp>

#include <boost/asio/error.hpp>

#include <algorithm>

namespace dial::dns {
namespace {

// Names that differ only in case are one; a final dot makes a difference: no search domain goes behind it.
std::string folded(const std::string& name) {
    std::string result = resolve::canonical(name);
    if (name.ends_with('.')) result += '.';
    return result;
}

std::string without_final_dot(std::string name) {
    if (name.size() > 1 && name.ends_with('.')) name.pop_back();
    return name;
}

family family_of(record_type type) {
    return type == record_type::a ? family::v4 : family::v6;
}

record_type type_of(family f) {
    return f == family::v4 ? record_type::a : record_type::aaaa;
}

// The search is over when the shortest-lived thing that it rests on is.
void limit(answer& given, const answer& by) {
    if (!given.ttl() || !by.ttl())
        given.ttl({});
    else
        given.ttl(std::min(*given.ttl(), *by.ttl()));
}

}  // namespace

channel::channel(settings how) : how_{std::move(how)}, generation_{resolve::fork_generation()} {}

channel::~channel() {
    shut();
}

// Cancellation may come before the lookup is known here: then it is seen that nobody waits.
void channel::ask(const lookup& question, answer_handler done) {
    std::uint64_t id = 0;
    {
        const std::lock_guard lock{mutex_};
        id = next_id_++;
    }
    done.on_unwanted([self = weak_from_this(), id] {
        if (const auto alive = self.lock()) alive->give_up(id);
    });
    turn([&] {
        if (!executor_) executor_ = done.get_executor();
        if (closed_ || !executor_ || !done.wanted()) return dropped_.push_back(std::move(done));
        if (!open()) {
            deliveries_.emplace_back(std::move(done), answer{asio::error::no_recovery});
            return;
        }
        waiters_.emplace(id, waiter{0, question.type(), std::move(done)});
        begin(id, question);
    });
}

void channel::begin(std::uint64_t id, const lookup& question) {
    if (question.family() == address_family::any)
        return ask_for(id, without_final_dot(question.name()), question.type());
    const std::string name = folded(question.name());
    auto known = searches_by_name_.find(name);
    if (known == searches_by_name_.end()) {
        const std::uint64_t search = next_id_++;
        searches_.try_emplace(search, name, names_for(question.name(), how_.domains, how_.ndots));
        known = searches_by_name_.emplace(name, search).first;
    }
    waiters_.at(id).search = known->second;
    searching& s = searches_.at(known->second);
    s.waiters.push_back(id);
    s.engine.want(family_of(question.type()));
    go_on(known->second);
}

void channel::give_up(std::uint64_t id) {
    turn([&] {
        const auto gone = waiters_.find(id);
        if (gone == waiters_.end()) return;
        dropped_.push_back(std::move(gone->second.done));
        const auto search = searches_.find(gone->second.search);
        waiters_.erase(gone);
        if (search == searches_.end()) return;
        std::erase(search->second.waiters, id);
        if (search->second.waiters.empty()) end(search);
    });
}

void channel::end(std::map<std::uint64_t, searching>::iterator search) {
    searches_by_name_.erase(search->second.key);
    searches_.erase(search);
}

void channel::close() {
    turn([&] {
        closed_ = true;
        fail_all(asio::error::host_not_found_try_again);
        shut();
    });
}

// Those who wait in the child hear of it in the next turn: somebody else's lock may be held until Asio has told all.
void channel::after_fork(bool in_child) {
    if (in_child) {  // the questions are the parent's
        for (auto& [id, w] : waiters_) dropped_.push_back(std::move(w.done));
        waiters_.clear();
        searches_.clear();
        searches_by_name_.clear();
        stop_asking();
        shut();
        generation_ = resolve::fork_generation();
    }
    mutex_.unlock();
}

// --- What goes on in a turn ---

// Until nothing more follows from what has happened.
void channel::settle() {
    while (!waiters_.empty()) {
        while (!over_.empty()) {
            query* const over = over_.back();
            over_.pop_back();
            auto done = queries_.extract({over->name, over->type});
            hear(done.mapped());
        }
        while (!to_send_.empty() && out_ < std::max<std::size_t>(how_.max_queries, 1)) {
            const query_key key = std::move(to_send_.front());
            to_send_.pop_front();
            const auto next = queries_.find(key);
            const auto waits = [&](std::uint64_t asker) {
                return searches_.contains(asker) || waiters_.contains(asker);
            };
            if (std::ranges::any_of(next->second.askers, waits))
                send(next->second);
            else
                queries_.erase(next);
        }
        if (over_.empty()) break;
    }
    if (waiters_.empty()) {
        stop_asking();
        searches_.clear();
        searches_by_name_.clear();
        return;
    }
    wait_for_sockets();
    wait_for_time();
}

void channel::ask_for(std::uint64_t asker, const std::string& name, record_type type) {
    const auto [place, fresh] = queries_.try_emplace(
        {resolve::canonical(name), type}, query{.owner = this, .name = resolve::canonical(name), .type = type});
    place->second.askers.push_back(asker);
    if (fresh) to_send_.push_back(place->first);
}

// Servers that do not know EDNS say that the message is malformed. c-ares asks them again without, but for those of several
// questions that were out when the first of them was answered (1.18): these are asked again here.
void channel::hear(const query& over) {
    if (over.not_understood && !over.again) {
        const auto place = queries_.try_emplace({over.name, over.type}, over).first;
        place->second.again = true;
        place->second.given.reset();
        to_send_.push_back(place->first);
        return;
    }
    for (const std::uint64_t asker : over.askers) {
        if (searches_.contains(asker))
            hear(asker, over);
        else if (waiters_.contains(asker))
            finish(asker, *over.given);
    }
}

void channel::hear(std::uint64_t id, const query& over) {
    searching& s = searches_.at(id);
    const auto name = std::ranges::find(s.names, over.name, resolve::canonical);
    const search::query asked{static_cast<std::size_t>(name - s.names.begin()), family_of(over.type)};
    const answer& given = *over.given;
    s.brought.insert_or_assign({asked.name, over.type}, given);
    s.engine.on_outcome(asked,
        !given.addresses().empty()                         ? outcome::addresses
            : !given.error()                               ? outcome::nothing
            : given.error() == asio::error::host_not_found ? outcome::no_such_name
            : over.server_failed                           ? outcome::server_failed
                                                           : outcome::failed);
    go_on(id);
}

void channel::go_on(std::uint64_t id) {
    searching& s = searches_.at(id);
    for (auto queries = s.engine.next(); !queries.empty(); queries = s.engine.next())
        for (const search::query& each : queries) ask_for(id, s.names[each.name], type_of(each.of));
    std::erase_if(s.waiters, [&](std::uint64_t each) {
        const auto w = waiters_.find(each);
        if (w == waiters_.end()) return true;
        const auto end = s.engine.result(family_of(w->second.type));
        if (end) finish(each, result_of(s, *end, w->second.type));
        return end.has_value();
    });
    if (s.waiters.empty()) end(searches_.find(id));
}

answer channel::result_of(const searching& s, const search::end& end, record_type type) const {
    const auto found = s.brought.find({end.name, type});
    if (found == s.brought.end()) return answer{asio::error::host_not_found};  // no name can be made of it
    answer given = found->second;
    if (end.how == outcome::nothing && given.error())  // "no such name", and yet it has addresses of the other family
        given = answer{std::vector<asio::ip::address>{}}.ttl(given.ttl()).source(given.source());
    for (const auto& [before, other] : s.brought)
        if (before.first < end.name) limit(given, other);
    return given;
}

void channel::finish(std::uint64_t id, answer given) {
    const auto w = waiters_.find(id);
    deliveries_.emplace_back(std::move(w->second.done), std::move(given));
    waiters_.erase(w);
}

void channel::fail_all(error_code why) noexcept {
    try {
        for (auto& [id, w] : waiters_) deliveries_.emplace_back(std::move(w.done), answer{why});
    } catch (...) {}  // those that are left are dropped, which fails them as well
    waiters_.clear();
    searches_.clear();
    searches_by_name_.clear();
    stop_asking();
}

}  // namespace dial::dns
