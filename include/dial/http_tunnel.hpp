// Through an HTTP proxy.
#pragma once

#include <dial/detail/exchange_makers.hpp>
#include <dial/tunnel_options.hpp>

#include <utility>

namespace dial {

/// Connects through the HTTP proxy at `proxy`, which `next` connects to, by CONNECT (RFC 9110 section 9.3.6). Whatever is spoken
/// in the tunnel, to the proxy it is bytes.
///
///   dial::http_tunnel(dial::dialer(executor), "proxy.internal:3128", dial::tunnel_options({"user", "password"}))
///   dial::http_tunnel(dial::tls(dial::dialer(executor)), "proxy.internal:443")     // a proxy that is spoken to over TLS
///
/// A name goes to the proxy as a name. Bytes that the target sends right after the proxy's answer are the stream's: nothing is
/// read past the answer.
///
/// - Errors: those of `next` in reaching the proxy; `error::proxy_authentication_required` (status 407), or
///   `error::proxy_authentication_failed` where there were credentials; any other status that opens no tunnel, in `http_category()`; `error::proxy_protocol` for what is no answer, or one whose head is larger than
///   `tunnel_options::max_head`; `error::proxy_closed`; `error::invalid_option` and `error::invalid_target`, before any system
///   call. The report has the phase as "proxy".
/// - Deadline and cancellation count in every step. The connection to the proxy is closed by the time of a failure.
template <detail::connects Next>
connector<typename Next::stream_type> http_tunnel(Next next, target proxy, tunnel_options options = {}) {
    return detail::through(std::move(next), std::move(proxy), detail::make_tunnel(std::move(options)));
}

}  // namespace dial
