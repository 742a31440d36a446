// Puts a name of one's own in front of the system's: a resolver that answers what it knows and passes on the rest.
//
//   $ own_resolver echo.test=127.0.0.1 echo.test 5555
//   resolve   AAAA  no addresses   0.0 ms     A  1 address   0.0 ms
//   127.0.0.1:5555  0.0 ms ●                                           connected from 127.0.0.1   0.0 ms
//   connected to 127.0.0.1:5555 in 0.0 ms
//
// Shows: dial::resolver_base. An answer may be given at once, as here, or later, from any thread. Needs: echo_server.cpp.
// Next: compose_thread_pool.cpp.
#include "command_line.hpp"

#include <dial/dialer.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>

#include <exception>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

namespace asio = boost::asio;

class own_name : public dial::resolver_base {
public:
    own_name(std::string name, asio::ip::address address) : name_(std::move(name)), address_(address) {}

    // Asked once for each family.
    void start(const dial::lookup& question, dial::answer_handler done) override {
        if (question.name() != name_) return others_.start(question, std::move(done));
        std::vector<asio::ip::address> found;
        if (address_.is_v4() == (question.family() == dial::address_family::v4)) found.push_back(address_);
        done(found);
    }

private:
    std::string name_;
    asio::ip::address address_;
    dial::resolver others_;  // the system's
};

asio::awaitable<bool> connect(dial::dialer dialer, dial::target host) {
    dial::report report;
    const auto [ec, socket] = co_await dialer.connect({host, &report}, asio::as_tuple(asio::deferred));
    std::cout << report.to_string();
    co_return !ec;
}

int main(int argc, char** argv) try {
    const std::string entry = argc == 4 ? argv[1] : "";
    const auto equals = entry.find('=');
    if (equals == entry.npos) {
        std::cerr << "usage: own_resolver NAME=ADDRESS HOST PORT\n";
        return 2;
    }
    const own_name names(entry.substr(0, equals), asio::ip::make_address(entry.substr(equals + 1)));
    const dial::target host(argv[2], argv[3]);

    asio::io_context context(1);
    const dial::dialer dialer(context, {}, names);
    bool connected = false;
    asio::co_spawn(context, connect(dialer, host), [&](std::exception_ptr failure, bool result) {
        if (failure) std::rethrow_exception(failure);
        connected = result;
    });
    context.run();
    return connected ? 0 : 1;
} catch (...) {
    return explain_failure("own_resolver");
}
