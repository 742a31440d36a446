#include <resolve/engine.hpp>

#include <algorithm>
#include <bit>
#include <numeric>

namespace dial::resolve {
namespace {

constexpr int link_local = 2, site_local = 5, global = 14;

std::size_t common_bits(std::span<const unsigned char> a, std::span<const unsigned char> b) {
    const auto [x, y] = std::ranges::mismatch(a, b);
    const auto equal = 8 * static_cast<std::size_t>(x - a.begin());
    if (x == a.end()) return equal;
    return equal + static_cast<std::size_t>(std::countl_zero(static_cast<unsigned char>(*x ^ *y)));
}

bool begins_with(const address& a, std::size_t length, const address& prefix) {
    return common_bits(a.bytes, prefix.bytes) >= length;
}

// Where a destination stands: a number for each rule of section 6, the first that differs decides, the lower is better.
// The RFC compares two at a time. Numbers come to the same, and cannot go in circles, as rule 9 could with a table that
// ranks both families alike (here, IPv6 is first then).
//
// Rule 9 is left out for IPv4, as section 6 allows ("Rules 9 and 10 MAY be superseded"). Behind NAT, the bits that a
// private source has in common with a public destination mean nothing; yet they would put one and the same address of a
// name first on all machines, and DNS could no longer spread the load (golang/go issue 13283). The C library compares
// within a subnet only, Go not at all.
using rank = std::array<int, 9>;

rank rank_of(const destination& d, std::span<const policy> policies) {
    const policy to = policy_for(d.to, policies);
    const bool scopes_match = d.from && scope_of(*d.from) == scope_of(d.to);
    const bool labels_match = d.from && policy_for(*d.from, policies).label == to.label;
    const int prefix = d.from && !is_v4(d.to) ? static_cast<int>(common_prefix_length(*d.from, d.to)) : 0;
    return {
        d.from ? 0 : 1,             // 1: avoid unusable destinations
        scopes_match ? 0 : 1,       // 2: prefer matching scope
        d.from_deprecated ? 1 : 0,  // 3: avoid deprecated addresses
        d.from_home ? 0 : 1,        // 4: prefer home addresses
        labels_match ? 0 : 1,       // 5: prefer matching label
        -to.precedence,             // 6: prefer higher precedence
        d.encapsulated ? 1 : 0,     // 7: prefer native transport
        scope_of(d.to),             // 8: prefer smaller scope
        -prefix,                    // 9: use longest matching prefix
    };                              // 10: otherwise, leave the order unchanged
}

}  // namespace

std::vector<std::size_t> order(std::span<const destination> all, std::span<const policy> policies) {
    std::vector<rank> ranks;
    for (const destination& d : all) ranks.push_back(rank_of(d, policies));
    std::vector<std::size_t> best_first(all.size());
    std::iota(best_first.begin(), best_first.end(), std::size_t{0});
    std::ranges::stable_sort(best_first, {}, [&](std::size_t i) -> const rank& { return ranks[i]; });
    return best_first;
}

policy policy_for(const address& a, std::span<const policy> policies) {
    policy best{.prefix = {}, .length = 0, .precedence = 0, .label = 0};
    for (const policy& p : policies)
        if (p.length >= best.length && begins_with(a, p.length, p.prefix)) best = p;
    return best;
}

int scope_of(const address& a) {
    static constexpr address loopback{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
    const auto& b = a.bytes;
    if (is_v4(a))
        return b[12] == 127 || (b[12] == 169 && b[13] == 254) ? link_local : global;  // private ones are global
    if (a.bytes == loopback.bytes) return link_local;
    if (b[0] == 0xff) return b[1] & 0xf;  // multicast says it itself
    if (begins_with(a, 10, {{0xfe, 0x80}})) return link_local;
    if (begins_with(a, 10, {{0xfe, 0xc0}})) return site_local;
    return global;
}

std::size_t common_prefix_length(const address& a, const address& b) {
    if (is_v4(a) != is_v4(b)) return 0;
    const std::size_t begin = is_v4(a) ? 12 : 0, size = is_v4(a) ? 4 : 8;
    return common_bits(std::span{a.bytes}.subspan(begin, size), std::span{b.bytes}.subspan(begin, size));
}

bool is_v4(const address& a) {
    return begins_with(a, 96, {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}});
}

}  // namespace dial::resolve
