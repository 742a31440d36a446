// A TLS server on loopback, in a thread of its own: it shakes hands and echoes.
#pragma once

#include <support/certificates.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>

#include <atomic>
#include <cstddef>
#include <functional>
#include <limits>
#include <mutex>
#include <string>
#include <thread>

namespace dial::test {

namespace asio = boost::asio;

class tls_server {
public:
    // `set_up`: what else the context shall have.
    explicit tls_server(const certificate& own, std::function<void(asio::ssl::context&)> set_up = {},
        const std::string& address = "127.0.0.1");
    tls_server(const tls_server&) = delete;
    tls_server& operator=(const tls_server&) = delete;
    ~tls_server();

    asio::ip::tcp::endpoint endpoint() const { return endpoint_; }
    std::string target(const std::string& host) const { return host + ":" + std::to_string(endpoint_.port()); }

    // From then on, so many bytes of what the server says go out on each connection; then it stalls, hangs up, or goes on byte
    // by byte, one every 5 ms.
    enum class then : unsigned char { stall, close, reset, drip };
    void cut_after(std::size_t bytes, then what) {
        what_then_ = what;
        limit_ = bytes;
    }

    std::atomic<int> accepted = 0, shaken = 0, resumed = 0, gone = 0;  // connections
    std::string last_server_name() const;

private:
    struct session;
    void accept();

    asio::io_context io_;
    asio::ssl::context context_;
    asio::ip::tcp::acceptor acceptor_;
    asio::ip::tcp::endpoint endpoint_;
    std::atomic<std::size_t> limit_ = std::numeric_limits<std::size_t>::max();
    std::atomic<then> what_then_ = then::stall;
    mutable std::mutex mutex_;
    std::string server_name_;
    std::thread thread_;
};

}  // namespace dial::test
