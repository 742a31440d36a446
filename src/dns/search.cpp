#include <dns/search.hpp>

#include <algorithm>
#include <utility>

namespace dial::dns {
namespace {

constexpr std::size_t longest_name = 253;  // of its 255 bytes, a length byte in front and the root at the end

constexpr std::array both{family::v6, family::v4};

family other(family f) {
    return f == family::v4 ? family::v6 : family::v4;
}

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool same_name(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b, {}, lower, lower);
}

}  // namespace

// --- Names ---

std::vector<std::string> names_for(std::string_view name, std::span<const std::string> domains, int ndots) {
    std::vector<std::string> names;
    const auto add = [&](std::string candidate) {
        const auto is_same = [&](const std::string& known) { return same_name(known, candidate); };
        if (candidate.empty() || candidate.size() > longest_name || std::ranges::any_of(names, is_same)) return;
        names.push_back(std::move(candidate));
    };
    const bool is_absolute = name.ends_with('.');
    if (is_absolute) name.remove_suffix(1);
    const bool is_first = is_absolute || std::ranges::count(name, '.') >= ndots;
    if (is_first) add(std::string{name});
    if (is_absolute || name.empty()) return names;
    for (std::string_view domain : domains) {
        if (domain.starts_with('.')) domain.remove_prefix(1);
        if (domain.ends_with('.')) domain.remove_suffix(1);
        add(std::string{name}.append(domain.empty() ? "" : ".").append(domain));
    }
    add(std::string{name});
    return names;
}

// --- The search ---

search::search(std::size_t names) : names_{names} {
    if (names_ != 0) return;
    for (state& s : states_) s.ended = end{outcome::no_such_name, 0};
}

std::vector<search::query> search::next() {
    std::vector<query> now;
    for (const family f : both) {
        state& s = state_of(f);
        if (s.out || is_settled(f) || !(s.wanted || is_to_be_probed(f))) continue;
        s.out = true;
        now.push_back({current_, f});
    }
    return now;
}

void search::on_outcome(const query& q, outcome came) {
    state& s = state_of(q.of);
    if (q.name != current_ || !s.out) return;
    s.out = false;
    s.here = came;
    for (const family f : both)
        if (!state_of(f).ended) state_of(f).ended = verdict(f);
    if (is_to_go_on()) go_on();
}

bool search::found() const {
    return std::ranges::any_of(states_, [](const state& s) { return s.here == outcome::addresses; });
}

// There is nothing more to learn of it at the current name.
bool search::is_settled(family f) const {
    return state_of(f).here || state_of(f).ended;
}

// As far as this family is concerned, the current name is not the one, though another may be. One that exists is left if
// there is no address of the other family either; that is not known where the other one failed.
bool search::is_to_go_on(family f) const {
    const state& s = state_of(f);
    if (s.here == outcome::nothing) return state_of(other(f)).here != outcome::failed;
    return s.here == outcome::no_such_name || s.here == outcome::server_failed;
}

bool search::is_to_be_probed(family f) const {
    return !is_last() && state_of(other(f)).wanted && is_to_go_on(other(f));
}

bool search::is_to_go_on() const {
    return !is_last() && !found() && std::ranges::all_of(both, [this](family f) { return is_settled(f); }) &&
        std::ranges::any_of(both, [this](family f) { return is_to_go_on(f); });
}

void search::go_on() {
    for (state& s : states_) {
        if (s.here == outcome::server_failed && !s.server_failed) s.server_failed = current_;
        if (s.here == outcome::nothing && !s.nothing) s.nothing = current_;
        s.here.reset();
    }
    ++current_;
}

std::optional<search::end> search::verdict(family f) const {
    const state& s = state_of(f);
    if (!s.here) return {};
    if (s.here == outcome::addresses || s.here == outcome::failed) return end{*s.here, current_};
    // The name is there, whatever the server says when it is asked for this family (RFC 4074 section 4.2).
    if (found()) return end{s.here == outcome::server_failed ? *s.here : outcome::nothing, current_};
    if (is_last() || (is_settled(other(f)) && !is_to_go_on(f))) return summary_of(s);
    return {};
}

// It was found nowhere. Where a server failed it may be there, so that is what is said, else that some name exists.
search::end search::summary_of(const state& s) const {
    if (s.server_failed) return end{outcome::server_failed, *s.server_failed};
    if (s.here == outcome::server_failed) return end{outcome::server_failed, current_};
    if (s.nothing) return end{outcome::nothing, *s.nothing};
    return end{*s.here, current_};
}

}  // namespace dial::dns
