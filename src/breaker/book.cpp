#include <breaker/book.hpp>

#include <iterator>

namespace dial::breaking {

answer book::ask(std::string_view target, time_point now) {
    const auto known = by_target_.find(target);
    const auto found = known != by_target_.end() ? known->second : add(target);
    entries& list = found->breaker.is_closed() ? closed_ : tripped_;  // asking neither opens nor closes
    list.splice(list.end(), list, found);
    return found->breaker.ask(now);
}

void book::on_ended(std::string_view target, const permit& begun_with, outcome how, time_point now) noexcept {
    const auto known = by_target_.find(target);
    if (known == by_target_.end()) return;
    engine& breaker = known->second->breaker;
    entries& before = breaker.is_closed() ? closed_ : tripped_;
    breaker.on_ended(begun_with, how, now);
    entries& after = breaker.is_closed() ? closed_ : tripped_;
    after.splice(after.end(), before, known->second);
}

book::entries::iterator book::add(std::string_view target) {
    entries fresh;
    fresh.push_back({std::string{target}, engine{options_, next_identity_++}});
    while (by_target_.size() >= options_.max_targets()) drop_one();
    by_target_.emplace(fresh.front().target, fresh.begin());
    closed_.splice(closed_.end(), fresh);
    return std::prev(closed_.end());
}

void book::drop_one() {
    entries& list = closed_.empty() ? tripped_ : closed_;
    by_target_.erase(list.front().target);
    list.pop_front();
}

}  // namespace dial::breaking
