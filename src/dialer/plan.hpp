// What a dial asks the resolver, and which endpoints the answers come to: addresses, the hosts of a service (SRV, RFC 2782),
// and what a host says about how to connect to it (HTTPS records, RFC 9460). Pure: it asks nobody itself.
#pragma once

#include <dial/lookup.hpp>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace dial::detail {

class plan {
public:
    // An endpoint that may be tried; of a lower group earlier.
    struct place {
        boost::asio::ip::tcp::endpoint at;
        std::size_t group;
    };
    struct question {
        lookup what;
        std::size_t host;  // whose
        bool open = true;
    };

    // `random(n)`: a number below n.
    plan(address_family wanted, bool https_records, std::function<std::uint32_t(std::uint32_t)> random);

    // Which host is dialed. Its addresses are asked for, or known.
    void aim_at(const std::string& host, std::uint16_t port);
    void aim_at(std::span<const boost::asio::ip::address> known, std::uint16_t port);
    // Which service: its hosts are aimed at one after the other.
    void aim_at_service(const std::string& name);
    // The next host of the service; what the one before has come to is forgotten. False if there is none.
    bool aim_at_next();

    // The questions that have not been taken yet, one by one, by their number; none for now if there is no number.
    std::optional<std::size_t> take_question();
    const question& at(std::size_t number) const { return questions_[number]; }
    std::size_t size() const { return questions_.size(); }
    // No answer comes any more to those that are open.
    void close_questions();

    // The error of an answer that leaves nothing to dial: a service without hosts.
    error_code on_answer(std::size_t number, const answer& given);

    bool is_out(record_type type) const;
    bool any_out() const;
    bool wants(address_family f) const { return wanted_ == address_family::any || wanted_ == f; }

    // All that is known, each once, best group first, within a group in the order of the answers.
    std::vector<place> places() const;

private:
    struct host {
        std::string name;
        std::vector<boost::asio::ip::address> v6, v4;
        bool v6_answered = false, v4_answered = false;
    };
    // A way to connect: a host, and what its record says.
    struct binding {
        std::size_t host;
        std::uint16_t port;
        std::vector<boost::asio::ip::address> hints;
    };

    void ask(std::size_t of, record_type type);
    void ask(std::size_t of, record_type type, const std::string& name);
    std::size_t find_or_ask(const std::string& name);
    void ask_for_bindings(std::size_t of);
    void hear_services(const answer& given);
    void hear_bindings(std::size_t of, const answer& given);
    void add(std::vector<place>& all, const binding& from, std::size_t group) const;

    const address_family wanted_;
    const bool https_records_;
    const std::function<std::uint32_t(std::uint32_t)> random_;
    std::vector<question> questions_;
    std::size_t taken_ = 0;
    std::vector<service_record> next_hosts_;  // of the service, those still to come
    std::vector<host> hosts_;                 // the first one is the one that is aimed at
    std::vector<binding> bindings_;           // by priority
    std::uint16_t port_ = 0;
    int aliases_ = 0;
};

}  // namespace dial::detail
