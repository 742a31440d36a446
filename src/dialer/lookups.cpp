// The part of a dial that asks: the port of a service, the addresses of a name, and what the engine hears of them.
#include <dialer/operation.hpp>
#include <resolve/question.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory_resource>
#include <optional>
#include <utility>
#include <vector>

namespace dial::detail {
namespace {

// Bounds what a hostile answer can cause.
constexpr std::size_t most_addresses_of_a_family = 64;

race::family family_of(const asio::ip::address& a) {
    return a.is_v4() ? race::family::v4 : race::family::v6;
}

}  // namespace

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
    if (timer_) timer_->cancel();
}

}  // namespace dial::detail
