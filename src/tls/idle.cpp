#include <dial/detail/tls_idle.hpp>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <sys/socket.h>
#include <sys/types.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

namespace dial::detail {
namespace {

// Where OpenSSL reads from, for the time of one look.
struct source {
    BIO* first;  // what Asio has read, and OpenSSL not yet
    int descriptor;
    std::size_t left = 64 * 1024;  // for dozens of tickets; who sends them without end does not get the thread
    bool empty = false;
};

int read(BIO* bio, char* to, int size) {
    auto& from = *static_cast<source*>(::BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    const std::size_t most = std::min(from.left, static_cast<std::size_t>(size));
    ssize_t got = -1;
    if (most != 0 && ::BIO_ctrl_pending(from.first) != 0) {
        got = ::BIO_read(from.first, to, static_cast<int>(most));
    } else if (most != 0) {
        do got = ::recv(from.descriptor, to, most, MSG_DONTWAIT);
        while (got < 0 && errno == EINTR);
        from.empty = got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    }
    if (got > 0) from.left -= static_cast<std::size_t>(got);
    if (most == 0 || from.empty) BIO_set_retry_read(bio);
    return static_cast<int>(got);
}

// OpenSSL's own BIO for sockets would block where the socket does, and let the kernel take over TLS (kTLS) where that is allowed.
BIO_METHOD* make_method() {
    BIO_METHOD* const method = ::BIO_meth_new(BIO_TYPE_SOURCE_SINK, "dial: an idle connection");
    if (!method) return nullptr;
    ::BIO_meth_set_read(method, read);
    // Nothing is supported. Without it, whoever asks would be told -2, which reads as yes.
    ::BIO_meth_set_ctrl(method, [](BIO*, int, long, void*) { return 0L; });
    return method;
}

BIO* make_bio(source& from) {
    static BIO_METHOD* const method = make_method();  // kept: a pool may be destroyed after the statics
    BIO* const made = method ? ::BIO_new(method) : nullptr;
    if (!made) return nullptr;
    ::BIO_set_data(made, &from);
    ::BIO_set_init(made, 1);
    return made;
}

}  // namespace

// Asio feeds OpenSSL through a BIO whose other end it keeps to itself. So that BIO is replaced for a moment. A record of which a
// part is there is kept by the SSL, whichever BIO the rest comes from.
bool tls_is_quiet(ssl_st* ssl, int descriptor) noexcept {
    if (::SSL_get_shutdown(ssl) != 0) return false;
    BIO* const own = ::SSL_get_rbio(ssl);
    source from{own, descriptor};
    BIO* const instead = make_bio(from);
    if (!instead) {
        ::ERR_clear_error();
        return false;
    }
    ::BIO_up_ref(own);
    ::SSL_set0_rbio(ssl, instead);
    // Without it, OpenSSL would come back after each ticket.
    const bool goes_on = (::SSL_get_mode(ssl) & SSL_MODE_AUTO_RETRY) != 0;
    SSL_set_mode(ssl, SSL_MODE_AUTO_RETRY);
    ::ERR_clear_error();  // SSL_get_error looks at what others have left, too
    char byte;
    const int why = ::SSL_get_error(ssl, ::SSL_peek(ssl, &byte, 1));
    ::ERR_clear_error();
    if (!goes_on) SSL_clear_mode(ssl, SSL_MODE_AUTO_RETRY);
    ::SSL_set0_rbio(ssl, own);  // frees the other
    // In the middle of a handshake, writing would wait for the peer.
    return why == SSL_ERROR_WANT_READ && from.empty && ::SSL_is_init_finished(ssl);
}

}  // namespace dial::detail
