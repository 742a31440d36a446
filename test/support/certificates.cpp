#include <support/certificates.hpp>

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <atomic>
#include <stdexcept>

namespace dial::test {
namespace {

void check(bool ok, const char* what) {
    if (!ok) throw std::runtime_error{std::string{"certificates: "} + what};
}

std::string text_of(BIO* out) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(out, &data);
    return {data, static_cast<std::size_t>(size)};
}

template <class Write>
std::string pem_of(Write write) {
    const std::unique_ptr<BIO, decltype(&::BIO_free)> out{::BIO_new(::BIO_s_mem()), &::BIO_free};
    check(out && write(out.get()) == 1, "PEM");
    return text_of(out.get());
}

void add_extension(X509* to, X509* issuer, int which, const std::string& value) {
    X509V3_CTX context;
    ::X509V3_set_ctx(&context, issuer, to, nullptr, nullptr, 0);
    X509_EXTENSION* const extension = ::X509V3_EXT_conf_nid(nullptr, &context, which, value.c_str());
    check(extension && ::X509_add_ext(to, extension, -1) == 1, "extension");
    ::X509_EXTENSION_free(extension);
}

std::shared_ptr<X509> make(const certificate_spec& spec, EVP_PKEY* key, const certificate* authority) {
    static std::atomic<long> serial = 1;
    std::shared_ptr<X509> made{::X509_new(), &::X509_free};
    check(made != nullptr, "X509_new");
    ::X509_set_version(made.get(), 2);
    ::ASN1_INTEGER_set(::X509_get_serialNumber(made.get()), ++serial);
    ::X509_gmtime_adj(::X509_getm_notBefore(made.get()), spec.not_before);
    ::X509_gmtime_adj(::X509_getm_notAfter(made.get()), spec.not_after);
    ::X509_set_pubkey(made.get(), key);
    ::X509_NAME_add_entry_by_txt(::X509_get_subject_name(made.get()), "CN", MBSTRING_UTF8,
        reinterpret_cast<const unsigned char*>(spec.common_name.c_str()), -1, -1, 0);
    X509* const issuer = authority ? authority->x509() : made.get();
    ::X509_set_issuer_name(made.get(), ::X509_get_subject_name(issuer));
    std::string names;
    for (const std::string& name : spec.names) names += (names.empty() ? "DNS:" : ",DNS:") + name;
    for (const std::string& address : spec.addresses) names += (names.empty() ? "IP:" : ",IP:") + address;
    if (spec.is_authority) {
        add_extension(made.get(), issuer, NID_basic_constraints, "critical,CA:TRUE");
        add_extension(made.get(), issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
    } else if (!names.empty()) {
        add_extension(made.get(), issuer, NID_subject_alt_name, names);
    }
    check(::X509_sign(made.get(), authority ? authority->key() : key, ::EVP_sha256()) != 0, "X509_sign");
    return made;
}

std::shared_ptr<EVP_PKEY> make_key() {
    std::shared_ptr<EVP_PKEY> key{::EVP_EC_gen("P-256"), &::EVP_PKEY_free};
    check(key != nullptr, "EVP_EC_gen");
    return key;
}

}  // namespace

std::string certificate::pem() const {
    return pem_of([this](BIO* out) { return ::PEM_write_bio_X509(out, what_.get()); });
}

std::string certificate::key_pem() const {
    return pem_of([this](BIO* out) {
        return ::PEM_write_bio_PrivateKey(out, key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
    });
}

certificate self_signed(const certificate_spec& spec) {
    auto key = make_key();
    auto made = make(spec, key.get(), nullptr);
    return {std::move(made), std::move(key)};
}

certificate issue(const certificate& authority, const certificate_spec& spec) {
    auto key = make_key();
    auto made = make(spec, key.get(), &authority);
    return {std::move(made), std::move(key)};
}

certificate make_authority(const std::string& name) {
    certificate_spec spec;
    spec.common_name = name;
    spec.names.clear();
    spec.is_authority = true;
    return self_signed(spec);
}

std::string revocation_list(const certificate& authority, const std::vector<certificate>& revoked) {
    const std::unique_ptr<X509_CRL, decltype(&::X509_CRL_free)> list{::X509_CRL_new(), &::X509_CRL_free};
    const std::unique_ptr<ASN1_TIME, decltype(&::ASN1_TIME_free)> now{
        ::X509_gmtime_adj(nullptr, -60), &::ASN1_TIME_free},
        later{::X509_gmtime_adj(nullptr, 3600), &::ASN1_TIME_free};
    ::X509_CRL_set_version(list.get(), 1);
    ::X509_CRL_set_issuer_name(list.get(), ::X509_get_subject_name(authority.x509()));
    ::X509_CRL_set1_lastUpdate(list.get(), now.get());
    ::X509_CRL_set1_nextUpdate(list.get(), later.get());
    for (const certificate& each : revoked) {
        X509_REVOKED* const entry = ::X509_REVOKED_new();
        ::X509_REVOKED_set_serialNumber(entry, ::X509_get_serialNumber(each.x509()));
        ::X509_REVOKED_set_revocationDate(entry, now.get());
        check(::X509_CRL_add0_revoked(list.get(), entry) == 1, "revoked");
    }
    ::X509_CRL_sort(list.get());
    check(::X509_CRL_sign(list.get(), authority.key(), ::EVP_sha256()) != 0, "X509_CRL_sign");
    return pem_of([&](BIO* out) { return ::PEM_write_bio_X509_CRL(out, list.get()); });
}

}  // namespace dial::test
