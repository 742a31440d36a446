// What dial keeps with each TLS connection: where its sessions go, and what its certificate failed for.
#pragma once

#include <dial/detail/tls_client.hpp>

#include <openssl/ssl.h>

#include <memory>
#include <string>

namespace dial::detail::tls {

struct ssl_free {
    void operator()(SSL* connection) const noexcept { ::SSL_free(connection); }
};
using ssl_pointer = std::unique_ptr<SSL, ssl_free>;

// Has the context hand over sessions, whenever the server sends them. False if the context's owner takes them himself.
bool keep_sessions(SSL_CTX* context);

// False if there is no memory.
bool remember(SSL* connection, std::shared_ptr<session_cache> sessions, std::string host);

// Verifies the peer, or not; what a certificate fails for is kept. The context's own callback decides, if it has one.
void verify(SSL* connection, bool on);

// Takes a session of the host, if one is kept.
void resume(SSL* connection);

// The handshake has failed: if it was with a session, that and its like are not tried again.
void forget_sessions(const SSL* connection);

handshake_story tell(const SSL* connection);

}  // namespace dial::detail::tls
