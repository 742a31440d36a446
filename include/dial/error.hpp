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
};

/// The category of `error`; its name is "dial".
const boost::system::error_category& dial_category() noexcept;

inline error_code make_error_code(error e) noexcept {
    return {static_cast<int>(e), dial_category()};
}

}  // namespace dial

template <>
struct boost::system::is_error_code_enum<dial::error> : std::true_type {};
