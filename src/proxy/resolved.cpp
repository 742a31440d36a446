#include <dial/detail/resolved_operation.hpp>

#include <resolve/question.hpp>

#include <algorithm>

namespace dial::detail {

std::vector<asio::ip::address> addresses_to_ask_for(const std::array<answer, 2>& v4_and_v6) {
    constexpr std::size_t most = 4;
    std::vector<asio::ip::address> all;
    for (const answer& each : v4_and_v6)
        for (const asio::ip::address& address : each.addresses())
            if (all.size() != most && std::ranges::find(all, address) == all.end()) all.push_back(address);
    std::ranges::reverse(all);
    return all;
}

error_code why_nothing_to_ask_for(const std::array<answer, 2>& v4_and_v6) {
    const std::array<error_code, 2> errors{v4_and_v6[0].error(), v4_and_v6[1].error()};
    return resolve::why_no_addresses(errors);
}

bool is_about_one_address(const error_code& ec) {
    return ec.category() == socks5_category() || ec.category() == socks4_category() ||
        ec.category() == http_category() || ec == error::invalid_target;
}

target at_address(const target& host, const asio::ip::address& address) {
    if (host.service().empty()) return {address.to_string(), static_cast<long long>(host.port())};
    return {address.to_string(), host.service()};
}

}  // namespace dial::detail
