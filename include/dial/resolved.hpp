// Names looked up here rather than by a proxy.
#pragma once

#include <dial/connector.hpp>
#include <dial/detail/resolved_operation.hpp>
#include <dial/resolver.hpp>

#include <utility>

namespace dial {

/// Looks up the target's name here, and has `next` connect to its addresses: for a proxy that cannot, or shall not, resolve.
///
///   dial::resolved(dial::socks5(dial::dialer(executor), "proxy.internal:1080"), names)
///
/// Both families are asked for at once. The addresses are tried one after the other, IPv4 first, four at most, as long as the proxy
/// says that it cannot reach one. `localhost` is 127.0.0.1, the proxy's own. What is no name goes through as it is. `names`: the
/// system's resolver, if empty. Right above a dialer it is of no use: that resolves by itself, and races.
///
/// - Errors: what the resolver says, `error::no_addresses`, and those of `next`.
template <detail::connects Next>
connector<typename Next::stream_type> resolved(Next next, resolver names = {}) {
    using stream = typename Next::stream_type;
    const connector<stream> inside{std::move(next)};
    return detail::connector_access::make<stream, detail::resolved_connector<stream>>(
        inside.get_executor(), detail::connector_access::pointer(inside), std::move(names));
}

}  // namespace dial
