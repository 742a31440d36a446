#include <proxy/destination.hpp>

#include <arpa/inet.h>
#include <netdb.h>

#include <array>

namespace dial::proxy {
namespace {

std::uint16_t port_of(const std::string& service) {
    ::servent found{};
    ::servent* result = nullptr;
    std::array<char, 1024> memory;
    if (::getservbyname_r(service.c_str(), "tcp", &found, memory.data(), memory.size(), &result) == 0 && result)
        return ntohs(static_cast<std::uint16_t>(result->s_port));
    if (service == "http") return 80;
    if (service == "https") return 443;
    return 0;
}

}  // namespace

std::optional<destination> destination_of(const target& to, std::string& why) {
    if (to.empty() || to.is_unix() || to.is_srv()) {
        why = to.empty()   ? "there is no target"
            : to.is_unix() ? "a proxy cannot connect to a unix socket of this machine"
                           : "a proxy cannot be asked for a service (SRV)";
        return {};
    }
    destination result{to.host(), to.address(), to.port()};
    if (!to.service().empty() && (result.port = port_of(to.service())) == 0) {
        why = "no such service: " + to.service();
        return {};
    }
    if (result.address && result.address->is_v6()) {
        auto plain = result.address->to_v6();
        if (plain.scope_id() != 0 || !to.zone().empty()) {
            why = "a zone means nothing to a proxy: " + to.host();
            return {};
        }
    }
    return result;
}

}  // namespace dial::proxy
