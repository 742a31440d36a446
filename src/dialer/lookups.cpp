// The part of a dial that asks: the port of a service, the hosts of one, the addresses of a name; and what the engine hears of
// the answers.
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

constexpr auto v6 = race::family::v6, v4 = race::family::v4;

race::family family_of(const asio::ip::tcp::endpoint& at) {
    return at.address().is_v4() ? v4 : v6;
}

}  // namespace

void dial_operation::begin() {
    begun_ = true;
    const target& to = what_.to();
    if (to.empty() || to.is_unix()) return fail_at_once(error::invalid_target);
    engine_->on_asked(v6);
    engine_->on_asked(v4);
    // Nothing is asked, and no system call made, for a dial that is over already.
    if (const auto step = engine_->next(now_); const auto* const end = std::get_if<race::finish>(&step))
        return finish(*end);
    if (to.service().empty()) return look_up();
    tell_phase("resolve", false);
    resolving_ = true;
    ask_for_port();
}

void dial_operation::ask_for_port() {
    tell_lookup(lookup_port, false);
    port_ticket_ = open_ticket(lookup_port);
    const auto ticket = port_ticket_;
    resolve::start_service_lookup(what_.to().service(), ticket);
    if (const auto early = ticket->started()) {
        port_ticket_.reset();
        hear_port(*early);
    }
}

void dial_operation::hear_port(const delivery& brought) {
    tell_lookup(lookup_port, true, brought.given.error() ? outcome::failed : outcome::done, &brought.given);
    if (const error_code error = brought.given.error()) {
        lookup_errors_.push_back(error);
        resolving_ = false;
        tell_phase("resolve", true, outcome::failed, error);
        return tell_the_engine_what_is_out();
    }
    port_ = brought.port;
    look_up();
}

void dial_operation::look_up() {
    const target& to = what_.to();
    if (port_ == 0) port_ = to.port();
    if (to.address() || to.is_localhost()) {
        if (std::exchange(resolving_, false)) tell_phase("resolve", true, outcome::done);  // the port was asked for
        if (to.address()) return take_literal(*to.address());
        const std::array<asio::ip::address, 2> loopback{
            asio::ip::address_v6::loopback(), asio::ip::address_v4::loopback()};
        plan_.aim_at(loopback, port_);
        return look_at_answers();
    }
    if (!std::exchange(resolving_, true)) tell_phase("resolve", false);
    if (settings_ && settings_->remembered) {
        memories_.emplace(network_memory{settings_->remembered, history::core::network_now()});
        if (memories_->of->goes_second(memories_->here, address_family::v6, {}, now_)) engine_->prefer(v4);
    }
    if (to.is_srv())
        plan_.aim_at_service(to.host());
    else
        plan_.aim_at(to.host(), port_);
    ask_questions();
    look_at_answers();
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
    plan_.aim_at({&address, 1}, port_);
    look_at_answers();
}

// --- Questions ---

void dial_operation::ask_questions() {
    while (const auto number = plan_.take_question()) ask(static_cast<unsigned>(*number));
}

void dial_operation::ask(unsigned number) {
    tell_lookup(number, false);
    const auto ticket = open_ticket(number);
    if (tickets_.size() <= number) tickets_.resize(number + 1);
    tickets_[number] = ticket;
    (settings_ ? settings_->names : resolver{}).start(lookup{plan_.at(number).what}, answer_handler{ticket});
    if (const auto early = ticket->started()) {
        tickets_[number].reset();
        hear(number, early->given);
    }
}

std::shared_ptr<lookup_ticket> dial_operation::open_ticket(unsigned which) {
    return lookup_ticket::open(executor_, shared_from_this(), which);
}

// --- Answers ---

void dial_operation::hear(unsigned number, const answer& given) {
    const error_code error = given.error();
    tell_lookup(number, true, error ? outcome::failed : outcome::done, &given);
    const bool about_addresses = plan_.at(number).what.family() != address_family::any;
    const error_code nothing = plan_.on_answer(number, given);
    if (about_addresses)
        lookup_errors_.push_back(error);
    else if (nothing)
        lookup_errors_.push_back(nothing);
}

// The race hears what there is now to try, and what may still come.
void dial_operation::look_at_answers() {
    tell_the_engine_what_is_known();
    tell_the_engine_what_is_out();
    if (plan_.any_out() || !std::exchange(resolving_, false)) return;
    const error_code why = known_.empty() ? resolve::why_no_addresses(lookup_errors_) : error_code{};
    tell_phase("resolve", true, why ? outcome::failed : outcome::done, why);
}

void dial_operation::tell_the_engine_what_is_out() {
    const bool service = plan_.is_out(record_type::srv);
    for (const auto& [family, record] : {std::pair{v6, record_type::aaaa}, std::pair{v4, record_type::a}}) {
        if (service || plan_.is_out(record))
            engine_->on_asked(family);
        else
            engine_->on_answered(family);
    }
    if (plan_.is_out(record_type::https))
        engine_->on_asked_for_service();
    else
        engine_->on_service_answered();
}

// New ones join those that are known, and the race; one that is no longer named is not tried.
void dial_operation::tell_the_engine_what_is_known() {
    const std::vector<plan::place> places = plan_.places();
    if (places.empty()) return;
    std::pmr::vector<race::candidate> sorted{&memory_};
    sorted.reserve(places.size());
    for (auto group = places.begin(); group != places.end();) {
        const auto end = std::find_if(group, places.end(), [&](const auto& p) { return p.group != group->group; });
        add_group({&*group, static_cast<std::size_t>(end - group)}, sorted);
        group = end;
    }
    engine_->on_addresses(sorted);
}

// In the order of RFC 6724, but for what is remembered.
void dial_operation::add_group(std::span<const plan::place> group, std::pmr::vector<race::candidate>& sorted) {
    std::pmr::vector<asio::ip::address> addresses{&memory_};
    addresses.reserve(group.size());
    for (const plan::place& p : group) addresses.push_back(p.at.address());
    std::optional<asio::ip::address_v4> from_v4 = with_.socket.local_v4;
    std::optional<asio::ip::address_v6> from_v6 = with_.socket.local_v6;
    if (settings_ && !settings_->sources_v4.empty()) from_v4 = settings_->sources_v4.front().to_v4();
    if (settings_ && !settings_->sources_v6.empty()) from_v6 = settings_->sources_v6.front().to_v6();
    const std::size_t before = sorted.size();
    for (const std::size_t i : resolve::destination_order(addresses, from_v4, from_v6)) {
        const asio::ip::tcp::endpoint& at = group[i].at;
        const auto known = std::find(known_.begin() + static_cast<std::ptrdiff_t>(first_known_), known_.end(), at);
        const auto index = static_cast<std::size_t>(known - known_.begin());
        if (known == known_.end()) known_.push_back(at);
        sorted.push_back({index, family_of(at), group[i].group});
    }
    if (memories_) go_by_memory(std::span{sorted}.subspan(before));
}

void dial_operation::go_by_memory(std::span<race::candidate> sorted) const {
    const history::core& of = *memories_->of;
    std::vector<asio::ip::address> addresses;
    for (race::candidate& c : sorted) {
        const asio::ip::address& to = known_[c.index].address();
        addresses.push_back(to);
        c.patience = of.attempt_delay(memories_->here, to, now_);
    }
    if (sorted.empty()) return;
    const race::family first = sorted.front().of;
    if (!of.goes_second(memories_->here, first == v6 ? address_family::v6 : address_family::v4, addresses, now_))
        return;
    std::stable_partition(sorted.begin(), sorted.end(), [first](const race::candidate& c) { return c.of != first; });
}

// The service has another host. What the one before has come to stays in the report.
bool dial_operation::aim_at_next() {
    close_lookups(outcome::failed);
    if (!plan_.aim_at_next()) return false;
    first_known_ = known_.size();
    engine_.emplace(rules_, now_, &memory_);
    if (memories_ && memories_->of->goes_second(memories_->here, address_family::v6, {}, now_)) engine_->prefer(v4);
    ask_questions();
    look_at_answers();
    return true;
}

void dial_operation::fail_at_once(error_code why) {
    result_ = why;
    finished_ = true;
    ended_ = now_;
    if (timer_) timer_->cancel();
}

}  // namespace dial::detail
