#include <proxy/environment.hpp>

#include <string_view>
#include <utility>

namespace dial::proxy {
namespace {

struct setting {
    const char* name;
    std::string_view text;
};

setting first_set(const std::function<const char*(const char*)>& get, std::initializer_list<const char*> names) {
    for (const char* const name : names)
        if (const char* const text = get(name); text && *text) return {name, text};
    return {"", {}};
}

}  // namespace

environment::environment(const std::function<const char*(const char* name)>& get)
    : except_{first_set(get, {"no_proxy", "NO_PROXY"}).text} {
    const setting proxy = first_set(get, {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"});
    if (proxy.text.empty()) return;
    std::string flaw;
    auto parsed = parse_url(proxy.text, flaw);
    if (!parsed) {
        error_ = dial::error::invalid_option;
        note_ = std::string{proxy.name} + ": " + flaw;
    } else if (parsed->kind == kind::https) {
        error_ = dial::error::proxy_unsupported;
        note_ = std::string{proxy.name} + " is an https proxy";
    } else if (parsed->kind == kind::socks4) {
        error_ = dial::error::proxy_unsupported;
        note_ = std::string{proxy.name} + " is a socks4 proxy, which takes no names: use socks4a";
    } else {
        through_ = std::move(parsed);
    }
}

bool environment::is_direct(const target& to) const {
    if (!through_ && !error_) return true;
    if (to.is_unix() || to.empty()) return true;
    return !to.is_srv() && except_.matches(to.host(), to.address(), to.port());
}

}  // namespace dial::proxy
