// Through a proxy that a configuration names.
#pragma once

#include <dial/connector.hpp>
#include <dial/detail/proxy_choice.hpp>
#include <dial/resolver.hpp>

#include <string_view>
#include <utility>

namespace dial {

/// Connects everything through the proxy at `url`, whose forms are those of proxy_from_env().
///
///   dial::proxy_from_url(dial::dialer(executor), "socks5h://user:password@proxy.internal:1080")
///
/// A URL that cannot be read makes each connect fail with `error::invalid_option`; the report has why, without the credentials.
/// An https proxy is spoken to over TLS, which `next` has to bring: `proxy_from_url(tls(...), "https://...")`.
template <detail::connects Next>
connector<typename Next::stream_type> proxy_from_url(Next next, std::string_view url, resolver names = {}) {
    using stream = typename Next::stream_type;
    const connector<stream> inside{std::move(next)};
    return detail::connector_access::make<stream, detail::proxy_choice_connector<stream>>(
        inside.get_executor(), inside, detail::read_proxy_url(url), std::move(names));
}

/// Whether the proxy at `url` is spoken to over TLS: its scheme is https.
bool proxy_speaks_tls(std::string_view url);

}  // namespace dial
