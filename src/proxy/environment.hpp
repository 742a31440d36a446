// Which proxy the environment wants for a target. Pure: the variables come through a function.
#pragma once

#include <dial/error.hpp>
#include <dial/target.hpp>
#include <proxy/no_proxy.hpp>
#include <proxy/url.hpp>

#include <functional>
#include <optional>
#include <string>
#include <variant>

namespace dial::proxy {

struct direct {
    bool operator==(const direct&) const = default;
};

struct refusal {
    error_code code;
    std::string note;  // what to do about it, in words; credentials are never in it
    bool operator==(const refusal&) const = default;
};

using decision = std::variant<direct, proxy_url, refusal>;

// Reads https_proxy, else HTTPS_PROXY, else all_proxy, else ALL_PROXY; and no_proxy, else NO_PROXY. One that is empty counts
// as unset, as for curl and Go: an empty https_proxy does not hide HTTPS_PROXY. No http_proxy: it is for requests, not for
// tunnels, and a CGI program has one that strangers set.
class environment {
public:
    // `value_of` is std::getenv, or what takes its place; it is not called later on.
    explicit environment(const std::function<const char*(const char* name)>& value_of);

    // Direct: a unix socket, a target that NO_PROXY lists (even if the proxy is one that cannot be used), and each where no
    // variable names a proxy. Otherwise the proxy, or
    // - `error::invalid_option`: the variable holds no URL of a proxy;
    // - `error::proxy_unsupported`: the proxy is spoken to with TLS, or is SOCKS4, which takes no names;
    // - `error::invalid_target`: the hosts of a service (SRV). Its record says which hosts they are, and no proxy looks for
    //   one. NO_PROXY is asked about the name of the record, hence about the domain that it is in.
    decision decide(const target& to) const;

    const no_proxy& bypass() const { return bypass_; }
    // What decide() chooses, where it chooses one; it may be one that cannot be used.
    const std::optional<proxy_url>& proxy() const { return proxy_; }

private:
    std::string variable_;  // that names the proxy; empty without one
    std::optional<proxy_url> proxy_;
    std::string flaw_;  // why there is none, though there is a variable
    no_proxy bypass_;
};

}  // namespace dial::proxy
