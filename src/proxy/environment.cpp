#include <proxy/environment.hpp>

#include <initializer_list>
#include <string_view>
#include <utility>

namespace dial::proxy {
namespace {

struct variable {
    std::string name, value;
};

// The first that is not empty.
variable first_of(const std::function<const char*(const char*)>& value_of, std::initializer_list<const char*> names) {
    for (const char* name : names)
        if (const char* value = value_of(name); value != nullptr && *value != '\0') return {name, value};
    return {};
}

// Why such a proxy cannot be used, and what to write instead; empty if it can.
std::string_view words_against(proxy_kind kind) {
    switch (kind) {  // no default: the compiler names the case we forget
        case proxy_kind::https:
            return "is an https:// proxy, which is spoken to with TLS; build that as http_tunnel(tls(...))";
        case proxy_kind::socks4: return "is a socks4:// proxy, which takes no host names; if it does, write socks4a://";
        case proxy_kind::http:
        case proxy_kind::socks4a:
        case proxy_kind::socks5:
        case proxy_kind::socks5h: break;
    }
    return {};
}

}  // namespace

environment::environment(const std::function<const char*(const char* name)>& value_of) {
    auto [name, value] = first_of(value_of, {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"});
    variable_ = std::move(name);
    if (!variable_.empty()) proxy_ = parse_proxy_url(value, flaw_);
    bypass_ = no_proxy{first_of(value_of, {"no_proxy", "NO_PROXY"}).value};
}

decision environment::decide(const target& to) const {
    if (variable_.empty() || to.empty() || to.is_unix()) return direct{};  // no target is refused where it is dialed
    if (bypass_.matches(to.host(), to.address(), to.port())) return direct{};
    if (!proxy_) return refusal{error::invalid_option, variable_ + " is not the URL of a proxy: " + flaw_};
    if (const auto words = words_against(proxy_->kind); !words.empty())
        return refusal{error::proxy_unsupported, variable_ + ' ' + std::string{words}};
    if (to.is_srv())
        return refusal{error::invalid_target,
            "a proxy (" + variable_ +
                ") looks for no SRV record; dial one of its hosts, or list its domain in NO_PROXY"};
    return *proxy_;
}

}  // namespace dial::proxy
