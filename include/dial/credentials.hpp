// Who one is to a proxy.
#pragma once

#include <string>
#include <utility>

namespace dial {

/// A user and a password for a proxy. Written into no report, error or log.
class credentials {
public:
    /// None.
    credentials() = default;
    credentials(std::string user, std::string password = {})
        : user_{std::move(user)}, password_{std::move(password)}, given_{true} {}

    const std::string& user() const noexcept { return user_; }
    const std::string& password() const noexcept { return password_; }
    bool empty() const noexcept { return !given_; }  ///< None were given.

private:
    std::string user_, password_;
    bool given_ = false;
};

}  // namespace dial
