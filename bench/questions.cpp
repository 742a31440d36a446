// What it costs to ask the kernel whether a TCP socket is connected, and to whom: nanoseconds for one system call each.
//
//   $ bench_questions
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdio>

#ifndef SO_COOKIE
#define SO_COOKIE 57
#endif

namespace {

template <class Question>
void measure(const char* name, Question question) {
    constexpr int times = 300'000;
    double best = 1e9;
    for (int round = 0; round != 5; ++round) {
        const auto start = std::chrono::steady_clock::now();
        for (int i = 0; i != times; ++i) question();
        const std::chrono::duration<double, std::nano> taken = std::chrono::steady_clock::now() - start;
        best = std::min(best, taken.count() / times);
    }
    std::printf("%-28s %5.0f ns\n", name, best);
}

}  // namespace

int main() {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* const peer = reinterpret_cast<sockaddr*>(&address);
    const int listener = ::socket(AF_INET, SOCK_STREAM, 0), fd = ::socket(AF_INET, SOCK_STREAM, 0);
    if (::bind(listener, peer, size) != 0 || ::listen(listener, 1) != 0 || ::getsockname(listener, peer, &size) != 0 ||
        ::connect(fd, peer, size) != 0) {
        std::perror("bench_questions");
        return 1;
    }
    char answer[256];
    const auto option = [&](int level, int name, socklen_t length) {
        return [=, &answer] {
            socklen_t room = length;
            ::getsockopt(fd, level, name, answer, &room);
        };
    };
    measure("getsockopt TCP_INFO", option(IPPROTO_TCP, TCP_INFO, 144));
    measure("connect again", [&] { ::connect(fd, peer, size); });
    measure("getsockname", [&] {
        socklen_t room = sizeof answer;
        ::getsockname(fd, reinterpret_cast<sockaddr*>(answer), &room);
    });
    measure("getsockopt SO_ERROR", option(SOL_SOCKET, SO_ERROR, 4));
    measure("getsockopt SO_COOKIE", option(SOL_SOCKET, SO_COOKIE, 8));
}
