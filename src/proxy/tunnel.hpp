// CONNECT (RFC 9110 section 9.3.6): asks an HTTP proxy for a tunnel. Pure; what is in the answer's head is Boost.Beast's to tell.
#pragma once

#include <dial/tunnel_options.hpp>
#include <proxy/buffered_exchange.hpp>
#include <proxy/destination.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace dial::proxy {

class tunnel_exchange final : public buffered_exchange {
public:
    // Fails at once where an option cannot be sent.
    tunnel_exchange(const destination& to, const tunnel_options& options) : max_head_{options.max_head()} {
        begin(to, options);
    }

    // A head ends with an empty line: nothing after that is taken.
    std::size_t on_received(std::string_view bytes) override;

protected:
    std::size_t wanted() const override;
    void on_cut() override;

private:
    void begin(const destination& to, const tunnel_options& options);
    void on_head();

    std::size_t max_head_;
    bool credentials_sent_ = false;
    std::string head_;              // of one answer, so far
    std::size_t heads_before_ = 0;  // in bytes, of interim answers
};

}  // namespace dial::proxy
