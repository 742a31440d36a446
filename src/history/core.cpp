#include <history/core.hpp>

#include <resolve/fork_guard.hpp>
#include <resolve/source_address.hpp>

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <string_view>
#include <vector>

namespace dial {
namespace {

using remembering::network;
using resolve::from_asio;

// As many bytes as the family has: an address of one never equals one of the other.
std::string_view bytes_of(const sockaddr& any) {
    const bool v4 = any.sa_family == AF_INET;
    const std::size_t offset = v4 ? offsetof(sockaddr_in, sin_addr) : offsetof(sockaddr_in6, sin6_addr);
    return {reinterpret_cast<const char*>(&any) + offset, v4 ? sizeof(in_addr) : sizeof(in6_addr)};
}

bool tells_the_network(const ifaddrs& each) {
    if (!each.ifa_addr || !(each.ifa_flags & IFF_UP) || (each.ifa_flags & IFF_LOOPBACK)) return false;
    if (each.ifa_addr->sa_family == AF_INET) return true;
    if (each.ifa_addr->sa_family != AF_INET6) return false;
    const std::string_view bytes = bytes_of(*each.ifa_addr);
    const auto first = static_cast<unsigned char>(bytes[0]), second = static_cast<unsigned char>(bytes[1]);
    return !(first == 0xfe && (second & 0xc0) == 0x80);  // a link-local one is the same everywhere
}

}  // namespace

network history::core::network_now() {
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) != 0) return {};
    const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner{list, ::freeifaddrs};
    std::vector<std::string_view> addresses;
    for (const ifaddrs* each = list; each; each = each->ifa_next)
        if (tells_the_network(*each)) addresses.push_back(bytes_of(*each->ifa_addr));
    std::ranges::sort(addresses);
    std::string all;
    for (const std::string_view bytes : addresses) (all += static_cast<char>(bytes.size())) += bytes;
    return {std::hash<std::string>{}(all)};
}

bool history::core::goes_second(const network& where, address_family f,
    std::span<const boost::asio::ip::address> candidates, time_point now) const {
    std::vector<resolve::address> all;
    all.reserve(candidates.size());
    for (const auto& each : candidates) all.push_back(from_asio(each));
    const auto family = f == address_family::v4 ? remembering::family::v4 : remembering::family::v6;
    const std::lock_guard lock{resolve::process_mutex()};
    return engine_.goes_second(where, family, all, now);
}

std::optional<duration> history::core::attempt_delay(
    const network& where, const boost::asio::ip::address& to, time_point now) const {
    const std::lock_guard lock{resolve::process_mutex()};
    return engine_.attempt_delay(where, from_asio(to), now);
}

void history::core::remember(const network& where, std::span<const attempt> all, time_point now) noexcept try {
    std::vector<remembering::attempt> attempts;
    attempts.reserve(all.size());
    for (const attempt& a : all) attempts.push_back({from_asio(a.to), a.how, a.started, a.took});
    const std::lock_guard lock{resolve::process_mutex()};
    engine_.remember(where, attempts, now);
} catch (const std::bad_alloc&) {}

std::size_t history::core::size(time_point now) {
    const std::lock_guard lock{resolve::process_mutex()};
    return engine_.size(now);
}

void history::core::clear() {
    const std::lock_guard lock{resolve::process_mutex()};
    engine_.clear();
}

}  // namespace dial
