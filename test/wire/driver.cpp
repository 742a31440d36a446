// Dials as the driver of a wire lab is asked to: one line of JSON a dial, the connection held until stdin ends.
//
//   wire_driver HOST PORT TIMEOUT_MS [--resolver dns]       (WIRELAB_DIALS=n: n times in one process)
//   {"ok":true,"peer":"192.0.2.7","elapsed_ms":12.34}
#include <dial/dial.hpp>

#include <boost/asio/io_context.hpp>

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

dial::resolver names_from(bool dns) {
#ifdef DIAL_HAS_DNS_RESOLVER
    if (dns) return dial::dns_resolver{};
#endif
    if (dns) std::fputs("wire_driver: dial was built without c-ares\n", stderr);
    return {};
}

void dial_once(
    const dial::resolver& names, const char* host, const char* port, std::chrono::milliseconds timeout, bool last) {
    asio::io_context context{1};
    const auto begun = std::chrono::steady_clock::now();
    std::optional<tcp::socket> kept;
    dial::dialer{context, {.timeout = timeout}, names}.connect(
        dial::target{host, port}, [&](dial::error_code ec, tcp::socket socket) {
            const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begun;
            if (ec) {
                std::printf(R"({"ok":false,"elapsed_ms":%.2f,"error":"%s"})"
                            "\n",
                    took.count(), ec.message().c_str());
            } else {
                dial::error_code gone;
                const tcp::endpoint peer = socket.remote_endpoint(gone);  // it may be reset already
                std::printf(R"({"ok":true,"peer":"%s","elapsed_ms":%.2f})"
                            "\n",
                    gone ? "unknown" : peer.address().to_string().c_str(), took.count());
                kept = std::move(socket);
            }
            std::fflush(stdout);
        });
    context.run();
    char byte;
    while (last && ::read(STDIN_FILENO, &byte, 1) > 0) {}
}

}  // namespace

int main(int argc, char** argv) {
    const bool dns = argc == 6 && std::strcmp(argv[4], "--resolver") == 0 && std::strcmp(argv[5], "dns") == 0;
    if (argc != 4 && !dns) {
        std::fputs("usage: wire_driver HOST PORT TIMEOUT_MS [--resolver dns]\n", stderr);
        return 2;
    }
    const char* const text = std::getenv("WIRELAB_DIALS");
    const int dials = text ? std::atoi(text) : 1;
    const dial::resolver names = names_from(dns);
    for (int i = 1; i <= dials; ++i)
        dial_once(names, argv[1], argv[2], std::chrono::milliseconds{std::atoi(argv[3])}, i == dials);
}
