#include <race/most_telling.hpp>

#include <boost/system/errc.hpp>

#include <algorithm>
#include <cerrno>
#include <string_view>

namespace dial::race {

namespace {

// A proxy said no, or a handshake failed: somebody is there.
bool is_an_answer(const error_code& error) {
    const auto& said_by = error.category();
    return said_by == socks5_category() || said_by == socks4_category() || said_by == http_category() ||
        std::string_view{said_by.name()}.starts_with("asio.ssl");
}

}  // namespace

// The errnos of the network are those that Linux makes of ICMP messages (icmp_err_convert in its net/ipv4/icmp.c).
voice who_says(const error_code& error) {
    if (!error) return voice::nobody;
    const boost::system::error_condition what = error.default_error_condition();
    if (what == boost::system::errc::timed_out) return voice::silence;  // ETIMEDOUT, error::timeout
    if (is_an_answer(error)) return voice::peer;
    if (error.category() != boost::system::system_category() && error.category() != boost::system::generic_category())
        return voice::local;
    switch (error.value()) {
        case ECONNREFUSED:
        case ECONNRESET: return voice::peer;
        case EHOSTUNREACH:
        case EHOSTDOWN: return voice::host;
        case ENETUNREACH:
        case ENETDOWN:
        case ENONET: return voice::network;
        default: return voice::local;
    }
}

error_code most_telling(std::span<const error_code> errors) {
    const auto first = std::ranges::min_element(errors, {}, who_says);
    return first == errors.end() ? error_code{} : *first;
}

}  // namespace dial::race
