#include <dialer/plan.hpp>

#include <dns/order.hpp>

#include <boost/asio/error.hpp>

#include <algorithm>
#include <utility>

namespace dial::detail {
namespace {

namespace asio = boost::asio;

// Bound what hostile answers can cause.
constexpr std::size_t most_addresses = 64;  // of one family, of one host
constexpr std::size_t most_hosts = 8;       // that records of one host may lead to
constexpr std::size_t most_places = 256;
constexpr int most_aliases = 8;

constexpr std::uint16_t https_port = 443, http_port = 80;

std::string without_final_dot(std::string name) {
    if (name.size() > 1 && name.ends_with('.')) name.pop_back();
    return name;
}

bool same_name(const std::string& a, const std::string& b) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    return std::ranges::equal(a, b, {}, lower, lower);
}

// Where a record says "here": the name that was asked for.
bool is_here(const std::string& host) {
    return host == "." || host.empty();
}

// Found in DNS, so it is a name from the root on, which no search domain goes behind.
std::string absolute(const std::string& name) {
    return name.ends_with('.') ? name : name + '.';
}

}  // namespace

plan::plan(address_family wanted, bool https_records, std::function<std::uint32_t(std::uint32_t)> random)
    : wanted_{wanted}, https_records_{https_records}, random_{std::move(random)} {}

void plan::aim_at(const std::string& name, std::uint16_t port) {
    port_ = port;
    hosts_.push_back({.name = name, .v6 = {}, .v4 = {}});
    if (https_records_) ask_for_bindings(0);
    ask(0, record_type::aaaa);
    ask(0, record_type::a);
}

void plan::aim_at(std::span<const asio::ip::address> known, std::uint16_t port) {
    port_ = port;
    host& here = hosts_.emplace_back();
    here.v6_answered = here.v4_answered = true;
    for (const auto& a : known) (a.is_v4() ? here.v4 : here.v6).push_back(a);
}

void plan::aim_at_service(const std::string& name) {
    ask(0, record_type::srv, name);
}

bool plan::aim_at_next() {
    if (next_hosts_.empty()) return false;
    close_questions();
    hosts_.clear();
    bindings_.clear();
    aliases_ = 0;
    const service_record next = std::move(next_hosts_.front());
    next_hosts_.erase(next_hosts_.begin());
    aim_at(absolute(next.host), next.port);
    return true;
}

// --- Questions ---

void plan::ask(std::size_t of, record_type type) {
    if (type == record_type::aaaa && !wants(address_family::v6))
        hosts_[of].v6_answered = true;
    else if (type == record_type::a && !wants(address_family::v4))
        hosts_[of].v4_answered = true;
    else
        ask(of, type, hosts_[of].name);
}

void plan::ask(std::size_t of, record_type type, const std::string& name) {
    questions_.push_back({lookup{name, type}, of});
}

// A host at another port than that of its scheme has its records below that port's number (RFC 9460 section 9.1).
void plan::ask_for_bindings(std::size_t of) {
    const std::string& name = hosts_[of].name;
    const bool at_the_name = port_ == https_port || port_ == http_port || aliases_ != 0;
    ask(of, record_type::https, at_the_name ? name : '_' + std::to_string(port_) + "._https." + name);
}

std::size_t plan::find_or_ask(const std::string& name) {
    const std::string wanted = without_final_dot(name);
    const auto is_it = [&](const host& h) { return same_name(without_final_dot(h.name), wanted); };
    const auto known = std::ranges::find_if(hosts_, is_it);
    const auto index = static_cast<std::size_t>(known - hosts_.begin());
    if (known != hosts_.end()) return index;
    hosts_.push_back({.name = absolute(name), .v6 = {}, .v4 = {}});
    ask(index, record_type::aaaa);
    ask(index, record_type::a);
    return index;
}

std::optional<std::size_t> plan::take_question() {
    if (taken_ == questions_.size()) return {};
    return taken_++;
}

void plan::close_questions() {
    for (question& q : questions_) q.open = false;
    taken_ = questions_.size();
}

bool plan::is_out(record_type type) const {
    return std::ranges::any_of(questions_, [&](const question& q) { return q.open && q.what.type() == type; });
}

bool plan::any_out() const {
    return std::ranges::any_of(questions_, &question::open);
}

// --- Answers ---

error_code plan::on_answer(std::size_t number, const answer& given) {
    question& asked = questions_[number];
    if (!std::exchange(asked.open, false)) return {};
    switch (asked.what.type()) {
        case record_type::aaaa:
        case record_type::a: {
            host& of = hosts_[asked.host];
            const bool v4 = asked.what.type() == record_type::a;
            (v4 ? of.v4_answered : of.v6_answered) = true;
            auto& into = v4 ? of.v4 : of.v6;
            for (const auto& a : given.addresses()) {
                if (into.size() == most_addresses) break;
                if (a.is_v4() == v4 && std::ranges::find(into, a) == into.end()) into.push_back(a);
            }
            return {};
        }
        case record_type::srv:
            if (given.error()) return given.error();
            if (given.services().empty()) return asio::error::no_data;
            hear_services(given);
            if (next_hosts_.empty()) return asio::error::service_not_found;
            aim_at_next();
            return {};
        case record_type::svcb:
        case record_type::https: hear_bindings(asked.host, given); return {};
    }
    return {};
}

// "." says that there is no such service.
void plan::hear_services(const answer& given) {
    next_hosts_ = dns::srv_order(given.services(), random_);
    std::erase_if(next_hosts_, [](const service_record& s) { return is_here(s.host) || s.port == 0; });
}

// What cannot be used, or leads too far, is as if it were not there: the host's own addresses are.
void plan::hear_bindings(std::size_t of, const answer& given) {
    if (const service_binding* const alias = dns::alias_of(given.bindings(), random_)) {
        if (is_here(alias->host) || hosts_.size() >= most_hosts || aliases_++ == most_aliases) return;
        const std::size_t known = hosts_.size();
        const std::size_t target = find_or_ask(alias->host);
        if (target != known) return;  // back to where it came from
        bindings_ = {{target, port_, {}}};
        return ask_for_bindings(target);
    }
    std::vector<binding> found;
    for (const service_binding& each : dns::binding_order(given.bindings(), random_)) {
        const bool elsewhere = !is_here(each.host);
        if (elsewhere && hosts_.size() >= most_hosts) continue;
        found.push_back({elsewhere ? find_or_ask(each.host) : of, each.port.value_or(port_), each.hints});
    }
    if (!found.empty()) bindings_ = std::move(found);
}

// --- Places ---

// Hints are for the time until the addresses themselves are there (RFC 9460 section 7.3).
void plan::add(std::vector<place>& all, const binding& from, std::size_t group) const {
    const auto put = [&](const asio::ip::address& a) {
        const asio::ip::tcp::endpoint at{a, from.port};
        if (!wants(a.is_v4() ? address_family::v4 : address_family::v6) || all.size() == most_places) return;
        if (std::ranges::find(all, at, &place::at) == all.end()) all.push_back({at, group});
    };
    const host& of = hosts_[from.host];
    for (const auto& a : of.v6) put(a);
    for (const auto& a : of.v4) put(a);
    for (const auto& a : from.hints)
        if (!(a.is_v4() ? of.v4_answered : of.v6_answered)) put(a);
}

// The host itself comes last where its records lead elsewhere: it is what is left when they fail (section 3).
std::vector<plan::place> plan::places() const {
    std::vector<place> all;
    for (std::size_t group = 0; group != bindings_.size(); ++group) add(all, bindings_[group], group);
    if (!hosts_.empty()) add(all, {0, port_, {}}, bindings_.size());
    return all;
}

}  // namespace dial::detail
