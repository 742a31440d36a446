// One address being tried: opens a socket, sets it up, connects it, and says how that stands.
#pragma once

#include <dial/detail/attempt.hpp>
#include <dial/error.hpp>
#include <dial/options.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <cstddef>
#include <functional>
#include <span>
#include <string>

namespace dial::race {

namespace asio = boost::asio;

// How a socket is made for an attempt.
struct attempt_setup {
    socket_options options = {};
    const std::function<error_code(int fd, const asio::ip::tcp::endpoint&)>* before_connect = nullptr;
    std::span<const asio::ip::address> sources = {};  // of the family; tried in turn, from `first_source` on
    std::size_t first_source = 0;
};

// The socket is opened again where the kernel says so: another source address, or a connection to itself.
class attempt {
public:
    // connected_to_itself: start it once more, with a new socket. It is said once.
    enum class state : unsigned char { running, connected, connected_to_itself, failed };

    attempt(const asio::any_io_executor& executor, const asio::ip::tcp::endpoint& peer)
        : peer_{peer}, socket_{executor} {}

    // Until it runs, is connected, or has failed.
    void start(const attempt_setup& setup);

    // How it stands now. What it costs: a system call, and more once there is something to tell.
    void ask();

    // It has failed, or is made to. The wait that is under way completes.
    void fail(error_code why, std::string note = {});
    void close();

    state is() const { return state_; }
    error_code error() const { return error_; }
    const std::string& note() const { return note_; }  // what failed, other than connect itself
    bool sent() const { return sent_; }                // a packet may be on the wire
    bool deferred() const;                             // connected, but the SYN has not left (TCP Fast Open)

    const asio::ip::tcp::endpoint& peer() const { return peer_; }
    asio::ip::tcp::endpoint local() const;
    asio::ip::tcp::socket hand_over();  // connected; from here on it is somebody else's to close
    asio::ip::tcp::socket& socket() { return socket_; }

private:
    detail::verdict open_and_connect(const attempt_setup& setup, const asio::ip::address* source);
    void settle(detail::verdict v);
    void explain_lack_of_ports(const attempt_setup& setup);

    asio::ip::tcp::endpoint peer_;
    asio::ip::tcp::endpoint local_;  // of a socket that was handed over
    asio::ip::tcp::socket socket_;
    error_code error_;
    std::string note_;
    state state_ = state::running;
    bool sent_ = false;
    bool tried_again_ = false;  // after a connection to itself
    bool ports_ran_out_ = false;
    bool fast_open_ = false;
};

}  // namespace dial::race
