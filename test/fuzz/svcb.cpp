// The data of SVCB and HTTPS records, whatever it is.
#include "check.hpp"

#include <dns/name.hpp>
#include <dns/svcb.hpp>

#include <algorithm>
#include <span>
#include <string>
#include <vector>

namespace dial::test {
namespace {

using bytes = std::span<const unsigned char>;

void check_binding(const service_binding& b) {
    check(dns::to_wire(b.host).has_value(), "a host is a name");
    check(b.alpn.size() <= dns::most_values && b.hints.size() <= dns::most_values, "there are 64 of each at most");
    check(!b.no_default_alpn || !b.alpn.empty(), "no-default-alpn needs alpn");
    for (const auto& id : b.alpn) check(!id.empty() && id.size() <= 255, "a protocol ID has 1 to 255 bytes");
    const bool alias = b.priority == 0;
    check(!alias || (b.understood && b.alpn.empty() && b.hints.empty() && !b.port), "an alias has no parameters");

    const std::string text = b.to_string();
    check(std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7f; }), "to_string() is printable ASCII");
    const auto blanks = 1 + !b.alpn.empty() + b.no_default_alpn + b.port.has_value() +
        std::ranges::any_of(b.hints, [](const auto& h) { return h.is_v4(); }) +
        std::ranges::any_of(b.hints, [](const auto& h) { return h.is_v6(); });
    check(std::ranges::count(text, ' ') == blanks, "blanks are between parameters only");
}

void read(bytes data) {
    if (const auto b = dns::read_binding(data)) check_binding(*b);
}

}  // namespace
}  // namespace dial::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    dial::test::read({data, size});
    for (const std::size_t part : {size / 2, size - size / 8, size - (size != 0)})
        dial::test::read(std::vector<unsigned char>(data, data + part));
    return 0;
}
