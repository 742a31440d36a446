// Certificates, made by the test: authorities, and what they vouch for.
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <vector>

namespace dial::test {

struct certificate_spec {
    std::string common_name = "server.test";
    std::vector<std::string> names = {"server.test"};  // as in "DNS:server.test"
    std::vector<std::string> addresses = {};           // "127.0.0.1"
    long not_before = -3600, not_after = 3600;         // seconds from now
    bool is_authority = false;
};

// A certificate with its key; PEM is what OpenSSL and Asio read.
class certificate {
public:
    certificate(std::shared_ptr<X509> what, std::shared_ptr<EVP_PKEY> key)
        : what_{std::move(what)}, key_{std::move(key)} {}

    X509* x509() const { return what_.get(); }
    EVP_PKEY* key() const { return key_.get(); }
    std::string pem() const;
    std::string key_pem() const;

private:
    std::shared_ptr<X509> what_;
    std::shared_ptr<EVP_PKEY> key_;
};

certificate self_signed(const certificate_spec& spec);
certificate issue(const certificate& authority, const certificate_spec& spec);
certificate make_authority(const std::string& name);

// The list of what `authority` has revoked, as PEM.
std::string revocation_list(const certificate& authority, const std::vector<certificate>& revoked);

}  // namespace dial::test
