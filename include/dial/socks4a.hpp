// Through a SOCKS4a proxy.
#pragma once

#include <dial/detail/exchange_makers.hpp>

#include <string>
#include <utility>

namespace dial {

/// Connects through the SOCKS4a proxy at `proxy`, which `next` connects to. A name goes to the proxy as a name; there is no IPv6.
/// `user` is for a proxy that asks this machine's identd. For the rest as socks5(); errors: the proxy's replies are in
/// `socks4_category()`.
template <detail::connects Next>
connector<typename Next::stream_type> socks4a(Next next, target proxy, std::string user = {}) {
    return detail::through(std::move(next), std::move(proxy), detail::make_socks4a(std::move(user)));
}

}  // namespace dial
