#include <cache/engine.hpp>

#include <algorithm>

namespace dial::caching {
namespace {

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace

duration time_to_keep(const rules& r, kind what, const std::optional<duration>& ttl) {
    if (what == kind::failure) return duration::zero();
    const duration ceiling = what == kind::negative ? std::min(r.max_ttl, r.max_negative_ttl) : r.max_ttl;
    return std::min(std::max(ttl.value_or(r.default_ttl), r.min_ttl), ceiling);
}

// FNV-1a
std::size_t question_hash::operator()(const question& q) const noexcept {
    std::uint64_t hash = 14695981039346656037u ^ q.type;
    for (const char c : q.name) hash = (hash ^ static_cast<unsigned char>(lower(c))) * 1099511628211u;
    return static_cast<std::size_t>(hash);
}

bool same_question::same(const question& a, const question& b) noexcept {
    return a.type == b.type && std::ranges::equal(a.name, b.name, {}, lower, lower);
}

}  // namespace dial::caching
