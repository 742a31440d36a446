// The circuit breakers of a `breaker` layer, one for each target. Compiled, thread-safe.
#pragma once

#include <dial/breaker_options.hpp>
#include <dial/error.hpp>
#include <dial/time.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace dial::detail {

class breakers {
public:
    // What a connect begins with, and hands back with its outcome.
    struct permit {
        std::uint64_t breaker, generation;
    };

    explicit breakers(const breaker_options& options);
    breakers(const breakers&) = delete;
    breakers& operator=(const breakers&) = delete;
    ~breakers();

    // None: it is refused; `why` says until when.
    std::optional<permit> ask(std::string_view target, time_point now, std::string* why);
    void on_ended(std::string_view target, const permit& begun_with, const error_code& how, time_point now);

private:
    struct core;
    const std::unique_ptr<core> core_;
};

}  // namespace dial::detail
