#include <dial/detail/proxy_choice.hpp>

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
        case proxy::kind::http: return make_tunnel(tunnel_options{through.who});
        case proxy::kind::socks4a: return make_socks4a(through.who.user());
        case proxy::kind::socks5:
        case proxy::kind::socks5h: return make_socks5(through.who);
        case proxy::kind::https:
        case proxy::kind::socks4: break;
    }
    return nullptr;
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

}  // namespace

std::shared_ptr<const proxy_choice> read_proxy_environment() {
    return std::make_shared<from_environment>(proxy::environment{[](const char* name) { return std::getenv(name); }});
}

}  // namespace dial::detail
