// A proxy for some targets, none for others.
#pragma once

#include <dial/connector.hpp>
#include <dial/credentials.hpp>
#include <dial/detail/exchange_makers.hpp>
#include <dial/resolved.hpp>
#include <dial/resolver.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace dial::detail {

// Compiled.
class proxy_choice {
public:
    virtual ~proxy_choice() = default;
    virtual bool is_direct(const target& to) const = 0;

    std::shared_ptr<const exchange_maker> maker;
    target proxy;
    bool resolve_here = false;
};

std::shared_ptr<const proxy_choice> read_proxy_environment();
std::shared_ptr<const proxy_choice> read_proxy_url(std::string_view url);

template <class Stream>
class proxy_choice_connector final : public connector_base<Stream> {
public:
    proxy_choice_connector(const connector<Stream>& next, std::shared_ptr<const proxy_choice> choice, resolver names)
        : direct_{connector_access::pointer(next)}, choice_{std::move(choice)}, through_{
                                                                                    connector_access::pointer(make(next,
                                                                                        *choice_, std::move(names)))} {}

    void start(request&& what, connect_handler<Stream>&& handler, handler_runs where) const override {
        const auto& next = choice_->is_direct(what.to()) ? direct_ : through_;
        next->start(std::move(what), std::move(handler), where);
    }
    Stream unconnected(const asio::any_io_executor& executor) const override { return direct_->unconnected(executor); }

private:
    static connector<Stream> make(const connector<Stream>& next, const proxy_choice& choice, resolver names) {
        connector<Stream> proxied = through(next, choice.proxy, choice.maker);
        return choice.resolve_here ? resolved(std::move(proxied), std::move(names)) : proxied;
    }

    const connector_pointer<Stream> direct_;
    const std::shared_ptr<const proxy_choice> choice_;
    const connector_pointer<Stream> through_;
};

}  // namespace dial::detail
