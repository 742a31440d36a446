// Dials as the driver of a wire lab is asked to: one line of JSON a dial, the connection held until stdin ends.
//
//   wire_driver HOST PORT TIMEOUT_MS       (WIRELAB_DIALS=n: n times in one process)
//   {"ok":true,"peer":"192.0.2.7","elapsed_ms":12.34}
#include <dial/dialer.hpp>

#include <boost/asio/io_context.hpp>

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

void dial_once(const char* host, const char* port, std::chrono::milliseconds timeout, bool last) {
    asio::io_context context{1};
    const auto begun = std::chrono::steady_clock::now();
    std::optional<tcp::socket> kept;
    dial::connect(
        context, dial::target{host, port}, {.timeout = timeout}, [&](dial::error_code ec, tcp::socket socket) {
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
    if (argc != 4) {
        std::fputs("usage: wire_driver HOST PORT TIMEOUT_MS\n", stderr);
        return 2;
    }
    const char* const text = std::getenv("WIRELAB_DIALS");
    const int dials = text ? std::atoi(text) : 1;
    for (int i = 1; i <= dials; ++i)
        dial_once(argv[1], argv[2], std::chrono::milliseconds{std::atoi(argv[3])}, i == dials);
}
