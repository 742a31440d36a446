// The exchanges with proxies of each kind. Compiled.
#pragma once

#include <dial/connector.hpp>
#include <dial/credentials.hpp>
#include <dial/detail/exchange_operation.hpp>
#include <dial/tunnel_options.hpp>

#include <memory>
#include <string>
#include <utility>

namespace dial::detail {

std::shared_ptr<const exchange_maker> make_socks5(credentials who);
std::shared_ptr<const exchange_maker> make_socks4a(std::string user);
std::shared_ptr<const exchange_maker> make_tunnel(tunnel_options options);

template <connects Next>
connector<typename Next::stream_type> through(Next next, target proxy, std::shared_ptr<const exchange_maker> maker) {
    using stream = typename Next::stream_type;
    const connector<stream> inside{std::move(next)};
    return connector_access::make<stream, exchange_connector<stream>>(
        inside.get_executor(), connector_access::pointer(inside), std::move(maker), std::move(proxy));
}

}  // namespace dial::detail
