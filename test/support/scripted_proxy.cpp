#include <support/scripted_proxy.hpp>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <thread>

namespace dial::test {

scripted_proxy::scripted_proxy(const proxy_case& script, segments size)
    : script_{script}, size_{size}, thread_{[this] { play(); }} {}

scripted_proxy::~scripted_proxy() {
    if (thread_.joinable()) thread_.join();
}

std::string scripted_proxy::received() {
    if (thread_.joinable()) thread_.join();
    return received_;
}

bool scripted_proxy::read_until(std::size_t size) {
    std::array<char, 4096> bytes;
    while (received_.size() < size) {
        const auto got = ::read(peer_.get(), bytes.data(), bytes.size());
        if (got <= 0) return false;
        received_.append(bytes.data(), static_cast<std::size_t>(got));
    }
    return true;
}

void scripted_proxy::play() {
    pollfd somebody{server_.fd(), POLLIN, 0};
    if (::poll(&somebody, 1, 100) != 1) return;
    peer_ = server_.accept();
    const int on = 1;
    ::setsockopt(peer_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    for (const proxy_case::move& m : script_.moves) {
        if (!read_until(m.after)) return;
        if (m.wait.count() != 0) {
            // Not a pause but a wait for the client to give up: nothing is lost if it takes less.
            pollfd gone{peer_.get(), POLLIN, 0};
            if (::poll(&gone, 1, static_cast<int>(m.wait.count())) == 1 && !read_until(received_.size() + 1)) return;
        }
        if (m.what == proxy_case::move::kind::reset) {
            const linger at_once{1, 0};
            ::setsockopt(peer_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        }
        if (m.what != proxy_case::move::kind::bytes) return peer_.close();
        const std::size_t step = size_ == segments::byte_by_byte ? 1 : m.bytes.size();
        for (std::size_t at = 0; at < m.bytes.size(); at += step)
            if (::send(peer_.get(), m.bytes.data() + at, step, MSG_NOSIGNAL) <= 0) break;
    }
    read_until(static_cast<std::size_t>(-1));
}

}  // namespace dial::test
