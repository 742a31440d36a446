#include <dial/detail/proxy_choice.hpp>
#include <dial/proxy_from_url.hpp>

#include <proxy/environment.hpp>

#include <cstdlib>
#include <stdexcept>
#include <utility>

namespace dial::detail {
namespace {

class unusable final : public exchange_maker {
    class fails final : public exchange {
    public:
        fails(error_code why, std::string note) : why_{why}, note_{std::move(note)} {}
        step next() const override { return fail{why_}; }
        void on_sent() override {}
        std::size_t on_received(std::string_view) override { return 0; }
        void on_end() override {}
        std::string note() const override { return note_; }

    private:
        error_code why_;
        std::string note_;
    };

public:
    unusable(error_code why, std::string note) : why_{why}, note_{std::move(note)} {}
    std::unique_ptr<exchange> make(const target&) const override { return std::make_unique<fails>(why_, note_); }

private:
    error_code why_;
    std::string note_;
};

std::shared_ptr<const exchange_maker> maker_of(const proxy::url& through) {
    switch (through.kind) {
        case proxy::kind::http:
        case proxy::kind::https: return make_tunnel(tunnel_options{through.who});
        case proxy::kind::socks4a: return make_socks4a(through.who.user());
        case proxy::kind::socks5:
        case proxy::kind::socks5h: return make_socks5(through.who);
        case proxy::kind::socks4: break;
    }
    return std::make_shared<unusable>(error::proxy_unsupported, "a socks4 proxy takes no names: use socks4a");
}

class from_environment final : public proxy_choice {
public:
    explicit from_environment(proxy::environment environment) : environment_{std::move(environment)} {
        if (environment_.error()) {
            maker = std::make_shared<unusable>(environment_.error(), environment_.note());
        } else if (const auto& through = environment_.through()) {
            maker = maker_of(*through);
            proxy = through->at;
            resolve_here = through->kind == proxy::kind::socks5;
        }
    }
    bool is_direct(const target& to) const override { return environment_.is_direct(to); }

private:
    proxy::environment environment_;
};

class from_url final : public proxy_choice {
public:
    explicit from_url(std::string_view text) {
        std::string flaw;
        const auto parsed = proxy::parse_url(text, flaw);
        if (!parsed) {
            maker = std::make_shared<unusable>(error::invalid_option, std::move(flaw));
            return;
        }
        maker = maker_of(*parsed);
        proxy = parsed->at;
        resolve_here = parsed->kind == proxy::kind::socks5;
    }
    bool is_direct(const target&) const override { return false; }
};

}  // namespace

std::shared_ptr<const proxy_choice> read_proxy_environment() {
    return std::make_shared<from_environment>(proxy::environment{[](const char* name) { return std::getenv(name); }});
}

std::shared_ptr<const proxy_choice> read_proxy_url(std::string_view url) {
    return std::make_shared<from_url>(url);
}

}  // namespace dial::detail

namespace dial {

bool proxy_speaks_tls(std::string_view url) {
    std::string flaw;
    const auto parsed = proxy::parse_url(url, flaw);
    return parsed && parsed->kind == proxy::kind::https;
}

}  // namespace dial
