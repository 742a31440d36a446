#include <tls/connection.hpp>

#include <tls/session_cache.hpp>

#include <openssl/bio.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include <chrono>
#include <string_view>
#include <utility>

namespace dial::detail::tls {
namespace {

struct memory {
    std::shared_ptr<session_cache> sessions;
    std::string host;
    std::string subject, issuer, reason;  // of the certificate that was not accepted
    bool tried_to_resume = false;
};

void forget(void*, void* kept, CRYPTO_EX_DATA*, int, long, void*) {
    delete static_cast<memory*>(kept);
}

// Where the memory is kept in a connection: one place for the whole process.
int place() {
    static const int index = ::SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, forget);
    return index;
}

memory* memory_of(const SSL* connection) {
    return static_cast<memory*>(::SSL_get_ex_data(connection, place()));
}

// One line, as RFC 2253 writes names, in UTF-8.
std::string name_text(const X509_NAME* name) {
    if (!name) return {};
    const std::unique_ptr<BIO, decltype(&::BIO_free)> out{::BIO_new(::BIO_s_mem()), &::BIO_free};
    if (!out || ::X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) < 0) return {};
    char* text = nullptr;
    const long size = BIO_get_mem_data(out.get(), &text);
    return size > 0 ? std::string{text, static_cast<std::size_t>(size)} : std::string{};
}

// A name in a certificate may be of any length.
std::string bounded(std::string text) {
    constexpr std::size_t longest = 256;
    if (text.size() > longest) text.replace(longest, std::string::npos, "...");
    return text;
}

int on_certificate(int accepted, X509_STORE_CTX* store) {
    auto* const connection =
        static_cast<SSL*>(::X509_STORE_CTX_get_ex_data(store, ::SSL_get_ex_data_X509_STORE_CTX_idx()));
    if (!connection) return accepted;
    if (const auto own = ::SSL_CTX_get_verify_callback(::SSL_get_SSL_CTX(connection))) accepted = own(accepted, store);
    memory* const kept = memory_of(connection);
    if (accepted || !kept) return accepted;
    if (const X509* const certificate = ::X509_STORE_CTX_get_current_cert(store)) {
        kept->subject = bounded(name_text(::X509_get_subject_name(certificate)));
        kept->issuer = bounded(name_text(::X509_get_issuer_name(certificate)));
    }
    const int why = ::X509_STORE_CTX_get_error(store);
    kept->reason = why == X509_V_OK ? "not accepted by the program" : ::X509_verify_cert_error_string(why);
    return accepted;
}

// OpenSSL calls it whenever a session is complete: in TLS 1.3 that is with the first read after the handshake.
int on_session(SSL* connection, SSL_SESSION* session) {
    memory* const kept = memory_of(connection);
    if (!kept || !kept->sessions) return 0;
    // A copy: the connection's own is of no use any more once that is closed without a good-bye.
    if (SSL_SESSION* const copy = ::SSL_SESSION_dup(session)) kept->sessions->store(kept->host, session_pointer{copy});
    return 0;
}

std::string_view chosen_protocol(const SSL* connection) {
    const unsigned char* name = nullptr;
    unsigned size = 0;
    ::SSL_get0_alpn_selected(connection, &name, &size);
    return {reinterpret_cast<const char*>(name), size};
}

}  // namespace

bool keep_sessions(SSL_CTX* context) {
    const auto own = ::SSL_CTX_sess_get_new_cb(context);
    if (own && own != on_session) return false;
    const long mode = ::SSL_CTX_get_session_cache_mode(context);
    ::SSL_CTX_set_session_cache_mode(context, mode | SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    ::SSL_CTX_sess_set_new_cb(context, on_session);
    return true;
}

bool remember(SSL* connection, std::shared_ptr<session_cache> sessions, std::string host) {
    auto kept = std::make_unique<memory>();
    kept->sessions = std::move(sessions);
    kept->host = std::move(host);
    if (::SSL_set_ex_data(connection, place(), kept.get()) != 1) return false;
    kept.release();
    return true;
}

void verify(SSL* connection, bool on) {
    if (on)
        ::SSL_set_verify(connection, SSL_VERIFY_PEER, on_certificate);
    else
        ::SSL_set_verify(connection, SSL_VERIFY_NONE, nullptr);
}

void resume(SSL* connection) {
    memory* const kept = memory_of(connection);
    if (!kept || !kept->sessions) return;
    if (const session_pointer session = kept->sessions->take(kept->host, std::chrono::system_clock::now()))
        kept->tried_to_resume = ::SSL_set_session(connection, session.get()) == 1;
}

void forget_sessions(const SSL* connection) {
    const memory* const kept = memory_of(connection);
    if (kept && kept->sessions && kept->tried_to_resume) kept->sessions->drop(kept->host);
}

handshake_story tell(const SSL* connection) {
    handshake_story story;
    const auto add = [&](std::string name, std::string value) {
        if (!value.empty()) story.details.emplace_back(std::move(name), std::move(value));
    };
    if (const memory* const kept = memory_of(connection); kept && !kept->reason.empty()) {
        story.note = kept->reason + " (subject " + kept->subject + ", issuer " + kept->issuer + ")";
        add("subject", kept->subject);
        add("issuer", kept->issuer);
        add("reason", kept->reason);
        return story;
    }
    if (!::SSL_is_init_finished(connection)) return story;
    add("protocol", ::SSL_get_version(connection));
    if (const SSL_CIPHER* const cipher = ::SSL_get_current_cipher(connection))
        add("cipher", ::SSL_CIPHER_get_name(cipher));
    add("alpn", std::string{chosen_protocol(connection)});
    add("resumed", ::SSL_session_reused(connection) ? "yes" : "no");
    if (const X509* const certificate = ::SSL_get0_peer_certificate(connection)) {
        add("subject", bounded(name_text(::X509_get_subject_name(certificate))));
        add("issuer", bounded(name_text(::X509_get_issuer_name(certificate))));
    }
    return story;
}

}  // namespace dial::detail::tls
