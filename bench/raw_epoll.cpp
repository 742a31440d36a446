// The floor that the others are measured against: socket, connect, epoll_ctl, epoll_wait, getsockopt, and no library.
//
// REGISTER_ALL: a socket that is connected at once (AF_UNIX) is registered with epoll as well, as one that a reactor owns
// must be. What is left between that and a library is the library.
// BY_NAME: getaddrinfo(3), which blocks, before each connect; the first address is taken.
#include "harness.hpp"

#include <netdb.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

namespace {

class epoll_loop {
public:
    epoll_loop(bench::run& run, const sockaddr* peer, socklen_t size) : run_{run}, peer_{peer}, size_{size} {}

    // True when the connect is pending.
    bool start() {
#ifdef BY_NAME
        look_up();
#endif
        const int fd = ::socket(peer_->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        int result = ::connect(fd, peer_, size_);
        while (result != 0 && errno == EAGAIN) result = ::connect(fd, peer_, size_);  // a unix socket's full queue
        if (result == 0 || errno != EINPROGRESS) {
#ifdef REGISTER_ALL
            epoll_event event{};
            event.events = EPOLLIN | EPOLLET;
            if (result == 0) ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
#endif
            end(fd, result == 0 ? 0 : errno);
            return false;
        }
        epoll_event event{};
        event.events = EPOLLOUT;
        event.data.fd = fd;
        ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
        pending_.push_back(fd);
        return true;
    }

    void connect_all() {
        long started = 0, flying = 0;
        epoll_event events[256];
        while (run_.ok + run_.failed < run_.n) {
            while (flying < run_.concurrency && started < run_.n) {
                ++started;
                if (start()) ++flying;
            }
            if (flying == 0) continue;
            const int count = ::epoll_wait(epoll_, events, 256, 10'000);
            if (count <= 0) return;
            for (int i = 0; i != count; ++i) {
                int error = 0;
                socklen_t size = sizeof error;
                ::getsockopt(events[i].data.fd, SOL_SOCKET, SO_ERROR, &error, &size);
                end(events[i].data.fd, error);
                --flying;
            }
            pending_.clear();
        }
    }

    long cancel_all() {
        for (const int fd : pending_) ::close(fd);
        return static_cast<long>(pending_.size());
    }

private:
#ifdef BY_NAME
    void look_up() {
        addrinfo hints{}, *list = nullptr;
        hints.ai_socktype = SOCK_STREAM;
        const std::string port = std::to_string(run_.port);
        if (::getaddrinfo(run_.host.c_str(), port.c_str(), &hints, &list) != 0 || !list) std::exit(1);
        std::memcpy(&found_, list->ai_addr, list->ai_addrlen);
        size_ = list->ai_addrlen;
        peer_ = reinterpret_cast<const sockaddr*>(&found_);
        ::freeaddrinfo(list);
    }
    sockaddr_storage found_{};
#endif

    void end(int fd, int error) {
        const linger reset{1, 0};
        ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        ::close(fd);
        run_.ended(error);
    }

    bench::run& run_;
    const sockaddr* peer_;
    socklen_t size_;
    int epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    std::vector<int> pending_;
};

template <class Endpoint>
int measure(bench::run& run, const Endpoint& peer) {
    epoll_loop loop{run, peer.data(), static_cast<socklen_t>(peer.size())};
    run.begin();
    if (!run.pending) {
        loop.connect_all();
        return run.end();
    }
    for (long i = 0; i != run.n; ++i) loop.start();
    run.all_pending();
    run.all_cancelled(loop.cancel_all());
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    bench::run run{argc, argv};
#ifdef BY_NAME
    return measure(run, bench::asio::ip::tcp::endpoint{});
#endif
    return run.unix_socket() ? measure(run, run.local()) : measure(run, run.tcp());
}
