#include <dial/retry_options.hpp>

#include <boost/asio/error.hpp>

#include <cerrno>
#include <string_view>
#include <utility>

namespace dial {
namespace {

namespace asio = boost::asio;

bool errno_passes(int code) {
    switch (code) {
        // The server, or the way to it.
        case ECONNREFUSED:
        case ECONNRESET:
        case ECONNABORTED:
        case EPIPE:
        case ETIMEDOUT:
        case EHOSTUNREACH:
        case EHOSTDOWN:
        case ENETUNREACH:
        case ENETDOWN:
        case ENONET:
        case ENOENT: return true;
        // A shortage here, EMFILE too: where sockets come and go, one will go. A retry costs the server nothing.
        case EAGAIN:
        case EADDRNOTAVAIL:
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM: return true;
        default: return false;
    }
}

bool own_passes(error code) {
    switch (code) {  // no default: the compiler names the case we forget
        case error::timeout:
        case error::proxy_closed:
        case error::pool_full:
        case error::pool_unreachable:
        case error::too_many_waiters: return true;
        case error::no_addresses:
        case error::invalid_target:
        case error::invalid_option:
        case error::proxy_authentication_required:
        case error::proxy_authentication_failed:
        case error::proxy_protocol:
        case error::proxy_unsupported:
        case error::breaker_open:
        case error::pool_closed:
        case error::prepare_failed: return false;
    }
    return false;
}

bool socks5_reply_passes(int reply) {  // not: forbidden by its rules (2), command or address type unknown (7, 8)
    return reply == 1 || (reply >= 3 && reply <= 6);
}

bool http_status_passes(int status) {
    switch (status) {
        case 408:
        case 429:
        case 500:
        case 502:
        case 503:
        case 504: return true;
        default: return false;
    }
}

// asio::ssl::error::stream_truncated, without OpenSSL's headers: dial is built without it too.
bool is_truncated_tls(const error_code& error) {
    return error.value() == 1 && std::string_view{error.category().name()} == "asio.ssl.stream";
}

}  // namespace

bool retryable(const error_code& error) {
    const auto& category = error.category();
    if (category == boost::system::system_category() || category == boost::system::generic_category())
        return errno_passes(error.value());
    if (category == dial_category()) return own_passes(static_cast<dial::error>(error.value()));
    if (category == socks5_category()) return socks5_reply_passes(error.value());
    if (category == socks4_category()) return error.value() == 91;
    if (category == http_category()) return http_status_passes(error.value());
    return error == asio::error::host_not_found_try_again || error == asio::error::eof || is_truncated_tls(error);
}

// Not in the header: inlined into a user's code, GCC 12 warns of bytes in an empty lambda that nobody reads.
retry_options& retry_options::when(std::function<bool(const error_code&)> predicate) {
    when_ = predicate ? std::move(predicate) : retryable;
    return *this;
}

}  // namespace dial
