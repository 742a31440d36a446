#include <dial/detail/tls_client.hpp>

#include <tls/connection.hpp>
#include <tls/session_cache.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ssl/error.hpp>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <optional>
#include <utility>

namespace dial::detail {
namespace {

error_code last_error() {
    const unsigned long code = ::ERR_get_error();
    ::ERR_clear_error();
    if (code == 0) return boost::system::errc::make_error_code(boost::system::errc::not_enough_memory);
    return {static_cast<int>(code), asio::error::get_ssl_category()};
}

// As RFC 7301 section 3.1 writes them; none if one cannot be written.
std::optional<std::string> as_alpn(const std::vector<std::string>& protocols) {
    std::string text;
    for (const std::string& each : protocols) {
        if (each.empty() || each.size() > 255) return {};
        text += static_cast<char>(each.size());
        text += each;
    }
    if (text.size() > 0xffff) return {};
    return text;
}

bool trusts_nobody(SSL_CTX* context) {
    X509_STORE* const store = ::SSL_CTX_get_cert_store(context);
    return !store || sk_X509_OBJECT_num(::X509_STORE_get0_objects(store)) == 0;
}

// Whom a certificate has to name.
struct identity {
    std::string name;  // without the dot at the end of a domain name that is complete
    std::optional<asio::ip::address> address;
};

identity identity_of(const target& to, const std::string& instead) {
    identity who;
    if (!instead.empty()) {
        who.name = instead;
        error_code not_an_address;
        if (const auto parsed = asio::ip::make_address(instead, not_an_address); !not_an_address) who.address = parsed;
    } else {
        who.name = to.host();
        who.address = to.address();
    }
    if (who.address && who.address->is_v6()) {
        auto plain = who.address->to_v6();
        plain.scope_id(0);
        who.address = plain;
    }
    if (!who.address && who.name.ends_with('.')) who.name.pop_back();
    return who;
}

bool expect(SSL* connection, const identity& who, bool verify) {
    if (!who.address) {
        if (::SSL_set_tlsext_host_name(connection, who.name.c_str()) != 1) return false;
        if (!verify) return true;
        ::SSL_set_hostflags(connection, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        return ::SSL_set1_host(connection, who.name.c_str()) == 1;
    }
    // RFC 6066 section 3: an address is not sent as SNI.
    if (!verify) return true;
    return ::X509_VERIFY_PARAM_set1_ip_asc(::SSL_get0_param(connection), who.address->to_string().c_str()) == 1;
}

}  // namespace

tls_client::tls_client(tls_options options) : options_{std::move(options)} {
    context_ = ::SSL_CTX_new(::TLS_client_method());
    if (!context_) throw boost::system::system_error{last_error(), "dial::tls"};
    ::SSL_CTX_set_options(context_, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    prepare();
}

tls_client::tls_client(asio::ssl::context& context, tls_options options)
    : options_{std::move(options)}, context_{context.native_handle()} {
    ::SSL_CTX_up_ref(context_);
    prepare();
}

tls_client::tls_client(asio::ssl::context&& context, tls_options options)
    : options_{std::move(options)}, kept_{std::make_unique<asio::ssl::context>(std::move(context))},
      context_{kept_->native_handle()} {
    ::SSL_CTX_up_ref(context_);
    prepare();
}

tls_client::~tls_client() {
    ::SSL_CTX_free(context_);
}

void tls_client::prepare() {
    if (options_.verify_peer() && options_.system_trust() && trusts_nobody(context_))
        ::SSL_CTX_set_default_verify_paths(context_);
    const auto protocols = as_alpn(options_.alpn());
    protocols_are_valid_ = protocols.has_value();
    if (protocols) protocols_ = *protocols;
    if (options_.session_hosts() != 0 && tls::keep_sessions(context_))
        sessions_ = std::make_shared<session_cache>(options_.session_hosts());
}

SSL* tls_client::make(const target& to, error_code& why, std::string& note) const {
    if (!protocols_are_valid_) {
        why = error::invalid_option;
        note = "a protocol for ALPN is 1 to 255 bytes long";
        return nullptr;
    }
    const identity who = identity_of(to, options_.server_name());
    if (who.name.empty() || who.name.find('\0') != std::string::npos) {
        why = error::invalid_target;
        note = "TLS needs the name of the server; for a unix socket, tls_options().server_name(...)";
        return nullptr;
    }
    tls::ssl_pointer made{::SSL_new(context_)};
    SSL* const connection = made.get();
    bool ok = connection && tls::remember(connection, sessions_, to.to_string()) &&
        expect(connection, who, options_.verify_peer());
    if (ok && ::SSL_get_min_proto_version(connection) < TLS1_2_VERSION)
        ok = ::SSL_set_min_proto_version(connection, TLS1_2_VERSION) == 1;
    // ALPN's function returns 0 on success.
    if (ok && !protocols_.empty())
        ok = ::SSL_set_alpn_protos(connection, reinterpret_cast<const unsigned char*>(protocols_.data()),
                 static_cast<unsigned>(protocols_.size())) == 0;
    if (!ok) {
        why = last_error();
        return nullptr;
    }
    tls::verify(connection, options_.verify_peer());
    tls::resume(connection);
    return made.release();
}

SSL* tls_client::make_unconnected() const {
    SSL* const connection = ::SSL_new(context_);
    if (!connection) throw boost::system::system_error{last_error(), "dial::tls"};
    return connection;
}

void tls_client::on_failed(const SSL* connection) {
    tls::forget_sessions(connection);
}

handshake_story tls_client::tell(const SSL* connection) {
    return tls::tell(connection);
}

}  // namespace dial::detail
