#include <proxy/socks5.hpp>

#include <algorithm>
#include <utility>

namespace dial::proxy {
namespace {

constexpr char version = 5, no_authentication = 0, user_and_password = 2;
constexpr char connect_command = 1, reserved = 0;
constexpr char is_v4 = 1, is_name = 3, is_v6 = 4;
constexpr std::size_t head_size = 5;  // up to the first byte of the address, which is the length of a name

unsigned byte(char c) {
    return static_cast<unsigned char>(c);
}

std::string with_size(std::string_view text) {
    return std::string(1, static_cast<char>(text.size())).append(text);
}

template <class Bytes>
std::string raw(const Bytes& bytes) {
    return {bytes.begin(), bytes.end()};
}

std::string port_bytes(std::uint16_t port) {
    return {static_cast<char>(port >> 8), static_cast<char>(port & 0xff)};
}

}  // namespace

void socks5_exchange::begin(const credentials& who) {
    if (!to_.address && (to_.host.empty() || to_.host.size() > 255))
        return give_up(error::invalid_target, "SOCKS5 takes names of 1 to 255 bytes");
    if (to_.host.find('\0') != std::string::npos) return give_up(error::invalid_target, "there is a NUL in the name");
    if (!who.empty()) {
        // RFC 1929 section 2 has one byte for each length. It asks for at least one byte too; of the password, not everybody does.
        if (who.user().empty() || who.user().size() > 255 || who.password().size() > 255)
            return give_up(error::invalid_option, "SOCKS5 takes a user of 1 to 255 bytes and a password of up to 255");
        has_credentials_ = true;
        password_message_ = std::string{'\1'} + with_size(who.user()) + with_size(who.password());
    }
    if (password_message_.empty())
        say({version, 1, no_authentication});
    else
        say({version, 2, no_authentication, user_and_password});
}

std::size_t socks5_exchange::on_received(std::string_view bytes) {
    std::size_t taken = 0;
    while (!is_over() && std::holds_alternative<receive>(next()) && taken != bytes.size()) {
        const std::string_view part = bytes.substr(taken, wanted());
        got_.append(part);
        taken += part.size();
        take_in();
    }
    return taken;
}

// Fails as soon as it can be seen, also in the middle of a message.
void socks5_exchange::take_in() {
    switch (awaiting_) {
        case awaiting::method: return on_method();
        case awaiting::authentication: return on_authentication();
        case awaiting::reply_head: return on_reply_head();
        case awaiting::reply: return on_reply();
    }
}

void socks5_exchange::on_method() {
    if (got_[0] != version)
        return give_up(
            error::proxy_protocol, got_[0] == 0 || got_[0] == 4 ? "it answers as SOCKS4" : what_answers(got_));
    if (got_.size() != needed_) return;
    const char method = got_[1];
    got_.clear();
    if (method == no_authentication) return ask();
    if (method == user_and_password && !password_message_.empty()) {
        awaiting_ = awaiting::authentication;
        return say(std::exchange(password_message_, {}));
    }
    if (byte(method) == 0xff)
        return give_up(error::proxy_authentication_required,
            password_message_.empty() ? "" : "it takes neither a user and password nor nobody");
    give_up(error::proxy_protocol, "it chose a way to authenticate that was not offered");
}

void socks5_exchange::on_authentication() {
    if (got_[0] != 1) return give_up(error::proxy_protocol, "its answer to the credentials has another version");
    if (got_.size() != needed_) return;
    if (got_[1] != 0) return give_up(error::proxy_authentication_failed);
    got_.clear();
    ask();
}

void socks5_exchange::ask() {
    std::string request{version, connect_command, reserved};
    if (!to_.address)
        request.append(1, is_name).append(with_size(to_.host));
    else if (to_.address->is_v4())
        request.append(1, is_v4).append(raw(to_.address->to_v4().to_bytes()));
    else
        request.append(1, is_v6).append(raw(to_.address->to_v6().to_bytes()));
    awaiting_ = awaiting::reply_head;
    needed_ = head_size;
    say(request.append(port_bytes(to_.port)));
}

void socks5_exchange::on_reply_head() {
    if (got_[0] != version) return give_up(error::proxy_protocol, "its reply has another version");
    if (got_.size() < 2) return;
    // Of a reply that says no, the rest is of no interest, and some proxies do not send it.
    if (got_[1] != 0) return give_up({static_cast<int>(byte(got_[1])), socks5_category()});
    if (got_.size() > 2 && got_[2] != reserved)
        return give_up(error::proxy_protocol, "its reply has something in a place that is reserved");
    if (got_.size() > 3) {
        const char type = got_[3];
        if (type != is_v4 && type != is_v6 && type != is_name)
            return give_up(error::proxy_protocol, "its reply has an address of an unknown type");
    }
    if (got_.size() != needed_) return;
    const char type = got_[3];
    const std::size_t address = type == is_v4 ? 4 : type == is_v6 ? 16 : 1 + byte(got_[4]);
    needed_ = 4 + address + 2;
    awaiting_ = awaiting::reply;
}

void socks5_exchange::on_reply() {
    if (got_.size() != needed_) return;
    // A name is whatever the proxy likes: where it knows credentials, they may be in it.
    if (got_[3] != is_name || !has_credentials_) add_detail("bound", bound_text());
    succeed();
}

std::string socks5_exchange::bound_text() const {
    const std::string_view address = std::string_view{got_}.substr(4, got_.size() - 6);
    const auto port = std::to_string(byte(got_[got_.size() - 2]) << 8 | byte(got_.back()));
    if (got_[3] == is_name) return shown(address.substr(1)).append(":").append(port);
    if (got_[3] == is_v4) {
        boost::asio::ip::address_v4::bytes_type bytes;
        std::ranges::copy(address, bytes.begin());
        return boost::asio::ip::address_v4{bytes}.to_string().append(":").append(port);
    }
    boost::asio::ip::address_v6::bytes_type bytes;
    std::ranges::copy(address, bytes.begin());
    return std::string{"["}.append(boost::asio::ip::address_v6{bytes}.to_string()).append("]:").append(port);
}

void socks5_exchange::on_cut() {
    give_up(error::proxy_closed, awaiting_ == awaiting::authentication ? "it did so when it had the credentials" : "");
}

}  // namespace dial::proxy
