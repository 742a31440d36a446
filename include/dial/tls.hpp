// TLS over any connector: verified, with the right name, and resumed.
#pragma once

#include <dial/connector.hpp>
#include <dial/detail/tls_operation.hpp>
#include <dial/tls_options.hpp>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>

#include <memory>
#include <utility>

namespace dial {

/// TLS over TCP: what Beast and others take.
using tls_stream = boost::asio::ssl::stream<boost::asio::ip::tcp::socket>;

namespace detail {

template <connects Next>
auto make_tls(Next next, std::shared_ptr<const tls_client> client) {
    using inner = typename Next::stream_type;
    const connector<inner> inside{std::move(next)};
    return connector_access::make<asio::ssl::stream<inner>, tls_connector<inner>>(
        inside.get_executor(), connector_access::pointer(inside), std::move(client));
}

}  // namespace detail

/// TLS over what `next` connects, as a client, trusting whom the system trusts.
///
///   dial::connector<dial::tls_stream> c = dial::tls(dial::dialer(executor), dial::tls_options().alpn("http/1.1"));
///
/// Each connect shakes hands with the target, also through proxies: TLS 1.2 or newer; the certificate has to be valid and for
/// the target's host, which is sent as SNI. An address has to be in the certificate as an address, and is not sent (RFC 6066
/// section 3, RFC 9110 section 4.3.5). Sessions are resumed with the next connect to the same target: they are stored whenever
/// OpenSSL has one, in TLS 1.3 with the first read.
///
/// On top of what dialer::connect says, a connect through it
///
/// - Completes with `void(error_code, asio::ssl::stream<S>)`, S being the stream of `next`.
/// - Errors: of the handshake, those of OpenSSL in asio::error::get_ssl_category(), and asio::ssl::error::stream_truncated where
///   the server hung up; the report has the certificate's subject and issuer and the reason. `error::invalid_target` for a unix
///   socket without `server_name`. The stream is closed by then, without a good-bye.
///
/// Nothing is written through a path that can raise SIGPIPE: OpenSSL writes to memory, Asio to the socket.
template <detail::connects Next>
connector<boost::asio::ssl::stream<typename Next::stream_type>> tls(Next next, tls_options options = {}) {
    return detail::make_tls(std::move(next), std::make_shared<const detail::tls_client>(std::move(options)));
}

/// The same with a context of yours: its certificates, keys, ciphers and callbacks. Whether the peer is verified, the lowest
/// version and ALPN are set for each connection as above; a verify callback of the context decides as it does elsewhere.
/// Where it has no certificates to trust, those of the system are added to it (`tls_options::system_trust`). It may be
/// destroyed afterwards, but for its callbacks, and is not to be changed while somebody connects. Its callback for new sessions
/// is set, unless it has one: then that stores them, and nothing is resumed here.
template <detail::connects Next>
connector<boost::asio::ssl::stream<typename Next::stream_type>> tls(
    Next next, boost::asio::ssl::context& context, tls_options options = {}) {
    return detail::make_tls(std::move(next), std::make_shared<const detail::tls_client>(context, std::move(options)));
}

/// The same with a context that is moved in, and kept with its callbacks.
template <detail::connects Next>
connector<boost::asio::ssl::stream<typename Next::stream_type>> tls(
    Next next, boost::asio::ssl::context&& context, tls_options options = {}) {
    return detail::make_tls(
        std::move(next), std::make_shared<const detail::tls_client>(std::move(context), std::move(options)));
}

}  // namespace dial
