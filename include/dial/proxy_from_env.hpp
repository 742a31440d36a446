// Through the proxy that the environment names, if it names one.
#pragma once

#include <dial/connector.hpp>
#include <dial/detail/proxy_choice.hpp>
#include <dial/resolver.hpp>

#include <utility>

namespace dial {

/// Connects as the environment says: through the proxy in HTTPS_PROXY or ALL_PROXY, or directly.
///
/// The variables are read by this call, as curl reads them: https_proxy, HTTPS_PROXY, all_proxy, ALL_PROXY, the first that is not
/// empty; `[scheme://][user[:password]@]host[:port]`, user and password percent-encoded.
///
/// | scheme | |
/// |---|---|
/// | `http`, or none | http_tunnel(); port 80 |
/// | `socks5h` | socks5(), which resolves the name; port 1080 |
/// | `socks5` | socks5(), the name resolved here, by `names` |
/// | `socks4a` | socks4a() |
/// | `https`, `socks4` | each connect that is not direct fails with `error::proxy_unsupported`: an https proxy makes another type of stream, `http_tunnel(tls(...), ...)` |
///
/// no_proxy, or NO_PROXY, has the targets that are direct: names (`example.com` and `.example.com` mean the host and all names under
/// it, `*.example.com` those under it), addresses, blocks (`192.0.2.0/24`), each with a port if need be (`example.com:8443`), or
/// `*`. Unix sockets are direct. localhost and loopback are nothing special.
/// A variable that cannot be read makes each connect that is not direct fail with `error::invalid_option`; the report has why.
template <detail::connects Next>
connector<typename Next::stream_type> proxy_from_env(Next next, resolver names = {}) {
    using stream = typename Next::stream_type;
    const connector<stream> inside{std::move(next)};
    return detail::connector_access::make<stream, detail::proxy_choice_connector<stream>>(
        inside.get_executor(), inside, detail::read_proxy_environment(), std::move(names));
}

}  // namespace dial
