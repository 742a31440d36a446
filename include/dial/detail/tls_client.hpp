// What the connects of one `tls` layer share: the context, the options, the sessions. Compiled.
#pragma once

#include <dial/error.hpp>
#include <dial/event.hpp>
#include <dial/target.hpp>
#include <dial/tls_options.hpp>

#include <boost/asio/ssl/context.hpp>

#include <memory>
#include <string>
#include <vector>

namespace dial::detail {

namespace asio = boost::asio;

// What a handshake came to.
struct handshake_story {
    std::string note;                   // why it failed, where the certificate is to blame
    std::vector<phase_detail> details;  // protocol, cipher, alpn, resumed; subject, issuer, reason
};

class session_cache;

class tls_client {
public:
    // With a context of its own, or one that the caller keeps and may destroy at any time, or one that is kept here.
    explicit tls_client(tls_options options);
    tls_client(asio::ssl::context& context, tls_options options);
    tls_client(asio::ssl::context&& context, tls_options options);
    tls_client(const tls_client&) = delete;
    tls_client& operator=(const tls_client&) = delete;
    ~tls_client();

    const tls_options& options() const noexcept { return options_; }

    // Set up to shake hands with the target, with a session to resume if there is one. Null and why if that cannot be: then
    // `note` says it in words. The caller owns it.
    SSL* make(const target& to, error_code& why, std::string& note) const;

    // For a stream that is not connected.
    SSL* make_unconnected() const;

    // The handshake has failed, other than by the caller.
    static void on_failed(const SSL* connection);

    static handshake_story tell(const SSL* connection);

private:
    void prepare();

    const tls_options options_;
    std::unique_ptr<asio::ssl::context> kept_;
    SSL_CTX* context_ = nullptr;  // holds a reference
    std::string protocols_;       // to offer, as TLS writes them
    bool protocols_are_valid_ = true;
    std::shared_ptr<session_cache> sessions_;  // null: none are kept
};

}  // namespace dial::detail
