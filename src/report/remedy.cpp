#include <report/remedy.hpp>

#include <report/text.hpp>

#include <boost/asio/error.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>

namespace dial::reporting {
namespace {

namespace netdb = boost::asio::error;

// The system's own words, as they read in the middle of a sentence.
std::string message(const error_code& error) {
    std::string text = error.message();
    const auto is_upper = [](char c) { return c >= 'A' && c <= 'Z'; };
    if (text.size() > 1 && is_upper(text[0]) && !is_upper(text[1])) text[0] = static_cast<char>(text[0] - 'A' + 'a');
    return text;
}

// clang-format off
const char* system_remedy(int code) {
    switch (code) {
        case ECONNREFUSED: return "is the server running, and the port right?";
        case ECONNRESET: return "is the server overloaded, or does a firewall or proxy stand before it?";
        case ETIMEDOUT: return "is the address right, and does a firewall drop the packets?";
        case EHOSTUNREACH:
        case EHOSTDOWN: return "is the machine up, and the address right?";
        case ENETUNREACH: return "is the network up, and does it have this address family? see ip route get";
        case ENETDOWN: return "bring up the interface of its route";
        case EACCES: return "does a route or a security policy forbid it? see ip route get, SELinux and the like";
        case EPERM: return "does a firewall rule or security policy of this machine forbid it? see nft list ruleset";
        case EADDRNOTAVAIL:
            return "is no local port left, or the source no address of this machine? reuse connections, use more source "
                   "addresses, or widen net.ipv4.ip_local_port_range; see ip address";
        case EADDRINUSE: return "leave the local port to the kernel";
        case EMFILE: return "close descriptors, or raise ulimit -n";
        case ENFILE: return "close descriptors, or raise fs.file-max";
        case ENOBUFS:
        case ENOMEM: return "try again later, with fewer sockets";
        case EAFNOSUPPORT: return "the kernel does not have it; try the other one";
        case ENODEV: return "is there an interface of the zone's name? see ip link";
        case EINVAL: return "a link-local address needs its zone (fe80::1%eth0), and no route may be a blackhole";
        default: return "";
    }
}

const char* unix_remedy(int code) {
    switch (code) {
        case ECONNREFUSED: return "is the server running, and does it listen on this path?";
        case ETIMEDOUT: return "is the server alive? its queue may be full";
        case EACCES: return "may this user write to the socket, and search the directories of its path?";
        case EPERM: return "does a security policy of this machine forbid it?";
        case ENOENT: return "is the path right, and the server running? it makes the socket when it starts";
        case ENOTDIR:
        case ELOOP:
        case ENAMETOOLONG: return "check the path";
        case EPROTOTYPE: return "the socket at this path is of another type: datagram or seqpacket";
        default: return system_remedy(code);
    }
}

const char* option_remedy(int code) {
    switch (code) {
        case EPERM:
        case EACCES: return "get the privilege that it needs (CAP_NET_ADMIN, CAP_NET_RAW), or leave the option out";
        case ENODEV: return "is there such an interface? see ip link";
        case EINVAL: return "is the option's value in its range?";
        case ENOPROTOOPT: return "leave the option out: this kernel does not know it";
        case EADDRNOTAVAIL: return "is the source an address of this machine? see ip address";
        default: return system_remedy(code);
    }
}
// clang-format on

const char* proxy_remedy(const error_code& error) {
    if (error == dial::error::proxy_authentication_required || error == dial::error::proxy_authentication_failed)
        return "check the user and password for the proxy";
    if (error == dial::error::proxy_closed) return "does it take clients from here, and is it a proxy of that kind?";
    if (error == std::errc::connection_refused) return "is the server running, and the port right?";
    return "";
}

// OpenSSL's codes are not dial's to know, its words are.
explanation explain_tls(std::string said, std::string_view category) {
    const auto says = [&](std::string_view words) { return said.find(words) != said.npos; };
    if (category == "asio.ssl.stream" && says("truncated"))
        return {"the server hung up during the handshake", "does it speak TLS on this port?"};
    if (says("wrong version number") || says("packet length too long") || says("http request"))
        return {"what the server says is no TLS: " + said, "does it speak TLS on this port?"};
    if (says("unsupported protocol") || says("protocol version"))
        return {"no version of TLS that both speak: " + said, "dial speaks 1.2 and newer"};
    if (says("certificate required")) return {std::move(said), "the server wants a client certificate"};
    return {std::move(said), ""};
}

bool is_errno(const error_code& error) {
    return error.category() == boost::system::system_category() ||
        error.category() == boost::system::generic_category();
}

bool is_out(const report::lookup& l) {
    return l.how == outcome::pending || l.how == outcome::timed_out;
}

bool on_unix_socket(const report& story) {
    return story.target().starts_with("unix:") ||
        std::ranges::any_of(story.attempts(), [](const report::attempt& a) { return !a.path.empty(); });
}

// Time has run out: for whom did the dial wait?
explanation explain_timeout(const report& story) {
    const auto waited = [](const report::attempt& a) {
        return a.how == outcome::timed_out || a.how == outcome::pending;
    };
    const auto tried = [](const report::attempt& a) { return a.how != outcome::not_started; };
    const std::string gave_up = " (gave up after " + time_text(story.total()) + ")";
    if (std::ranges::none_of(story.attempts(), waited) && std::ranges::any_of(story.lookups(), is_out))
        return {"no answer from DNS within the time limit" + gave_up,
            "check the name servers in /etc/resolv.conf, and the way to them"};
    if (std::ranges::none_of(story.attempts(), tried))
        return {"the time limit passed before anything was tried" + gave_up, "give it more time"};
    explanation result = explain(dial::error::timeout, on_unix_socket(story));
    result.cause += gave_up;
    return result;
}

// What a layer failed for, and at whom.
explanation explain_layer(const report::phase& failed, const error_code& error) {
    explanation result = explain(error, failed.note);
    const bool on_the_way = failed.name == "resolve" || failed.name == "race" || failed.name == "connect";
    if (on_the_way && !failed.target.empty()) result.cause = failed.target + " on the way: " + result.cause;
    return result;
}

bool is_about_the_target(const report::phase& p) {
    return p.target.empty() && (p.name == "resolve" || p.name == "race" || p.name == "connect");
}

// The phase in which time ran out, where that is a layer's.
explanation explain_late_layer(const report::phase& failed, duration total) {
    const std::string gave_up = " (gave up after " + time_text(total) + ")";
    if (failed.name == "wait")
        return {"its turn did not come within the time limit" + gave_up, "give it more time, or let more through"};
    if (failed.name == "proxy")
        return {"the proxy " + failed.target + " did not answer within the time limit" + gave_up,
            "is it a proxy of that kind, and can it reach the target?"};
    if (failed.name == "tls")
        return {"the server did not shake hands within the time limit" + gave_up, "does it speak TLS on this port?"};
    return {failed.target + " on the way did not answer within the time limit" + gave_up, "is its address right?"};
}

explanation explain_whole(const report& story) {
    const error_code error = story.error();
    const report::phase* const failed = story.failed_phase();
    if (error == dial::error::timeout) {
        if (failed && failed->how == outcome::timed_out && !is_about_the_target(*failed))
            return explain_late_layer(*failed, story.total());
        return explain_timeout(story);
    }
    if (failed && failed->error == error && !is_about_the_target(*failed)) return explain_layer(*failed, error);
    if (story.target().starts_with("srv:") && story.attempts().empty()) {
        if (error == netdb::service_not_found) return {"the domain says that it has no such service", ""};
        if (error == netdb::host_not_found || error == netdb::no_data || error == dial::error::no_addresses)
            return {"no such service", "is there an SRV record of that name, and do its hosts have addresses?"};
    }
    if (const report::attempt* const a = most_telling_note(story))
        return explain(error, a->note, on_unix_socket(story));
    return explain(error, on_unix_socket(story));
}

}  // namespace

explanation explain(const error_code& error, bool unix_socket) {
    if (error == netdb::operation_aborted) return {"cancelled by the caller", ""};
    if (is_errno(error))
        return {message(error), unix_socket ? unix_remedy(error.value()) : system_remedy(error.value())};
    if (error == dial::error::timeout)
        return {"no answer within the time limit",
            unix_socket ? "is the server alive? its queue may be full"
                        : "is the address right, does a firewall drop the packets, or is it only slow?"};
    if (error == dial::error::no_addresses)
        return {"the host has no address that can be tried", "is the name right, and the address family?"};
    if (error == dial::error::invalid_target)
        return unix_socket ? explanation{"a unix socket cannot be dialed over TCP", "dial it with a local_dialer"}
                           : explanation{"this dialer cannot dial it",
                                 "a host is dialed with dial::connect or a dialer, a unix socket "
                                 "(unix:/path) with a local_dialer"};
    if (error == netdb::host_not_found) return {"no such name", "is it spelled right?"};
    if (error == netdb::host_not_found_try_again)
        return {"the name servers do not answer, or say to ask later",
            "check /etc/resolv.conf and the way to them, and try again"};
    if (error == netdb::no_data) return {"the name has no addresses", "is it spelled right? it may be for mail only"};
    if (error == netdb::no_recovery)
        return {"the name servers failed", "check /etc/resolv.conf, and try another server"};
    if (error == netdb::service_not_found || error == netdb::socket_type_not_supported)
        return {"no such service", "give the port as a number, or see /etc/services"};
    if (const std::string_view category = error.category().name(); category.starts_with("asio.ssl"))
        return explain_tls(message(error), category);
    if (error.category() == dial_category() || error.category() == http_category() ||
        error.category() == socks5_category() || error.category() == socks4_category())
        return {message(error), proxy_remedy(error)};
    return {message(error), ""};
}

explanation explain(const error_code& error, std::string_view note, bool unix_socket) {
    explanation result = explain(error, unix_socket);
    if (note.empty()) return result;
    if (!is_sentence(note)) {
        result.cause.append(" (").append(note).append(")");
        if (is_errno(error)) result.remedy = option_remedy(error.value());
    } else if (is_errno(error) && error.value() == EADDRNOTAVAIL) {
        return {std::string{note}, ""};  // the system's word for it tells nobody that the ports ran out
    } else {
        return {result.cause.append(": ").append(note), ""};
    }
    return result;
}

bool is_sentence(std::string_view note) {
    return note.find(' ') != note.npos;
}

const report::attempt* most_telling_note(const report& story) {
    const auto& all = story.attempts();
    const auto tells = [&](const report::attempt& a) {
        return a.how == outcome::failed && a.error == story.error() && !a.note.empty();
    };
    const auto found = std::ranges::find_if(all, tells);
    return story.error() && found != all.end() ? &*found : nullptr;
}

std::string headline(const report& story) {
    const std::string to = story.target().empty() ? "" : " to " + story.target();
    if (story.error() == netdb::operation_aborted)
        return printable("not connected" + to + ": cancelled by the caller after " + time_text(story.total()));
    const explanation why = explain_whole(story);
    return printable("cannot connect" + to + ": " + why.cause + (why.remedy.empty() ? "" : "; " + why.remedy));
}

}  // namespace dial::reporting
