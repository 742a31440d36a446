// What an attempt of a race has to pass once it is connected, before it wins: a TLS handshake.
#pragma once

#include <dial/error.hpp>

#include <boost/asio/ip/tcp.hpp>

#include <cstddef>
#include <functional>
#include <string>

namespace dial::detail {

// Carried by a request. A dial hands over each socket that is connected; the first to pass wins.
class attempt_check {
public:
    // How it ended, and in a failure more about it.
    using handler = std::function<void(error_code, std::string note)>;

    virtual ~attempt_check() = default;

    // Takes the socket; `done` is called once, on its executor, never inside this call. The result tells checks apart.
    virtual std::size_t start(boost::asio::ip::tcp::socket connected, handler done) = 0;
    // Closes the connection, whether the check has ended or not.
    virtual void stop(std::size_t which) = 0;
    // The dial has this result: it keeps the connection.
    virtual void win(std::size_t which) = 0;
};

}  // namespace dial::detail
