// A DNS server on loopback that does as a test says.
#pragma once

#include <support/dns_message.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace dial::test {

/// In what an answer is wrong.
enum class lie {
    none,
    id,        ///< the answer to another query
    question,  ///< about another name
    type,      ///< about another type
    port,      ///< from somebody else
    runt,      ///< five bytes
    garbage,   ///< nonsense behind the right id
    echo,      ///< the query itself
    cut,       ///< The last bytes are missing.
};

/// One message that the server sends.
class dns_reply {
public:
    dns_reply(dns_message m, std::chrono::milliseconds after = {}, lie is = lie::none)
        : message{std::move(m)}, delay{after}, wrong{is} {}

    dns_message message;
    std::chrono::milliseconds delay;  ///< behind the query, or behind the reply before
    lie wrong;
};

/// What is sent in turn; nothing: silence.
using dns_replies = std::vector<dns_reply>;

/// How the server is by TCP.
enum class by_tcp { answers, refuses, closes, says_nothing, sends_single_bytes };

/// Listens on loopback, by UDP and TCP on the same port, on a thread of its own.
///
/// As a rule it answers from a zone, `test`: the records that it has been given. What a function says goes before.
/// Answers too large for UDP are truncated, and are whole by TCP.
class dns_server {
public:
    /// The port is the kernel's choice unless one is given.
    explicit dns_server(
        by_tcp how = by_tcp::answers, const std::string& address = "127.0.0.1", unsigned short port = 0);
    dns_server(const dns_server&) = delete;
    dns_server& operator=(const dns_server&) = delete;
    ~dns_server();

    std::string address() const;  ///< "127.0.0.1:<port>" or "[::1]:<port>", as dns_options and answers have it

    /// Adds records to the zone.
    void has(std::vector<dns_record> records);

    /// `script` says what is replied to questions about `name`. It is called on the server's thread.
    using script = std::function<dns_replies(const dns_question&)>;
    void on(const std::string& name, script s);
    /// And to all that are about other names.
    void on_others(script s);

    /// What the zone says: addresses behind CNAMEs as well; NXDOMAIN and NODATA with an SOA whose minimum is 30 s.
    dns_message usual(const dns_question& q) const;

    std::size_t asked(const std::string& name, record_type type) const;  ///< How often, by UDP and TCP.
    std::size_t asked() const;                                           ///< For anything.
    std::size_t asked_by_tcp() const;
    std::size_t most_at_once() const;  ///< The most questions of which the reply was still to come; without silence.
    std::set<unsigned short> source_ports() const;  ///< Where queries came from by UDP.

    /// Waits until the question was asked so often, for 20 s at the most.
    [[nodiscard]] bool is_asked(const std::string& name, record_type type, std::size_t times = 1) const;

private:
    using udp = boost::asio::ip::udp;
    using tcp = boost::asio::ip::tcp;
    using question_key = std::pair<std::string, record_type>;

    void bind(by_tcp how, const boost::asio::ip::address& address, unsigned short port);
    boost::asio::awaitable<void> serve_udp();
    boost::asio::awaitable<void> serve_tcp(by_tcp how);
    boost::asio::awaitable<void> talk(tcp::socket peer, by_tcp how);
    boost::asio::awaitable<void> reply_by_udp(std::string query, udp::endpoint to);
    boost::asio::awaitable<void> pause(std::chrono::milliseconds length);
    dns_replies take(dns_question& q);
    void is_answered();

    boost::asio::io_context io_{1};
    udp::socket udp_{io_};
    udp::socket somebody_else_{io_};
    tcp::acceptor tcp_{io_};

    mutable std::mutex mutex_;
    mutable std::condition_variable changed_;
    std::multimap<std::string, dns_record> zone_;
    std::map<std::string, script> scripts_;
    script others_;
    std::map<question_key, std::size_t> asked_;
    std::size_t asked_in_all_ = 0, asked_by_tcp_ = 0, open_ = 0, most_open_ = 0;
    std::set<unsigned short> source_ports_;

    std::thread thread_;
};

}  // namespace dial::test
