// Decides which address of a name is the best to connect to: destination address selection (RFC 6724). Pure: no socket;
// the source that the kernel would use for each destination comes in (source_address.hpp finds it).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace dial::resolve {

// An IPv6 address, or an IPv4 address mapped into one, as which RFC 6724 looks at it (section 2). A type of its own,
// because that of Asio comes with sockets.
struct address {
    std::array<unsigned char, 16> bytes{};
    std::uint32_t scope_id = 0;  // as in sockaddr_in6: the interface of a link-local address
    bool operator==(const address&) const = default;
};

bool is_v4(const address& a);

// A place to go, and what is known of the way there. Linux tells `from` alone without netlink; where the rest is not
// known, rules 3, 4 and 7 have nothing to say.
struct destination {
    address to;
    std::optional<address> from = {};  // the source address; none: there is no route
    bool from_deprecated = false;      // rule 3: the source is past its preferred lifetime
    bool from_home = false;            // rule 4: the source is a home address (Mobile IPv6)
    bool encapsulated = false;         // rule 7: the way there is a tunnel
};

// A line of the policy table. It holds for the addresses that begin with `length` bits of `prefix`, unless another line
// has a longer prefix for them.
struct policy {
    address prefix;
    std::size_t length;
    int precedence;  // the higher the better
    int label;       // a source is for destinations of its own label
};

// Section 2.1. (There is no way yet to read another one: gai.conf(5) belongs to the C library.)
// clang-format off
inline constexpr std::array<policy, 9> default_policies{{
    {{{0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1}},        128, 50,  0},  // ::1            loopback
    {{},                                            0, 40,  1},  // ::/0           IPv6
    {{{0,0,0,0,0,0,0,0,0,0,0xff,0xff,0,0,0,0}},    96, 35,  4},  // ::ffff:0:0/96  IPv4
    {{{0x20,0x02}},                                16, 30,  2},  // 2002::/16      6to4
    {{{0x20,0x01}},                                32,  5,  5},  // 2001::/32      Teredo
    {{{0xfc}},                                      7,  3, 13},  // fc00::/7       unique local
    {{},                                           96,  1,  3},  // ::/96          IPv4-compatible
    {{{0xfe,0xc0}},                                10,  1, 11},  // fec0::/10      site-local
    {{{0x3f,0xfe}},                                16,  1, 12},  // 3ffe::/16      6bone
}};
// clang-format on

// The destinations by index, best first (section 6). Equal ones keep their order.
std::vector<std::size_t> order(std::span<const destination> all, std::span<const policy> policies = default_policies);

// --- What the rules are made of ---

// The line for an address; precedence and label are 0 where a table has none.
policy policy_for(const address& a, std::span<const policy> policies = default_policies);

// Sections 3.1 to 3.4, by the numbers of multicast scopes: 2 is link-local, 5 site-local, 14 global.
int scope_of(const address& a);

// How many bits two addresses have in common at their beginning (section 2.2): of 32 for two of IPv4; of 64 for two of
// IPv6, since the rest usually names a host in its network; none for one of each.
std::size_t common_prefix_length(const address& a, const address& b);

}  // namespace dial::resolve
