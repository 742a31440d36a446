// How dial::tls shakes hands.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dial {

/// Options of `tls`: what there is to choose beyond the peer, its name and the versions, which are checked by default.
///
///   dial::tls_options().alpn("h2", "http/1.1")
class tls_options {
public:
    tls_options() = default;

    /// The protocols to offer, best first (RFC 7301): "h2", "http/1.1". What the server chose is in the report, and to be had
    /// from SSL_get0_alpn_selected(stream.native_handle(), …). A name that is empty or longer than 255 bytes makes each
    /// connect fail with `error::invalid_option`.
    template <class... Protocols>
    tls_options& alpn(const Protocols&... protocols) {
        alpn_ = {std::string{protocols}...};
        return *this;
    }
    tls_options& alpn(std::vector<std::string> protocols) {
        alpn_ = std::move(protocols);
        return *this;
    }
    const std::vector<std::string>& alpn() const noexcept { return alpn_; }

    /// Who the server has to be: a name or an address, instead of the target's host. What is sent as SNI, unless it is an
    /// address, and looked for in the certificate. Needed where the target is a unix socket.
    tls_options& server_name(std::string name) {
        server_name_ = std::move(name);
        return *this;
    }
    const std::string& server_name() const noexcept { return server_name_; }

    /// Whether the server's certificate is verified, with its name. Without it anybody on the way can be the server.
    tls_options& verify_peer(bool on) {
        verify_peer_ = on;
        return *this;
    }
    bool verify_peer() const noexcept { return verify_peer_; }

    /// Whether the system's certificates are added where the context has none of its own.
    tls_options& system_trust(bool on) {
        system_trust_ = on;
        return *this;
    }
    bool system_trust() const noexcept { return system_trust_; }

    /// The sessions of how many hosts are kept for resumption, at most; 0: none. The connectors that one call of `tls` made
    /// share them, and nobody else does.
    tls_options& session_hosts(std::size_t count) {
        session_hosts_ = count;
        return *this;
    }
    std::size_t session_hosts() const noexcept { return session_hosts_; }

    /// Whether the race of addresses is won by the first that has shaken hands, instead of the first that has connected: an
    /// address where something accepts and then says nothing, or is somebody else, does not win. Each attempt in flight
    /// shakes hands. Needs a dialer right below, with limits in between at the most; else, and where there is only one
    /// address, it makes no difference.
    tls_options& race_handshake(bool on) {
        race_handshake_ = on;
        return *this;
    }
    bool race_handshake() const noexcept { return race_handshake_; }

private:
    std::vector<std::string> alpn_;
    std::string server_name_;
    std::size_t session_hosts_ = 1024;
    bool verify_peer_ = true, system_trust_ = true, race_handshake_ = false;
};

}  // namespace dial
