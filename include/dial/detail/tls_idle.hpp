// Whether an idle TLS connection is still good: what a pool asks when its socket becomes readable. Compiled.
#pragma once

struct ssl_st;  // OpenSSL's SSL; its headers are the business of who uses them

namespace dial::detail {

// Takes in, without blocking, what the peer of an idle connection has sent. True if there was nothing, or only what TLS says on
// its own account: session tickets, key updates, a HelloRequest that is refused, the beginning of a record whose end is still to
// come. Then the stream can be used as before. False if there is anything else: application data, a good-bye (also one of ours),
// the end of the stream, an error of the socket, what is no TLS, a new handshake, or more at once than is reasonable.
//
// `ssl` is that of an asio::ssl::stream which has shaken hands, `descriptor` the socket right under it, blocking or not. Nobody
// else may use either during the call, and no read or write of the stream may be under way; waiting for the socket is fine.
//
// What Asio has read from the socket and OpenSSL not yet is looked at first. Application data stays there to be read. If the peer
// is to be answered (key updates, HelloRequests), that goes out with the next write of the user.
bool tls_is_quiet(ssl_st* ssl, int descriptor) noexcept;

}  // namespace dial::detail
