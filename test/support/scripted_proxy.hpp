// A proxy that plays a scenario of test/data/proxy.txt, for one connection, in a thread of its own.
#pragma once

#include <support/loopback.hpp>
#include <support/proxy_cases.hpp>

#include <string>
#include <thread>

namespace dial::test {

class scripted_proxy {
public:
    enum class segments : bool { as_given, byte_by_byte };

    scripted_proxy(const proxy_case& script, segments size);
    scripted_proxy(const scripted_proxy&) = delete;
    scripted_proxy& operator=(const scripted_proxy&) = delete;
    ~scripted_proxy();

    std::string target() const { return "127.0.0.1:" + std::to_string(server_.endpoint().port()); }

    // Until the client has hung up: what it has sent. Empty if nobody came within 100 ms.
    std::string received();

private:
    void play();
    bool read_until(std::size_t size);

    const proxy_case& script_;
    const segments size_;
    tcp_server server_;
    descriptor peer_;
    std::string received_;
    std::thread thread_;
};

}  // namespace dial::test
