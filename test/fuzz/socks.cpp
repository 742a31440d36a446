// What a SOCKS proxy says. The first byte chooses the protocol, and what is asked for.
#include "exchange.hpp"

#include <proxy/socks4.hpp>
#include <proxy/socks5.hpp>

#include <boost/asio/ip/address.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace dial::proxy;
    if (size == 0) return 0;
    const unsigned mode = data[0];
    const std::string_view input{reinterpret_cast<const char*>(data) + 1, size - 1};
    destination to{"host.test", {}, 443};
    if (mode & 4) to.address = boost::asio::ip::address_v4{0xc0000201};
    if (mode & 8) to.address = boost::asio::ip::address_v6::loopback();
    const std::string secret = "\x01S3cr\x02t";
    const dial::credentials who = mode & 2 ? dial::credentials{"user", secret} : dial::credentials{};
    dial::test::check_exchange(
        [&]() -> std::unique_ptr<dial::detail::exchange> {
            if (mode & 1) return std::make_unique<socks4_exchange>(to, who.user(), socks4_names::taken);
            return std::make_unique<socks5_exchange>(to, who);
        },
        input, secret);
    return 0;
}
