// A DNS server for measurements: every A question is answered with 127.0.0.1, every other with nothing, each DELAY_MS after it
// came, however many are out.
//
//   bench_dns_server PORT DELAY_MS       prints "ready"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <string>

namespace {

using clock_type = std::chrono::steady_clock;

struct reply {
    clock_type::time_point due;
    sockaddr_in to;
    std::string bytes;
};

// The question itself with an answer behind it; other records of the query (EDNS) are left out.
std::string answer_to(const std::string& query) {
    std::size_t at = 12;
    while (at < query.size() && query[at] != 0) at += static_cast<unsigned char>(query[at]) + 1u;
    const std::size_t end = at + 5;
    if (end > query.size()) return {};
    const bool is_a = query[at + 1] == 0 && query[at + 2] == 1;
    std::string bytes = query.substr(0, end);
    bytes[2] = static_cast<char>(0x81);
    bytes[3] = static_cast<char>(0x80);
    for (std::size_t i = 6; i != 12; ++i) bytes[i] = 0;
    if (!is_a) return bytes;
    bytes[7] = 1;
    constexpr char record[] = "\xC0\x0C\0\x01\0\x01\0\0\x01\x2C\0\x04\x7F\0\0\x01";
    return bytes.append(record, sizeof record - 1);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) return std::fputs("usage: bench_dns_server PORT DELAY_MS\n", stderr), 2;
    const std::chrono::milliseconds delay{std::atoi(argv[2])};
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    const int large = 64 << 20;
    ::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &large, sizeof large);
    sockaddr_in own{};
    own.sin_family = AF_INET;
    own.sin_port = htons(static_cast<std::uint16_t>(std::atoi(argv[1])));
    own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::bind(fd, reinterpret_cast<sockaddr*>(&own), sizeof own) != 0) return std::perror("bind"), 1;
    std::puts("ready");
    std::fflush(stdout);
    std::deque<reply> waiting;
    for (;;) {
        int wait = -1;
        if (!waiting.empty()) {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(waiting.front().due - clock_type::now());
            wait = left.count() < 0 ? 0 : static_cast<int>(left.count());
        }
        pollfd ready{fd, POLLIN, 0};
        ::poll(&ready, 1, wait);
        char buffer[4096];
        sockaddr_in from{};
        socklen_t size = sizeof from;
        for (ssize_t count;
             (count = ::recvfrom(fd, buffer, sizeof buffer, 0, reinterpret_cast<sockaddr*>(&from), &size)) > 0;)
            waiting.push_back({clock_type::now() + delay, from, answer_to({buffer, static_cast<std::size_t>(count)})});
        for (; !waiting.empty() && waiting.front().due <= clock_type::now(); waiting.pop_front()) {
            const reply& r = waiting.front();
            ::sendto(fd, r.bytes.data(), r.bytes.size(), 0, reinterpret_cast<const sockaddr*>(&r.to), sizeof r.to);
        }
    }
}
