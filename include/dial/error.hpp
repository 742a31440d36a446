// Why dial gave up, where no other category has the word for it.
//
// What the kernel says stays what it is: an errno in boost::system::system_category(). docs/errors.md lists them all.
#pragma once

#include <boost/system/error_code.hpp>

namespace dial {

using error_code = boost::system::error_code;

/// The few codes of dial's own. The operating system, the resolver and TLS keep theirs.
enum class error {
    timeout = 1,     ///< A limit that the caller set passed first. Equal to `std::errc::timed_out`.
    no_addresses,    ///< The name resolved, but to nothing that may be tried.
    invalid_target,  ///< The target cannot be dialed: it is malformed, or of a kind that this dialer does not take.
    invalid_option,  ///< A layer's option cannot be used: credentials that are too long, a header with a line break.
    proxy_authentication_required,  ///< The proxy wants credentials; none were given, or none of a kind that it takes.
    proxy_authentication_failed,    ///< The proxy does not accept the credentials.
    proxy_protocol,                 ///< What the proxy sent is no answer of its protocol; is it a proxy of that kind?
    proxy_closed,                   ///< The proxy closed the connection before it had answered.
    proxy_unsupported,              ///< A proxy in the environment is of a kind that `proxy_from_env` cannot use.
    breaker_open,                   ///< The breaker lets no connect through for now: too many have failed in a row.
    pool_full,         ///< No connection of the pool came free in time. Equal to `std::errc::timed_out`, as the next.
    pool_unreachable,  ///< None was returned in time, and none could be opened: the report says why.
    pool_closed,       ///< The pool is closed.
    too_many_waiters,  ///< More may not wait for a connection of the pool.
    prepare_failed,    ///< What prepares the pool's connections threw an exception that brings no error of its own.
};

/// The category of `error`; its name is "dial".
const boost::system::error_category& dial_category() noexcept;

/// What a SOCKS5 proxy replied other than success (RFC 1928 section 6); the value is the reply. Comparable to conditions: 3 is
/// `std::errc::network_unreachable`, 4 `host_unreachable`, 5 `connection_refused`, 6 `timed_out`, all about the target.
const boost::system::error_category& socks5_category() noexcept;

/// What a SOCKS4 proxy replied other than 90: 91 rejected or failed, 92 and 93 about identd. Every value is a failure, 0
/// included.
const boost::system::error_category& socks4_category() noexcept;

/// The status of an HTTP proxy that did not open the tunnel (RFC 9110 section 15); the value is the status. 504 is comparable to
/// `std::errc::timed_out`.
const boost::system::error_category& http_category() noexcept;

inline error_code make_error_code(error e) noexcept {
    return {static_cast<int>(e), dial_category()};
}

}  // namespace dial

template <>
struct boost::system::is_error_code_enum<dial::error> : std::true_type {};
