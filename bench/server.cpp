// Accepts on a TCP port and a unix path, and closes 2,048 accepts later.
//
//   bench_server PORT PATH        prints "ready"; ends with its parent
//
// It looks every 200 us rather than being woken: the client then pays neither for waking another CPU nor for a FIN that
// meets its own RST, which now and then costs a later connect from the same port a second.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace {

int listen_on(const sockaddr* address, socklen_t size) {
    const int fd = ::socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(fd, address, size) != 0 || ::listen(fd, 65'535) != 0) {
        std::perror("bench_server");
        std::exit(1);
    }
    return fd;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3 || std::strlen(argv[2]) > 107) {
        std::fprintf(stderr, "usage: %s PORT PATH\n", argv[0]);
        return 2;
    }
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(static_cast<unsigned short>(std::atoi(argv[1])));
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sockaddr_un un{};
    un.sun_family = AF_UNIX;
    std::strcpy(un.sun_path, argv[2]);
    ::unlink(argv[2]);
    const std::array listeners{
        listen_on(reinterpret_cast<sockaddr*>(&in), sizeof in), listen_on(reinterpret_cast<sockaddr*>(&un), sizeof un)};
    std::puts("ready");
    std::fflush(stdout);

    static std::array<int, 2048> held{};
    std::size_t next = 0;
    for (;;) {
        for (const int listener : listeners)
            for (int fd; (fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;
                 next = (next + 1) % held.size()) {
                if (held[next]) ::close(held[next]);
                held[next] = fd;
            }
        const timespec pause{0, 200'000};
        ::nanosleep(&pause, nullptr);
    }
}
