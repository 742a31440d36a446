// What an HTTP proxy says. The first byte chooses what is asked for, and how large the answer's head may be.
#include "exchange.hpp"

#include <proxy/tunnel.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace dial::proxy;
    if (size == 0) return 0;
    const unsigned mode = data[0];
    const std::string_view input{reinterpret_cast<const char*>(data) + 1, size - 1};
    const std::string secret = "S3cr+t%";
    dial::tunnel_options options{mode & 1 ? dial::credentials{"user", secret} : dial::credentials{}};
    options.max_head(mode & 2 ? 64 : 1024);
    dial::test::check_exchange(
        [&] {
            return std::make_unique<tunnel_exchange>(destination{"host.test", {}, 443}, options);
        },
        input, secret);
    return 0;
}
