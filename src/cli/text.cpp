#include "text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstddef>

namespace dial::cli {
namespace {

struct unit {
    std::string_view name;
    double nanoseconds;
};

constexpr std::array<unit, 5> units{{{"", 1e9}, {"s", 1e9}, {"ms", 1e6}, {"m", 60e9}, {"h", 3600e9}}};

// How many bytes of `text` are one character that can be printed; 0 if its first byte is none.
std::size_t printable_size(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const auto lead = byte(0);
    if (lead < 0x80) return lead >= 0x20 && lead != 0x7F ? 1 : 0;
    const std::size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || text.size() < size) return 0;
    if (lead == 0xC2 && byte(1) < 0xA0) return 0;  // control characters, too
    for (std::size_t i = 1; i != size; ++i)
        if ((byte(i) & 0xC0) != 0x80) return 0;
    return size;
}

}  // namespace

std::optional<duration> read_duration(std::string_view text) {
    const std::string_view number = text.substr(0, text.find_first_not_of("0123456789."));
    const std::string_view name = text.substr(number.size());
    const auto u = std::ranges::find(units, name, &unit::name);
    if (u == units.end() || number.empty() || number.front() == '.' || number.back() == '.') return {};

    double value = 0;
    const auto [end, error] =
        std::from_chars(number.data(), number.data() + number.size(), value, std::chars_format::fixed);
    if (error == std::errc::result_out_of_range) return number.front() == '0' ? duration::zero() : never;
    if (error != std::errc{} || end != number.data() + number.size()) return {};
    return to_duration(std::chrono::duration<double, std::nano>{std::round(value * u->nanoseconds)});
}

std::string one_line(std::string_view text) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string line;
    while (!text.empty()) {
        const std::size_t size = printable_size(text);
        const auto byte = static_cast<unsigned char>(text.front());
        if (size != 0)
            line += text.substr(0, size);
        else
            ((line += "\\x") += digits[byte >> 4]) += digits[byte & 15];
        text.remove_prefix(std::max<std::size_t>(size, 1));
    }
    return line;
}

std::string seconds_text(duration length) {
    const auto tenths = std::max(length, duration::zero()) / std::chrono::milliseconds{100};
    return std::to_string(tenths / 10) + '.' + std::to_string(tenths % 10) + " s";
}

}  // namespace dial::cli
