// The part of a channel that does the I/O: c-ares makes the messages and keeps their time, Asio's reactor waits.
//
// c-ares 1.18 to 1.34. The sockets are this file's own, by ares_set_socket_functions: nothing is written that could raise
// SIGPIPE, link-local servers have their zone, and it is known who answered, and with which code.
#include <dns/channel.hpp>
#include <dns/message.hpp>
#include <resolve/fork_guard.hpp>

#include <boost/asio/error.hpp>

#define CARES_NO_DEPRECATED  // ares_query and its kin: older versions have no others
#include <ares.h>

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>
#include <span>
#include <string_view>

namespace dial::dns {
namespace {

constexpr int class_in = 1;          // RFC 1035 section 3.2.4
constexpr int datagram_size = 1232;  // what passes everywhere (DNS flag day 2020)
constexpr int receive_buffer = 1 << 20;
constexpr int code_formerr = 1, code_servfail = 2, code_notimp = 4, code_refused = 5;  // RFC 1035 section 4.1.1

bool init_once() {
    static const bool done = ::ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS;
    return done;
}

struct zoned {
    std::string address;  // without the zone, as c-ares takes it
    std::string zone;
};

// "[fe80::1%eth0]:53" in two.
zoned split_zone(const std::string& server) {
    const std::size_t percent = server.find('%');
    if (percent == server.npos) return {server, {}};
    const std::size_t end = server.find(']', percent);
    return {server.substr(0, percent) + server.substr(end), server.substr(percent + 1, end - percent - 1)};
}

std::string text_of(const sockaddr& to) {
    char text[INET6_ADDRSTRLEN] = "";
    if (to.sa_family == AF_INET6) {
        const auto& in = reinterpret_cast<const sockaddr_in6&>(to);
        ::inet_ntop(AF_INET6, &in.sin6_addr, text, sizeof text);
        return '[' + std::string{text} + "]:" + std::to_string(ntohs(in.sin6_port));
    }
    const auto& in = reinterpret_cast<const sockaddr_in&>(to);
    ::inet_ntop(AF_INET, &in.sin_addr, text, sizeof text);
    return std::string{text} + ':' + std::to_string(ntohs(in.sin_port));
}

}  // namespace

struct channel::ready_handler {
    std::shared_ptr<channel> self;
    std::uint64_t socket;
    bool writable;
    void operator()(error_code) const { self->on_ready(socket, writable); }
};

struct channel::tick_handler {
    std::shared_ptr<channel> self;
    void operator()(error_code ec) const { self->on_tick(ec); }
};

// All are called by c-ares, under the lock. None may throw.
struct channel::socket_functions {
    static channel& of(void* user) { return *static_cast<channel*>(user); }

    static ares_socket_t open(int domain, int type, int protocol, void* user) noexcept try {
        channel& self = of(user);
        const int fd = ::socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
        if (fd == -1) return ARES_SOCKET_BAD;
        const int on = 1;
        if (type == SOCK_DGRAM)  // many answers may come at once; the kernel grants what it likes
            ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
        else
            ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        asio::posix::stream_descriptor descriptor{self.executor_};
        error_code ec;
        descriptor.assign(fd, ec);
        if (ec) {
            ::close(fd);
            errno = ec.value();
            return ARES_SOCKET_BAD;
        }
        self.sockets_.emplace(self.next_id_++, socket{std::move(descriptor), {}, type == SOCK_DGRAM});
        return fd;
    } catch (...) {
        errno = ENOMEM;
        return ARES_SOCKET_BAD;
    }

    static int close(ares_socket_t fd, void* user) noexcept {
        channel& self = of(user);
        if (const auto s = self.find_socket(fd); s != self.sockets_.end()) self.sockets_.erase(s);
        return 0;
    }

    static int connect(ares_socket_t fd, const sockaddr* to, ares_socklen_t size, void* user) noexcept try {
        channel& self = of(user);
        const auto s = self.find_socket(fd);
        if (s == self.sockets_.end()) {
            errno = EBADF;
            return -1;
        }
        s->second.server = text_of(*to);
        sockaddr_in6 with_zone;
        if (to->sa_family == AF_INET6 && size == sizeof with_zone) {
            for (const std::string& server : self.how_.servers) {
                const zoned parts = split_zone(server);
                if (parts.zone.empty() || parts.address != s->second.server) continue;
                s->second.server = server;
                std::memcpy(&with_zone, to, sizeof with_zone);
                with_zone.sin6_scope_id = ::if_nametoindex(parts.zone.c_str());
                if (with_zone.sin6_scope_id == 0)
                    with_zone.sin6_scope_id = static_cast<std::uint32_t>(std::strtoul(parts.zone.c_str(), nullptr, 10));
                to = reinterpret_cast<const sockaddr*>(&with_zone);
            }
        }
        return ::connect(fd, to, size);
    } catch (...) {
        errno = ENOMEM;
        return -1;
    }

    static ares_ssize_t receive(ares_socket_t fd, void* data, std::size_t size, int flags, sockaddr* from,
        ares_socklen_t* from_size, void* user) noexcept {
        channel& self = of(user);
        const auto s = self.find_socket(fd);
        const bool datagrams = s != self.sockets_.end() && s->second.datagrams;
        ssize_t count = 0;
        bool fit = true;
        do {
            count = ::recvfrom(fd, data, size, flags, from, from_size);
            // c-ares gives up on a server that sends nonsense, or nothing: anybody could do that in its name.
            fit = !datagrams || count < 0 ||
                begins_message({static_cast<const unsigned char*>(data), static_cast<std::size_t>(count)});
        } while (!fit);
        if (count <= 0 || s == self.sockets_.end()) return count;
        self.heard_from_ = &s->second.server;
        self.rcode_ = datagrams ? static_cast<const unsigned char*>(data)[3] & 0xF : -1;
        return count;
    }

    static ares_ssize_t send(ares_socket_t fd, const iovec* parts, int count, void* user) noexcept {
        msghdr message{};
        message.msg_iov = const_cast<iovec*>(parts);
        message.msg_iovlen = static_cast<std::size_t>(count);
        ssize_t sent = ::sendmsg(fd, &message, MSG_NOSIGNAL);
        // What a datagram before this one has met, told by ICMP. This one was not sent; what it meets, the reader will hear.
        if (sent == -1 && errno == ECONNREFUSED) sent = ::sendmsg(fd, &message, MSG_NOSIGNAL);
        if (sent != -1 || errno != EAGAIN) return sent;
        // c-ares gives a datagram up that the kernel has no room for. It is as good as lost on the way: that is what its
        // timeout is for.
        const auto s = of(user).find_socket(fd);
        if (s == of(user).sockets_.end() || !s->second.datagrams) return sent;
        std::size_t size = 0;
        for (int i = 0; i != count; ++i) size += parts[i].iov_len;
        return static_cast<ares_ssize_t>(size);
    }

    static void on_state(void* user, ares_socket_t fd, int readable, int writable) noexcept {
        const auto s = of(user).find_socket(fd);
        if (s == of(user).sockets_.end()) return;
        s->second.wants_read = readable != 0;
        s->second.wants_write = writable != 0;
    }

    static void on_reply(void* asked, int status, int, unsigned char* message, int size) noexcept {
        query& q = *static_cast<query*>(asked);
        q.owner->on_reply(q, status, message, size);
    }
};

channel::socket_map::iterator channel::find_socket(int fd) {
    return std::ranges::find_if(sockets_, [&](auto& s) { return s.second.descriptor.native_handle() == fd; });
}

// --- Opening and closing ---

bool channel::open() {
    if (ares_) return true;
    if (!init_once()) return false;
    ares_options options{};
    char lookups[] = "b", nowhere[] = "/dev/null";
    options.flags = ARES_FLAG_EDNS | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES;
    options.timeout =
        static_cast<int>(std::clamp<duration::rep>(how_.timeout / std::chrono::milliseconds{1}, 1, 1 << 20));
    options.tries = std::clamp(how_.tries, 1, 100);
    options.lookups = lookups;
    options.ednspsz = datagram_size;
    options.resolvconf_path = nowhere;  // it was read
    options.sock_state_cb = &socket_functions::on_state;
    options.sock_state_cb_data = this;
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_EDNSPSZ |
        ARES_OPT_RESOLVCONF | ARES_OPT_SOCK_STATE_CB | ARES_OPT_DOMAINS;
    mask |= how_.rotate ? ARES_OPT_ROTATE : ARES_OPT_NOROTATE;
#ifdef ARES_OPT_UDP_MAX_QUERIES
    options.udp_max_queries = 128;  // then another port: whoever wants to forge an answer has to guess it
    mask |= ARES_OPT_UDP_MAX_QUERIES;
#endif
#ifdef ARES_OPT_QUERY_CACHE
    options.qcache_max_ttl = 0;  // that is what caching_resolver is for
    mask |= ARES_OPT_QUERY_CACHE;
#endif
    if (::ares_init_options(&ares_, &options, mask) != ARES_SUCCESS) {
        ares_ = nullptr;
        return false;
    }
    static constexpr ares_socket_functions functions{&socket_functions::open, &socket_functions::close,
        &socket_functions::connect, &socket_functions::receive, &socket_functions::send};
    ::ares_set_socket_functions(ares_, &functions, this);
    std::string servers;
    for (const std::string& server : how_.servers) {
        if (!servers.empty()) servers += ',';
        servers += split_zone(server).address;
    }
    if (::ares_set_servers_ports_csv(ares_, servers.c_str()) == ARES_SUCCESS) return true;
    shut();
    return false;
}

void channel::shut() noexcept {
    silent_ = true;
    if (ares_) ::ares_destroy(std::exchange(ares_, nullptr));
    silent_ = false;
    sockets_.clear();
    timer_.reset();
    armed_until_ = time_point::max();
}

// Nobody waits for anything: what is out is given up, sockets are closed, and the io_context has nothing to wait for.
void channel::stop_asking() noexcept {
    silent_ = true;
    if (ares_ && out_ != 0) ::ares_cancel(ares_);
    silent_ = false;
    out_ = 0;
    over_.clear();
    to_send_.clear();
    queries_.clear();
    timer_.reset();
    armed_until_ = time_point::max();
    executor_ = {};
}

// --- Queries ---

void channel::send(query& q) {
    over_.reserve(over_.size() + out_ + 1);
    q.out = true;
    q.server_failed = q.not_understood = false;
    ++out_;
    sent_ = true;
    heard_from_ = nullptr;
    rcode_ = -1;
    ::ares_query(ares_, q.name.c_str(), class_in, static_cast<int>(q.type), &socket_functions::on_reply, &q);
}

void channel::on_reply(query& q, int status, const unsigned char* message, int size) noexcept {
    if (silent_) return;
    --out_;
    q.out = false;
    try {
        q.given = read_reply(q, status, message, size);
    } catch (...) {
        q.given = answer{error_code{ENOMEM, boost::system::system_category()}};
    }
    over_.push_back(&q);  // send() has made room
}

answer channel::read_reply(query& q, int status, const unsigned char* message, int size) const {
    namespace netdb = asio::error;
    const auto said = [&](answer a) {
        if (heard_from_) a.source(*heard_from_);
        return a;
    };
    if (message && size > 0) {
        const std::span bytes{message, static_cast<std::size_t>(size)};
        const auto head = read_header(bytes);
        q.not_understood = head && head->rcode == code_formerr;
        q.server_failed = head && head->rcode == code_servfail;
        return said(read_answer(bytes, q.name, q.type));
    }
    switch (status) {
        case ARES_ENOTFOUND: return said(answer{netdb::host_not_found});
        case ARES_EBADNAME:
        case ARES_EBADQUERY: return answer{netdb::host_not_found};  // it does not fit in a message: no such name
        case ARES_ENOMEM: return answer{error_code{ENOMEM, boost::system::system_category()}};
        case ARES_ESERVFAIL: q.server_failed = true; return said(answer{netdb::host_not_found_try_again});
        case ARES_EFORMERR: q.not_understood = true; [[fallthrough]];
        case ARES_EREFUSED:
        case ARES_ENOTIMP:
        case ARES_EBADRESP: return said(answer{netdb::no_recovery});
        case ARES_ECONNREFUSED:  // what old versions say as well when all servers have failed
            if (rcode_ == code_servfail) {
                q.server_failed = true;
                return said(answer{netdb::host_not_found_try_again});
            }
            if (rcode_ == code_refused || rcode_ == code_notimp) return said(answer{netdb::no_recovery});
            return answer{netdb::host_not_found_try_again};
    }
    return answer{netdb::host_not_found_try_again};
}

// --- Waiting ---

void channel::on_ready(std::uint64_t id, bool writable) {
    turn([&] {
        const auto s = sockets_.find(id);
        if (s == sockets_.end()) return;
        (writable ? s->second.writes : s->second.reads) = false;
        const int fd = s->second.descriptor.native_handle();
        heard_from_ = nullptr;
        rcode_ = -1;
        ::ares_process_fd(ares_, writable ? ARES_SOCKET_BAD : fd, writable ? fd : ARES_SOCKET_BAD);
    });
}

// c-ares is to see what is out of time: it asks again, or another server, or gives up.
void channel::on_tick(error_code ec) {
    if (ec) return;
    turn([&] {
        if (!ares_ || !timer_ || std::chrono::steady_clock::now() < armed_until_) return;
        armed_until_ = time_point::max();
        sent_ = true;
        heard_from_ = nullptr;
        rcode_ = -1;
        ::ares_process_fd(ares_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    });
}

void channel::wait_for_sockets() {
    for (auto& [id, s] : sockets_) {
        if (s.wants_read && !std::exchange(s.reads, true))
            s.descriptor.async_wait(
                asio::posix::stream_descriptor::wait_read, ready_handler{shared_from_this(), id, false});
        if (s.wants_write && !std::exchange(s.writes, true))
            s.descriptor.async_wait(
                asio::posix::stream_descriptor::wait_write, ready_handler{shared_from_this(), id, true});
    }
}

void channel::wait_for_time() {
    if (!std::exchange(sent_, false) && armed_until_ != time_point::max()) return;
    timeval left{};
    if (!::ares_timeout(ares_, nullptr, &left)) return;
    const time_point due = std::chrono::steady_clock::now() + std::chrono::seconds{left.tv_sec} +
        std::chrono::microseconds{left.tv_usec + 1};
    if (due >= armed_until_) return;
    armed_until_ = due;
    if (!timer_) timer_ = std::make_unique<asio::steady_timer>(executor_);
    timer_->expires_at(due);
    timer_->async_wait(tick_handler{shared_from_this()});
}

}  // namespace dial::dns
