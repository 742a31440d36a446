#include <proxy/socks4.hpp>

#include <algorithm>
#include <utility>

namespace dial::proxy {
namespace {

constexpr char version = 4, connect_command = 1;
constexpr int granted = 90;
constexpr std::size_t longest = 255;  // nothing in the protocol says so; what is longer is a mistake

unsigned byte(char c) {
    return static_cast<unsigned char>(c);
}

}  // namespace

void socks4_exchange::begin(const destination& to, const std::string& user, socks4_names names) {
    if (user.find('\0') != std::string::npos) return give_up(error::invalid_option, "there is a NUL in the user");
    if (user.size() > longest) return give_up(error::invalid_option, "SOCKS4 takes users of up to 255 bytes");
    std::string request{version, connect_command, static_cast<char>(to.port >> 8), static_cast<char>(to.port & 0xff)};
    if (to.address) {
        if (!to.address->is_v4()) return give_up(error::invalid_target, "SOCKS4 has no IPv6");
        const auto bytes = to.address->to_v4().to_bytes();
        // 0.0.0.x would read as "a name follows".
        if (bytes[0] == 0 && bytes[1] == 0 && bytes[2] == 0)
            return give_up(error::invalid_target, "SOCKS4 cannot be asked for an address that begins with 0.0.0");
        request.append(bytes.begin(), bytes.end()).append(user).append(1, '\0');
        return say(std::move(request));
    }
    if (names == socks4_names::not_taken) return give_up(error::invalid_target, "SOCKS4 takes no names; SOCKS4a does");
    if (to.host.empty() || to.host.size() > longest)
        return give_up(error::invalid_target, "SOCKS4a takes names of 1 to 255 bytes");
    if (to.host.find('\0') != std::string::npos) return give_up(error::invalid_target, "there is a NUL in the name");
    request.append({0, 0, 0, 1}).append(user).append(1, '\0').append(to.host).append(1, '\0');
    say(std::move(request));
}

std::size_t socks4_exchange::on_received(std::string_view bytes) {
    if (!std::holds_alternative<receive>(next())) return 0;
    const std::string_view part = bytes.substr(0, wanted());
    got_.append(part);
    take_in();
    return part.size();
}

void socks4_exchange::take_in() {
    if (got_.empty()) return;
    if (got_[0] != 0) return give_up(error::proxy_protocol, got_[0] == 5 ? "it answers as SOCKS5" : what_answers(got_));
    // Of a reply that says no, the rest is of no interest, and may not come.
    if (got_.size() < 2 || (byte(got_[1]) == granted && got_.size() < reply_size)) return;
    if (byte(got_[1]) != granted) return give_up({static_cast<int>(byte(got_[1])), socks4_category()});
    const auto part = [&](std::size_t at) { return std::to_string(byte(got_[at])); };
    add_detail("bound",
        part(4) + "." + part(5) + "." + part(6) + "." + part(7) + ":" +
            std::to_string(byte(got_[2]) << 8 | byte(got_[3])));
    succeed();
}

}  // namespace dial::proxy
