// SOCKS5 (RFC 1928), with a user and a password if there are any (RFC 1929). Pure.
#pragma once

#include <dial/credentials.hpp>
#include <proxy/buffered_exchange.hpp>
#include <proxy/destination.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace dial::proxy {

class socks5_exchange final : public buffered_exchange {
public:
    // A name goes to the proxy as a name. Fails at once where the protocol has no room for what is to be said.
    socks5_exchange(destination to, const credentials& who) : to_{std::move(to)} { begin(who); }

    std::size_t on_received(std::string_view bytes) override;

protected:
    std::size_t wanted() const override { return needed_ - got_.size(); }
    void on_cut() override;

private:
    enum class awaiting : unsigned char { method, authentication, reply_head, reply };

    void begin(const credentials& who);
    void take_in();
    void on_method();
    void on_authentication();
    void on_reply_head();
    void on_reply();
    void ask();

    std::string bound_text() const;

    destination to_;
    std::string password_message_;  // until it is sent; empty: no credentials
    std::string got_;               // of the message that is awaited
    std::size_t needed_ = 2;
    awaiting awaiting_ = awaiting::method;
    bool has_credentials_ = false;
};

}  // namespace dial::proxy
