#include <race/most_telling.hpp>

#include <boost/system/errc.hpp>

#include <algorithm>
#include <cerrno>

namespace dial::race {

// The errnos of the network are those that Linux makes of ICMP messages (icmp_err_convert in its net/ipv4/icmp.c).
voice who_says(const error_code& error) {
    if (!error) return voice::nobody;
    const boost::system::error_condition what = error.default_error_condition();
    if (what == boost::system::errc::timed_out) return voice::silence;  // ETIMEDOUT, error::timeout
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
