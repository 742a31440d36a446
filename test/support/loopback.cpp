#include <support/loopback.hpp>

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <iterator>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace dial::test {
namespace {

using asio::ip::tcp;

[[noreturn]] void fail(const char* what) {
    throw std::system_error{errno, std::generic_category(), what};
}

descriptor open(int family) {
    descriptor fd{::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!fd) fail("socket");
    return fd;
}

tcp::endpoint bind_to(const descriptor& fd, const std::string& address, unsigned short port = 0) {
    const tcp::endpoint wanted{asio::ip::make_address(address), port};
    if (::bind(fd.get(), wanted.data(), static_cast<socklen_t>(wanted.size())) != 0) fail("bind");
    return local_endpoint(fd.get());
}

descriptor accept_one(int listener) {
    pollfd ready{listener, POLLIN, 0};
    if (::poll(&ready, 1, 30'000) != 1) {
        ADD_FAILURE() << "nobody came within 30 s";
        return {};
    }
    return descriptor{::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)};
}

std::size_t accept_waiting(int listener) {
    std::size_t count = 0;
    while (const descriptor taken{::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)}) ++count;
    return count;
}

asio::local::stream_protocol::endpoint new_abstract_name() {
    static std::atomic<int> number{0};
    const std::string name = "dial-test-" + std::to_string(::getpid()) + "-" + std::to_string(++number);
    return {std::string(1, '\0') + name};
}

}  // namespace

descriptor::descriptor(descriptor&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}

descriptor& descriptor::operator=(descriptor&& other) noexcept {
    if (this != &other) {
        close();
        fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
}

void descriptor::close() {
    if (fd_ != -1) ::close(std::exchange(fd_, -1));
}

tcp_server::tcp_server(const std::string& address, int backlog, unsigned short port)
    : listener_{open(asio::ip::make_address(address).is_v4() ? AF_INET : AF_INET6)}, endpoint_{bind_to(
                                                                                         listener_, address, port)} {
    if (::listen(listener_.get(), backlog) != 0) fail("listen");
}

descriptor tcp_server::accept() const {
    return accept_one(listener_.get());
}

std::size_t tcp_server::accept_all() const {
    return accept_waiting(listener_.get());
}

silent_server::silent_server(const std::string& address, unsigned short port)
    : tcp_server{address, 0, port}, filler_{open(endpoint().protocol().family())} {
    const auto peer = endpoint();
    if (::connect(filler_.get(), peer.data(), static_cast<socklen_t>(peer.size())) != 0 && errno != EINPROGRESS)
        fail("connect");
    pollfd queued{fd(), POLLIN, 0};
    if (::poll(&queued, 1, 30'000) != 1) throw std::runtime_error{"the filler is not in the queue"};
}

refusing_port::refusing_port(const std::string& address)
    : bound_{open(asio::ip::make_address(address).is_v4() ? AF_INET : AF_INET6)}, endpoint_{bind_to(bound_, address)} {}

unix_server::unix_server(int backlog) : listener_{open(AF_UNIX)}, endpoint_{new_abstract_name()} {
    if (::bind(listener_.get(), endpoint_.data(), static_cast<socklen_t>(endpoint_.size())) != 0) fail("bind");
    if (::listen(listener_.get(), backlog) != 0) fail("listen");
}

descriptor unix_server::accept() const {
    return accept_one(listener_.get());
}

std::size_t unix_server::accept_all() const {
    return accept_waiting(listener_.get());
}

full_unix_server::full_unix_server() : unix_server{0} {
    const auto peer = endpoint();
    for (;;) {
        descriptor filler = open(AF_UNIX);
        if (::connect(filler.get(), peer.data(), static_cast<socklen_t>(peer.size())) == 0)
            fillers_.push_back(std::move(filler));
        else if (errno == EAGAIN)
            return;
        else
            fail("connect");
    }
}

bool is_connected(int fd) {
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    return ::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) == 0;
}

int pending_error(int fd) {
    return option(fd, SOL_SOCKET, SO_ERROR);
}

int option(int fd, int level, int name) {
    int value = -1;
    socklen_t size = sizeof value;
    return ::getsockopt(fd, level, name, &value, &size) == 0 ? value : -1;
}

int tcp_state(int fd) {
    tcp_info info{};
    socklen_t size = sizeof info;
    return ::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 ? info.tcpi_state : -1;
}

tcp::endpoint local_endpoint(int fd) {
    tcp::endpoint local{asio::ip::address_v6{}, 0};  // the larger of the two
    auto size = static_cast<socklen_t>(local.capacity());
    if (::getsockname(fd, local.data(), &size) != 0) fail("getsockname");
    local.resize(size);
    return local;
}

void close_by_reset(int fd) {
    const linger at_once{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

std::string name_of(asio::cancellation_type kind) {
    if (kind == asio::cancellation_type::terminal) return "terminal";
    return kind == asio::cancellation_type::partial ? "partial" : "total";
}

void expect(const outcome& is, error_code ec) {
    EXPECT_EQ(is.calls, 1);
    EXPECT_EQ(is.ec, ec);
}

std::size_t open_descriptors() {
    const std::filesystem::directory_iterator all{"/proc/self/fd"};
    return static_cast<std::size_t>(std::distance(begin(all), end(all))) - 1;  // without the iterator's own
}

void run(asio::io_context& context, std::chrono::seconds bound) {
    context.restart();
    context.run_for(bound);
    EXPECT_TRUE(context.stopped()) << "still work to do after " << bound.count() << " s";
}

void run_ready(asio::io_context& context) {
    context.restart();
    while (context.poll() != 0) context.restart();
}

}  // namespace dial::test
