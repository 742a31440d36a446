// Lookups by dns_resolver, from a server that does as a test says.
#pragma once

#include <dial/dns_resolver.hpp>
#include <dial/resolve.hpp>
#include <support/dns_server.hpp>
#include <support/loopback.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>

namespace dial::test {

/// What a lookup was told, and how often.
class heard_answer {
public:
    int calls = 0;
    error_code ec;
    answer given{asio::error::host_not_found};

    auto handler() {
        return [this](error_code e, answer a) {
            ++calls;
            ec = e;
            given = std::move(a);
        };
    }
};

class dns_lookups : public testing::Test {
protected:
    static constexpr record_type v4 = record_type::a, v6 = record_type::aaaa;

    /// The server's, and nothing of this machine's. Patient: what is not about time does not depend on it.
    dns_options asking(const dns_server& s) const { return bare().server(s.address()); }
    static dns_options bare() {
        return dns_options()
            .timeout(std::chrono::seconds{10})
            .tries(2)
            .search({})
            .ndots(1)
            .hosts_file(false)
            .resolv_conf("/dev/null");
    }

    /// Asks, and runs until nothing is left to do.
    answer ask(const resolver& from, const std::string& name, record_type type = v4) {
        heard_answer heard;
        dial::resolve(io, from, lookup{name, type}, heard.handler());
        EXPECT_EQ(heard.calls, 0) << "inside the call";
        run(io, std::chrono::seconds{60});
        EXPECT_EQ(heard.calls, 1) << name;
        EXPECT_EQ(heard.ec, heard.given.error());
        return heard.given;
    }
    answer ask(const std::string& name, record_type type = v4) { return ask(dns_resolver{asking(server)}, name, type); }

    /// Runs `io` until the server was asked so often.
    [[nodiscard]] bool run_until_asked(const std::string& name, record_type type, std::size_t times = 1) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{20};
        io.restart();
        while (server.asked(name, type) < times && std::chrono::steady_clock::now() < end)
            io.run_one_for(std::chrono::milliseconds{1});
        return server.asked(name, type) >= times;
    }

    dns_server server;
    asio::io_context io;
};

/// For scripts.
inline dns_replies silence() {
    return {};
}
inline dns_message failing(rcode code) {
    dns_message m;
    m.code = code;
    return m;
}

inline const error_code not_found = asio::error::host_not_found;
inline const error_code try_again = asio::error::host_not_found_try_again;
inline const error_code no_recovery = asio::error::no_recovery;

template <class What>
duration time_of(What what) {
    const auto begin = std::chrono::steady_clock::now();
    what();
    return std::chrono::steady_clock::now() - begin;
}

}  // namespace dial::test
