#include <dial/dns_resolver.hpp>

#include <dns/resolv_conf.hpp>

namespace dial {

dns_options& dns_options::server(std::string_view address) {
    servers_.push_back(dns::server_address(address));
    return *this;
}

}  // namespace dial
