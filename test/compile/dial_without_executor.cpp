// A plain lambda has only asio::system_executor: there is no executor to dial on.
#include <dial/dialer.hpp>

namespace asio = boost::asio;

void start() {
    dial::connect("example.com:443", [](dial::error_code, asio::ip::tcp::socket) {});
}
