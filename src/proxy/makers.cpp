// The exchanges of the layers socks5, socks4a and http_tunnel, made anew for each connect.
#include <dial/detail/exchange_makers.hpp>

#include <proxy/destination.hpp>
#include <proxy/socks4.hpp>
#include <proxy/socks5.hpp>
#include <proxy/tunnel.hpp>

#include <utility>

namespace dial::detail {
namespace {

// For a target that no proxy can be asked for.
class impossible final : public exchange {
public:
    explicit impossible(std::string why) : why_{std::move(why)} {}
    step next() const override { return fail{error::invalid_target}; }
    void on_sent() override {}
    std::size_t on_received(std::string_view) override { return 0; }
    void on_end() override {}
    std::string note() const override { return why_; }

private:
    std::string why_;
};

template <class Make>
class maker final : public exchange_maker {
public:
    explicit maker(Make make) : make_{std::move(make)} {}

    std::unique_ptr<exchange> make(const target& to) const override {
        std::string why;
        auto destination = proxy::destination_of(to, why);
        if (!destination) return std::make_unique<impossible>(std::move(why));
        return make_(std::move(*destination));
    }

private:
    Make make_;
};

template <class Make>
std::shared_ptr<const exchange_maker> make_maker(Make make) {
    return std::make_shared<maker<Make>>(std::move(make));
}

}  // namespace

std::shared_ptr<const exchange_maker> make_socks5(credentials who) {
    return make_maker([who = std::move(who)](proxy::destination to) {
        return std::make_unique<proxy::socks5_exchange>(std::move(to), who);
    });
}

std::shared_ptr<const exchange_maker> make_socks4a(std::string user) {
    return make_maker([user = std::move(user)](const proxy::destination& to) {
        return std::make_unique<proxy::socks4_exchange>(to, user, proxy::socks4_names::taken);
    });
}

std::shared_ptr<const exchange_maker> make_tunnel(tunnel_options options) {
    return make_maker([options = std::move(options)](const proxy::destination& to) {
        return std::make_unique<proxy::tunnel_exchange>(to, options);
    });
}

}  // namespace dial::detail
