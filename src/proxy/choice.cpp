#include <dial/detail/proxy_choice.hpp>
#include <dial/proxy_from_url.hpp>

#include <proxy/environment.hpp>

#include <cstdlib>
#include <utility>
#include <variant>

namespace dial::detail {
namespace {

// For a proxy that cannot be used.
class refused final : public exchange {
public:
    refused(error_code why, std::string note) : why_{why}, note_{std::move(note)} {}
    step next() const override { return fail{why_}; }
    void on_sent() override {}
    std::size_t on_received(std::string_view) override { return 0; }
    void on_end() override {}
    std::string note() const override { return note_; }

private:
    error_code why_;
    std::string note_;
};

class refusing_maker final : public exchange_maker {
public:
    refusing_maker(error_code why, std::string note) : why_{why}, note_{std::move(note)} {}
    std::unique_ptr<exchange> make(const target&) const override { return std::make_unique<refused>(why_, note_); }

private:
    error_code why_;
    std::string note_;
};

std::shared_ptr<const exchange_maker> maker_of(const proxy::proxy_url& through) {
    const credentials who = through.has_credentials ? credentials{through.user, through.password} : credentials{};
    switch (through.kind) {  // no default: the compiler names the case we forget
        case proxy::proxy_kind::http:
        case proxy::proxy_kind::https: return make_tunnel(tunnel_options{who});
        case proxy::proxy_kind::socks4a: return make_socks4a(through.user);
        case proxy::proxy_kind::socks5:
        case proxy::proxy_kind::socks5h: return make_socks5(who);
        case proxy::proxy_kind::socks4: break;
    }
    return std::make_shared<refusing_maker>(
        error::proxy_unsupported, "a socks4:// proxy takes no host names; if it does, write socks4a://");
}

class from_environment final : public proxy_choice {
public:
    explicit from_environment(proxy::environment environment) : environment_{std::move(environment)} {
        if (const auto& through = environment_.proxy()) {
            proxy = through->at;
            resolve_here = through->kind == proxy::proxy_kind::socks5;
        }
        maker = std::make_shared<deciding_maker>(environment_);
    }

    bool is_direct(const target& to) const override {
        return std::holds_alternative<proxy::direct>(environment_.decide(to));
    }

private:
    class deciding_maker final : public exchange_maker {
    public:
        explicit deciding_maker(const proxy::environment& environment)
            : environment_{environment}, usable_{environment.proxy() ? maker_of(*environment.proxy()) : nullptr} {}

        std::unique_ptr<exchange> make(const target& to) const override {
            // A name that was resolved for the proxy was not to be direct: its address is not asked about again.
            const proxy::decision decided = environment_.decide(to);
            if (const auto* const no = std::get_if<proxy::refusal>(&decided))
                return std::make_unique<refused>(no->code, no->note);
            if (usable_) return usable_->make(to);
            return std::make_unique<refused>(error::invalid_option, "the environment names no proxy");
        }

    private:
        const proxy::environment environment_;
        const std::shared_ptr<const exchange_maker> usable_;
    };

    const proxy::environment environment_;
};

class from_url final : public proxy_choice {
public:
    explicit from_url(std::string_view text) {
        std::string flaw;
        const auto parsed = proxy::parse_proxy_url(text, flaw);
        if (!parsed) {
            maker = std::make_shared<refusing_maker>(error::invalid_option, std::move(flaw));
            return;
        }
        maker = maker_of(*parsed);
        proxy = parsed->at;
        resolve_here = parsed->kind == proxy::proxy_kind::socks5;
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
    const auto parsed = proxy::parse_proxy_url(url, flaw);
    return parsed && parsed->kind == proxy::proxy_kind::https;
}

}  // namespace dial
