// Targets as text. A line break, which no target has but in a path, also separates a host from a port.
#include "check.hpp"

#include <dial/target.hpp>

#include <stdexcept>
#include <string>
#include <string_view>

namespace dial::test {
namespace {

// Through the constructors, which throw; no target where they do.
template <class... Args>
target made_of(const Args&... args) {
    try {
        return target{args...};
    } catch (const std::invalid_argument& refused) {
        check(!std::string_view{refused.what()}.empty(), "a flaw has words");
        return {};
    }
}

void check_target(const target& t) {
    check(t.empty() == t.to_string().empty(), "a target has a text");
    if (t.empty()) return;
    check(t.is_unix() != !t.host().empty(), "a target is a path or a host");
    check(!t.is_srv() || (t.port() == 0 && t.service().empty() && !t.address()), "a service has neither");
    check(t.is_unix() || t.is_srv() || (t.port() != 0) != !t.service().empty(), "a host has a port or a service");
    error_code ec;
    const target again = target::parse(t.to_string(), ec);
    check(!ec && again == t, "a target comes back from its text");
    check(again.to_string() == t.to_string(), "and has the same text");
    check(again.is_localhost() == t.is_localhost(), "and is as local");
}

}  // namespace
}  // namespace dial::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace dial::test;
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    dial::error_code ec;
    const dial::target parsed = dial::target::parse(text, ec);
    check(parsed.empty() == bool{ec}, "no target where there is an error");
    check(!ec || ec == dial::error::invalid_target, "the error is invalid_target");
    check(made_of(text) == parsed, "the constructor reads the same");
    check_target(parsed);

    if (const std::size_t end = text.find('\n'); end != text.npos)
        check_target(made_of(text.substr(0, end), text.substr(end + 1)));
    return 0;
}
