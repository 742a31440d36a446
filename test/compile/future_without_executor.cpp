// asio::use_future has only asio::system_executor: there is no executor to open the socket on.
#include <dial/connect.hpp>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_future.hpp>

namespace asio = boost::asio;

auto start(asio::ip::tcp::endpoint peer) {
    return dial::connect(peer, asio::use_future);
}
