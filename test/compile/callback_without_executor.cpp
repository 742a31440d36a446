// A plain lambda has only asio::system_executor: there is no executor to open the socket on.
#include <dial/connect.hpp>

#include <boost/asio/ip/tcp.hpp>

namespace asio = boost::asio;

void start(asio::ip::tcp::endpoint peer) {
    dial::connect(peer, [](boost::system::error_code, asio::ip::tcp::socket) {});
}
