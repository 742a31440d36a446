#include <dial/detail/open_socket.hpp>
#include <dial/detail/socket_setup.hpp>
#include <race/attempt.hpp>
#include <race/most_telling.hpp>

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <optional>
#include <utility>

namespace dial::race {
namespace {

using detail::progress;
using detail::verdict;

// The kernel's own range; 0 to 0 where it cannot be read (ip(7)).
port_range system_ports() {
    std::ifstream file{"/proc/sys/net/ipv4/ip_local_port_range"};
    port_range range;
    file >> range.first >> range.last;
    return range;
}

// What connect(2) chooses from: of a socket's own range, only the bounds that lie in the system's count.
port_range narrowed(port_range range, const port_range& own) {
    if (range.first <= own.first && own.first <= range.last) range.first = own.first;
    if (range.first <= own.last && own.last <= range.last) range.last = own.last;
    return range;
}

std::string to_text(const port_range& range) {
    return std::to_string(range.first) + "-" + std::to_string(range.last);
}

std::string where_ports_come_from(const std::optional<port_range>& own) {
    const std::string setting = "net.ipv4.ip_local_port_range";
    const port_range system = system_ports();
    if (system == port_range{}) return own ? to_text(*own) + " (local_ports)" : setting;
    if (!own) return to_text(system) + " (" + setting + ")";
    const port_range both = narrowed(system, *own);
    if (both == *own) return to_text(both) + " (local_ports)";
    return to_text(both) + " (local_ports " + to_text(*own) + " within " + setting + " " + to_text(system) + ")";
}

bool has_port(int fd) {
    asio::ip::tcp::endpoint own;
    auto size = static_cast<socklen_t>(own.capacity());
    return ::getsockname(fd, own.data(), &size) == 0 && own.port() != 0;
}

// Asked by a UDP socket, which sends nothing and has ports of its own.
bool has_source_address(const asio::ip::tcp::endpoint& peer, const socket_options& options) {
    const int fd = detail::open_with_options(peer.protocol().family(), SOCK_DGRAM, 0, options).fd;
    if (fd == -1) return true;  // nobody knows
    const bool none = ::connect(fd, peer.data(), static_cast<socklen_t>(peer.size())) != 0 && errno == EADDRNOTAVAIL;
    detail::close_descriptor(fd);
    return !none;
}

std::string to_text(const asio::ip::tcp::endpoint& peer) {
    const std::string address = peer.address().to_string();
    return (peer.address().is_v6() ? "[" + address + "]" : address) + ":" + std::to_string(peer.port());
}

std::string join(std::span<const asio::ip::address> addresses) {
    std::string text;
    for (const auto& a : addresses) text += (text.empty() ? "" : ", ") + a.to_string();
    return text;
}

void use_source(socket_options& options, const asio::ip::address& source) {
    if (source.is_v4())
        options.local_v4 = source.to_v4();
    else
        options.local_v6 = source.to_v6();
}

}  // namespace

void attempt::start(const attempt_setup& setup) {
    fast_open_ = setup.options.fast_open;
    const std::size_t sources = setup.sources.size();
    verdict v;
    for (std::size_t i = 0; i != std::max<std::size_t>(sources, 1); ++i) {
        const asio::ip::address* const source = sources ? &setup.sources[(setup.first_source + i) % sources] : nullptr;
        v = open_and_connect(setup, source);
        if (v.what == progress::to_itself && !std::exchange(tried_again_, true))
            v = open_and_connect(setup, source);  // a new socket, another port
        if (!ports_ran_out_) break;
    }
    if (ports_ran_out_) explain_lack_of_ports(setup);
    settle(v);
}

verdict attempt::open_and_connect(const attempt_setup& setup, const asio::ip::address* source) {
    ports_ran_out_ = false;
    socket_options options = setup.options;
    if (source) use_source(options, *source);
    const auto protocol = peer_.protocol();
    const detail::opened made =
        detail::open_with_options(protocol.family(), protocol.type(), protocol.protocol(), options);
    if (made.fd == -1) {
        if (made.refused.name) note_ = made.refused.name;
        return detail::failed(made.refused.error);
    }
    if (setup.before_connect && *setup.before_connect) {
        if (const error_code ec = (*setup.before_connect)(made.fd, peer_)) {
            detail::close_descriptor(made.fd);
            error_ = ec;  // of any category
            note_ = "before_connect";
            return detail::failed(0);
        }
    }
    const verdict v = detail::call_connect(made.fd, peer_.data(), peer_.size());
    // What fails inside connect(2) has not left this machine, unless the peer was heard.
    sent_ = sent_ || v.what != progress::failed || who_says({v.error, boost::system::system_category()}) == voice::peer;
    if (v.what == progress::to_itself) detail::withdraw(made.fd);  // closed, it would hold its own port in TIME_WAIT
    if (v.what == progress::failed || v.what == progress::to_itself) {
        // With a port that the hook has bound, both ends are those of another connection.
        ports_ran_out_ = v.what == progress::failed && v.error == EADDRNOTAVAIL && !has_port(made.fd);
        detail::close_descriptor(made.fd);
        return v;
    }
    if (const error_code ec = detail::adopt(socket_, protocol, made.fd)) return detail::failed(ec.value());
    return v;
}

void attempt::ask() {
    const verdict v = detail::ask(socket_.native_handle(), peer_.protocol().family());
    if (v.what == progress::to_itself) {
        detail::withdraw(socket_.native_handle());
        if (!std::exchange(tried_again_, true)) {
            state_ = state::connected_to_itself;
            return close();
        }
    }
    settle(v);
}

void attempt::settle(verdict v) {
    switch (v.what) {
        case progress::connected: state_ = state::connected; break;
        case progress::in_progress: state_ = state::running; break;
        case progress::to_itself:
        case progress::queue_full:
        case progress::failed:
            state_ = state::failed;
            if (v.what == progress::to_itself) {
                v.error = ECONNREFUSED;  // nobody else is there
                note_ = "connected to itself";
            }
            if (v.error) error_ = {v.error, boost::system::system_category()};
            close();
            break;
    }
}

void attempt::fail(error_code why, std::string note) {
    state_ = state::failed;
    error_ = why;
    if (!note.empty()) note_ = std::move(note);
    close();
}

asio::ip::tcp::socket attempt::hand_over() {
    local_ = local();
    return std::move(socket_);
}

void attempt::close() {
    error_code ignored;
    socket_.close(ignored);
}

bool attempt::deferred() const {
    if (!fast_open_ || state_ != state::connected) return false;
    tcp_info info{};
    socklen_t size = sizeof info;
    const int fd = const_cast<asio::ip::tcp::socket&>(socket_).native_handle();
    return ::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 && info.tcpi_state == TCP_SYN_SENT;
}

asio::ip::tcp::endpoint attempt::local() const {
    error_code ignored;
    return socket_.is_open() ? socket_.local_endpoint(ignored) : local_;
}

// Source, destination, range, and what to change: EADDRNOTAVAIL by itself tells nobody.
void attempt::explain_lack_of_ports(const attempt_setup& setup) {
    std::string from = "this host";
    if (!setup.sources.empty()) {
        from = join(setup.sources);
    } else if (peer_.address().is_v4() && setup.options.local_v4) {
        from = setup.options.local_v4->to_string();
    } else if (peer_.address().is_v6() && setup.options.local_v6) {
        from = setup.options.local_v6->to_string();
    } else if (!has_source_address(peer_, setup.options)) {
        note_ = "no address of this host can be the source for " + to_text(peer_) + ": add one" +
            (peer_.address().is_v6() ? ", or is IPv6 switched off (net.ipv6.conf.*.disable_ipv6)?" : "");
        return;
    }
    note_ = "no local port is free from " + from + " to " + to_text(peer_) + " in " +
        where_ports_come_from(setup.options.local_ports) +
        ": add source addresses, widen the range, or reuse connections";
}

}  // namespace dial::race
