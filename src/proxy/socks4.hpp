// SOCKS4, and 4a, which takes names. Pure. (Ying-Da Lee: "SOCKS 4A: A Simple Extension to SOCKS 4 Protocol")
#pragma once

#include <dial/credentials.hpp>
#include <proxy/buffered_exchange.hpp>
#include <proxy/destination.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace dial::proxy {

enum class socks4_names : bool { not_taken, taken };

class socks4_exchange final : public buffered_exchange {
public:
    // Fails at once where the protocol cannot say it: IPv6; names, if they are not taken.
    socks4_exchange(const destination& to, const std::string& user, socks4_names names) { begin(to, user, names); }

    std::size_t on_received(std::string_view bytes) override;

protected:
    std::size_t wanted() const override { return reply_size - got_.size(); }

private:
    static constexpr std::size_t reply_size = 8;

    void begin(const destination& to, const std::string& user, socks4_names names);
    void take_in();

    std::string got_;
};

}  // namespace dial::proxy
