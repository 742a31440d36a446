// Shakes no hands: the server on loopback hangs up. That dial::tls can be found, compiled and linked is what is shown.
#include <dial/retry.hpp>
#include <dial/socks5.hpp>
#include <dial/timeout.hpp>
#include <dial/tls.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <chrono>
#include <iostream>
#include <string>

namespace asio = boost::asio;
using asio::ip::tcp;
using namespace std::chrono_literals;

int main() {
    asio::io_context context;
    tcp::acceptor listener(context, {asio::ip::address_v4::loopback(), 0});
    listener.async_accept([](dial::error_code, tcp::socket) {});
    const auto connector = dial::timeout(dial::tls(dial::retry(dial::dialer(context), dial::retry_options(2))), 10s);
    dial::report report;
    connector.connect({"localhost:" + std::to_string(listener.local_endpoint().port()), &report},
        [&](dial::error_code error, const dial::tls_stream&) {
            const bool in_the_handshake = report.failed_phase() && report.failed_phase()->name == "tls";
            std::cout << (error && in_the_handshake ? "hung up" : "unexpected") << std::endl;
        });
    context.run();
}
