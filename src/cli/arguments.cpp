#include "arguments.hpp"

#include "text.hpp"

#ifdef DIAL_HAS_DNS_RESOLVER
#include <dial/dns_resolver.hpp>
#endif

#include <CLI/CLI.hpp>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

namespace dial::cli {
namespace {

namespace asio = boost::asio;

// The command line as CLI11 reads it: texts, and which options were there.
class command_line {
public:
    command_line() {
        app_.set_version_flag("--version", "dial " DIAL_VERSION, "Print the version and exit");
        app_.add_option(
                "HOST", host_, "A name or an address; or all in one: HOST:PORT, unix:/path, srv:_service._tcp.name")
            ->type_name("")
            ->required();
        port_option_ = app_.add_option("PORT", port_, "A number, or a service such as https")->type_name("");
        text("--timeout", timeout, "T", "Give up after T: 5, 1.5s, 300ms, 2m (default: 30s)");
        attempt_delay_option_ =
            text("--attempt-delay", attempt_delay, "T", "From one attempt to the next (default: 250ms)");
        v4_option_ = app_.add_flag("-4", v4_, "IPv4 only");
        v6_option_ = app_.add_flag("-6", v6_, "IPv6 only");
        const auto take_sources = [this](const CLI::results_t& all) {
            sources = all;
            return true;
        };
        source_option_ = app_.add_option("--source", take_sources,
                                 "Connect from this address of the machine, and by its family; several take turns")
                             ->type_name("ADDR")
                             ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
        interface_option_ = text("--interface", interface, "NAME", "Connect through this network interface");
        resolver_option_ = text("--resolver", resolver, "WHO",
            "Who looks names up: system, as nsswitch.conf says, or dns, which asks DNS servers (default: system)");
        const auto take_servers = [this](const CLI::results_t& all) {
            dns_servers = all;
            return true;
        };
        dns_option_ = app_.add_option("--dns", take_servers,
                              "Ask this DNS server, ADDR or ADDR:PORT; the next one where it does not answer")
                          ->type_name("SERVER")
                          ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
        https_option_ = app_.add_flag("--https", https, "Go by the HTTPS records of the host as well (RFC 9460)");
        proxy_option_ = text("--proxy", proxy, "URL",
            "Connect through this proxy: [http|https|socks5|socks5h|socks4a]://[user:password@]host[:port]; "
            "or env: the one in HTTPS_PROXY or ALL_PROXY");
        text("--retry", retry, "N", "Try up to N times again what may succeed the next time (default: 0)");
        tls_option_ = app_.add_flag("--tls", tls, "Shake hands: the certificate has to be valid for HOST");
        alpn_option_ = text("--alpn", alpn, "NAMES", "Offer these protocols, as h2,http/1.1; implies --tls");
        insecure_option_ = app_.add_flag("--insecure", insecure, "Take any certificate; implies --tls");
        app_.add_flag("--json", json, "Print one JSON object instead of the timeline");
        app_.add_flag("--quiet,-q", quiet, "Print nothing: the exit status tells");
        text("--color", colour, "WHEN", "auto, always or never (auto: on a terminal, unless NO_COLOR is set)");
        app_.footer(
            "Exit status: 0 connected, 1 not connected, 2 bad usage.\n\n"
            "  dial example.com:443\n"
            "  dial -6 --timeout 5 example.com https\n"
            "  dial --tls --alpn h2 example.com:443\n"
            "  dial --tls --proxy socks5h://localhost:1080 example.com:443\n"
            "  dial --resolver dns srv:_xmpp-client._tcp.example.com\n"
            "  dial unix:/run/redis/redis.sock");
        app_.get_formatter()->column_width(26);
        app_.get_formatter()->label("REQUIRED", "");
    }

    // What there is to tell, if it is information that is asked for.
    std::string parse(std::vector<std::string> words) {
        std::ranges::reverse(words);  // as CLI11 takes them
        try {
            app_.parse(std::move(words));
        } catch (const CLI::CallForHelp&) {
            return app_.help();
        } catch (const CLI::CallForVersion& version) {
            return std::string{version.what()} + '\n';
        } catch (const CLI::RequiredError&) {
            throw usage_error{"no target; write HOST PORT, HOST:PORT or unix:/path"};
        } catch (const CLI::ParseError& error) {
            throw usage_error{std::string{error.what()} + "; see dial --help"};
        }
        return {};
    }

    target to() const {
        if (port_option_->count() == 0) return target{host_};
        if (host_.starts_with("unix:")) throw usage_error{"a unix socket has no port, but '" + port_ + "' is given"};
        if (host_.starts_with("srv:_"))
            throw usage_error{"the port of a service is in its record, but '" + port_ + "' is given"};
        return target{host_, port_};
    }

    address_family family() const {
        if (v4_ && v6_) throw usage_error{"-4 and -6 exclude each other"};
        return v4_ ? address_family::v4 : v6_ ? address_family::v6 : address_family::any;
    }

    // Refuses what a unix socket has no use for.
    void check_for_unix_socket() const {
        for (const CLI::Option* const o :
            {v4_option_, v6_option_, source_option_, interface_option_, attempt_delay_option_, resolver_option_,
                dns_option_, https_option_, proxy_option_, tls_option_, alpn_option_, insecure_option_})
            if (o->count() != 0) throw usage_error{o->get_name() + " is for hosts, not for a unix socket"};
    }

    bool json = false, quiet = false, https = false, tls = false, insecure = false;
    std::vector<std::string> sources, dns_servers;
    std::optional<std::string> timeout, attempt_delay, interface, colour, resolver, proxy, retry, alpn;

private:
    CLI::Option* text(const char* names, std::optional<std::string>& to, const char* value, const char* help) {
        return app_
            .add_option_function<std::string>(
                names, [&to](const std::string& given) { to = given; }, help)
            ->type_name(value)
            ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    }

    CLI::App app_{"Connects to a host or a unix socket, and shows how it went.\n", "dial"};
    bool v4_ = false, v6_ = false;
    std::string host_, port_;
    CLI::Option *port_option_, *v4_option_, *v6_option_, *source_option_, *interface_option_, *attempt_delay_option_,
        *resolver_option_, *dns_option_, *https_option_, *proxy_option_, *tls_option_, *alpn_option_, *insecure_option_;
};

duration read_limit(std::string_view option, const std::optional<std::string>& text, duration otherwise) {
    if (!text) return otherwise;
    if (const auto length = read_duration(*text)) return *length;
    throw usage_error{std::string{option} + ": '" + *text + "' is no length of time; write it as 5, 1.5s, 300ms or 2m"};
}

asio::ip::address read_source(const std::string& text) {
    error_code ec;
    const auto address = asio::ip::make_address(text, ec);
    if (ec)
        throw usage_error{"--source: '" + text + "' is no IP address; write one of this machine, as 127.0.0.1 or ::1"};
    return address;
}

colours read_colours(const std::string& text) {
    if (text == "auto") return colours::automatic;
    if (text == "always") return colours::always;
    if (text == "never") return colours::never;
    throw usage_error{"--color: '" + text + "' is none of auto, always, never"};
}

names_from read_resolver(const command_line& line) {
    const std::string who = line.resolver.value_or(line.dns_servers.empty() ? "system" : "dns");
    if (who != "system" && who != "dns") throw usage_error{"--resolver: '" + who + "' is none of system, dns"};
    if (who == "system") {
        if (!line.dns_servers.empty())
            throw usage_error{"--dns is for --resolver dns: the system asks its own servers"};
        return names_from::system;
    }
#ifdef DIAL_HAS_DNS_RESOLVER
    dns_options checked;
    for (const std::string& server : line.dns_servers) checked.server(server);  // says what is wrong
    return names_from::dns;
#else
    throw usage_error{"--resolver dns: this dial was built without c-ares"};
#endif
}

int read_retries(const std::string& text) {
    constexpr int most = 1000;
    int count = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (ec != std::errc{} || end != text.data() + text.size() || count < 0 || count > most)
        throw usage_error{"--retry: '" + text + "' is no number from 0 to 1000"};
    return count;
}

std::vector<std::string> read_protocols(const std::string& text) {
    std::vector<std::string> all;
    for (std::size_t begin = 0; begin <= text.size();) {
        const std::size_t end = std::min(text.find(',', begin), text.size());
        all.push_back(text.substr(begin, end - begin));
        if (all.back().empty() || all.back().size() > 255)
            throw usage_error{"--alpn: write the protocols as h2,http/1.1; each has 1 to 255 bytes"};
        begin = end + 1;
    }
    return all;
}

// Where all sources are of one family, only that one is dialed: nothing connects from an address that was not given.
address_family family_of(const std::vector<asio::ip::address>& sources, address_family wanted) {
    const bool any_v4 = std::ranges::any_of(sources, [](const auto& a) { return a.is_v4(); });
    const bool any_v6 = std::ranges::any_of(sources, [](const auto& a) { return a.is_v6(); });
    if (any_v6 && wanted == address_family::v4) throw usage_error{"--source with an IPv6 address is of no use with -4"};
    if (any_v4 && wanted == address_family::v6) throw usage_error{"--source with an IPv4 address is of no use with -6"};
    if (any_v4 != any_v6) return any_v4 ? address_family::v4 : address_family::v6;
    return wanted;
}

arguments read(const command_line& line) {
    arguments asked;
    asked.to = line.to();
    if (asked.to.is_unix()) line.check_for_unix_socket();
    if (line.json && line.quiet) throw usage_error{"--json and --quiet exclude each other"};
    asked.json = line.json;
    asked.quiet = line.quiet;
    asked.colour = read_colours(line.colour.value_or("auto"));
    for (const std::string& text : line.sources) asked.sources.push_back(read_source(text));
    asked.with.timeout = read_limit("--timeout", line.timeout, asked.with.timeout);
    asked.with.attempt_delay = read_limit("--attempt-delay", line.attempt_delay, asked.with.attempt_delay);
    asked.with.family = family_of(asked.sources, line.family());
    asked.names = read_resolver(line);
    asked.dns_servers = line.dns_servers;
    asked.with.https_records = line.https;
    if (line.proxy) {
        if (line.proxy->empty()) throw usage_error{"--proxy: no proxy; write it as socks5h://localhost:1080"};
        asked.proxy = *line.proxy;
    }
    if (line.retry) asked.retries = read_retries(*line.retry);
    if (line.alpn) asked.alpn = read_protocols(*line.alpn);
    asked.insecure = line.insecure;
    asked.tls = line.tls || line.alpn || line.insecure;
#ifndef DIAL_HAS_TLS
    if (asked.tls) throw usage_error{"--tls: this dial was built without OpenSSL"};
#endif
    if (line.interface) {
        if (line.interface->empty()) throw usage_error{"--interface: no name"};
        asked.with.socket.interface = interface_name{*line.interface};
    }
    return asked;
}

}  // namespace

usage_error::usage_error(const std::string& what) : std::invalid_argument{one_line(what)} {}

std::variant<arguments, information> read_arguments(const std::vector<std::string>& words) {
    command_line line;
    if (std::string text = line.parse(words); !text.empty()) return information{std::move(text)};
    try {
        return read(line);
    } catch (const usage_error&) {
        throw;
    } catch (const std::invalid_argument& error) {  // what a target or an interface name says of itself
        throw usage_error{error.what()};
    }
}

}  // namespace dial::cli
