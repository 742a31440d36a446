#include <report/text.hpp>

#include <algorithm>

namespace dial::reporting {
namespace {

constexpr code_point not_utf8{0xFFFD, 1, false};

// How many bytes the character takes that begins with `lead`; 0 if none does.
std::size_t length_of(unsigned char lead) {
    if (lead < 0x80) return 1;
    if (lead >= 0xC2 && lead < 0xE0) return 2;
    if (lead >= 0xE0 && lead < 0xF0) return 3;
    if (lead >= 0xF0 && lead < 0xF5) return 4;
    return 0;
}

bool is_control(char32_t c) {
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029;
}

duration::rep rounded(duration length, duration::rep step) {
    const auto n = length.count();
    return n / step + (n % step >= (step + 1) / 2 ? 1 : 0);
}

std::string with_decimals(duration::rep value, duration::rep scale, std::size_t digits) {
    const std::string part = std::to_string(value % scale);
    return std::to_string(value / scale) + '.' + std::string(digits - part.size(), '0') + part;
}

}  // namespace

code_point first_code_point(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const std::size_t size = length_of(byte(0));
    if (size == 1) return {byte(0), 1};
    if (size == 0 || text.size() < size) return not_utf8;
    char32_t value = byte(0) & (0x7Fu >> size);
    for (std::size_t i = 1; i != size; ++i) {
        if ((byte(i) & 0xC0) != 0x80) return not_utf8;
        value = value << 6 | (byte(i) & 0x3Fu);
    }
    const bool too_long = (size == 3 && value < 0x800) || (size == 4 && value < 0x10000);
    const bool surrogate = value >= 0xD800 && value < 0xE000;
    if (too_long || surrogate || value > 0x10FFFF) return not_utf8;
    return {value, size};
}

std::string printable(std::string_view text) {
    std::string result;
    while (!text.empty()) {
        const code_point c = first_code_point(text);
        if (c.value == '\n' || c.value == '\t')
            result += ' ';
        else if (!c.valid || is_control(c.value))
            result += replacement;
        else
            result += text.substr(0, c.size);
        text.remove_prefix(c.size);
    }
    return result;
}

std::size_t columns(std::string_view text) {
    std::size_t count = 0;
    for (; !text.empty(); text.remove_prefix(first_code_point(text).size)) ++count;
    return count;
}

std::vector<std::string> wrap(std::string_view text, std::size_t first, std::size_t room) {
    std::vector<std::string> lines(1);
    std::size_t used = 0, here = first;
    const auto new_line = [&] {
        lines.emplace_back();
        used = 0;
        here = room;
    };
    while (!text.empty()) {
        std::string_view word = text.substr(0, text.find(' '));
        text.remove_prefix(std::min(word.size() + 1, text.size()));
        if (word.empty()) continue;
        if (used != 0 && used + 1 + columns(word) > here) {
            new_line();
        } else if (used != 0) {
            lines.back() += ' ';
            ++used;
        }
        for (; !word.empty(); ++used) {
            if (used == here) new_line();
            const std::size_t size = first_code_point(word).size;
            lines.back() += word.substr(0, size);
            word.remove_prefix(size);
        }
    }
    return lines;
}

// The limits are those where rounding reaches the next unit: nothing is ever "1000 ms".
unit unit_for(duration longest) {
    if (longest < std::chrono::microseconds{9'950}) return unit::tenths;
    if (longest < std::chrono::microseconds{999'500}) return unit::millis;
    return unit::seconds;
}

std::string time_text(duration length, unit as) {
    length = std::max(length, duration::zero());
    switch (as) {
        case unit::tenths: return with_decimals(rounded(length, 100'000), 10, 1) + " ms";
        case unit::millis: return std::to_string(rounded(length, 1'000'000)) + " ms";
        case unit::seconds: break;
    }
    return with_decimals(rounded(length, 10'000'000), 100, 2) + " s";
}

std::string time_text(duration length) {
    return time_text(length, unit_for(length));
}

std::string endpoint_text(const boost::asio::ip::tcp::endpoint& endpoint) {
    const std::string address = endpoint.address().to_string();
    const std::string port = ':' + std::to_string(endpoint.port());
    return endpoint.address().is_v6() ? '[' + address + ']' + port : address + port;
}

std::vector<std::string> record_texts(const report::lookup& l) {
    std::vector<std::string> all;
    for (const service_record& s : l.services)
        all.push_back(std::to_string(s.priority) + ' ' + std::to_string(s.weight) + ' ' + std::to_string(s.port) + ' ' +
            s.host + (s.host.ends_with('.') ? "" : "."));
    for (const service_binding& b : l.bindings) all.push_back(b.to_string());
    return all;
}

}  // namespace dial::reporting
