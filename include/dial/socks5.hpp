// Through a SOCKS5 proxy.
#pragma once

#include <dial/credentials.hpp>
#include <dial/detail/exchange_makers.hpp>

#include <utility>

namespace dial {

/// Connects through the SOCKS5 proxy at `proxy` (RFC 1928), which `next` connects to; with credentials, if the proxy asks for them
/// (RFC 1929, in the clear).
///
///   dial::socks5(dial::dialer(executor), "proxy.internal:1080", {"user", "password"})
///
/// A name goes to the proxy as a name, which the proxy resolves; to have it resolved here, put resolved() around. `next` may be any
/// connector: also another proxy's, for a chain. Bytes that the target sends right after the proxy's reply are the stream's:
/// nothing is read past the reply.
///
/// - Errors: those of `next` in reaching the proxy; the proxy's replies in `socks5_category()`;
///   `error::proxy_authentication_required` and `error::proxy_authentication_failed`; `error::proxy_protocol` for what is no reply;
///   `error::proxy_closed`; `error::invalid_target` for what no proxy can be asked for (a unix socket, a service, an address with
///   a zone) and `error::invalid_option` for credentials that are too long, before any system call. The report has the phase as
///   "proxy".
/// - Deadline and cancellation count in every step. The connection to the proxy is closed by the time of a failure.
template <detail::connects Next>
connector<typename Next::stream_type> socks5(Next next, target proxy, credentials who = {}) {
    return detail::through(std::move(next), std::move(proxy), detail::make_socks5(std::move(who)));
}

}  // namespace dial
