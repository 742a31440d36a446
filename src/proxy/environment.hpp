// Which proxy the environment names, and for which targets. Pure: the environment comes in.
#pragma once

#include <dial/error.hpp>
#include <dial/target.hpp>
#include <proxy/no_proxy.hpp>
#include <proxy/url.hpp>

#include <functional>
#include <optional>
#include <string>

namespace dial::proxy {

// Everything goes through a tunnel, and so HTTPS_PROXY counts, and ALL_PROXY where it is not set. The name in lower case goes
// before that in upper case; an empty variable is one that is not set.
class environment {
public:
    explicit environment(const std::function<const char*(const char* name)>& get);

    // None: everything is direct, or the proxy cannot be used.
    const std::optional<url>& through() const { return through_; }
    bool is_direct(const target& to) const;

    // Why the proxy cannot be used, for every target that is not direct.
    const error_code& error() const { return error_; }
    const std::string& note() const { return note_; }

private:
    std::optional<url> through_;
    no_proxy except_;
    error_code error_;
    std::string note_;
};

}  // namespace dial::proxy
