// A real redis-server on a port of loopback, which another process starts, kills and starts again.
#pragma once

#include <support/loopback.hpp>

#include <boost/asio/ip/tcp.hpp>

#include <sys/types.h>

#include <string>

namespace dial::test {

class redis_server {
public:
    static bool is_installed();

    redis_server();
    redis_server(const redis_server&) = delete;
    redis_server& operator=(const redis_server&) = delete;
    ~redis_server();

    /// Whether the first one has started.
    bool ready() const { return ready_; }
    std::string target() const { return "127.0.0.1:" + std::to_string(port_); }
    /// Tells the other process to kill it and to start another; returns at once.
    void restart();

private:
    unsigned short port_ = 0;
    pid_t keeper_ = -1;
    descriptor orders_;
    bool ready_ = false;
};

}  // namespace dial::test
