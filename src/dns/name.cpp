#include <dns/name.hpp>

#include <algorithm>

namespace dial::dns {
namespace {

constexpr std::size_t longest_name = 255;  // RFC 1035 section 2.3.4, the root at its end included
constexpr std::size_t longest_label = 63;
constexpr int most_pointers = 127;  // as many as a name has labels: more is play

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool stays_as_it_is(char c) {  // as a target has it
    return (lower(c) >= 'a' && lower(c) <= 'z') || is_digit(c) || c == '-' || c == '_' ||
        static_cast<unsigned char>(c) >= 0x80;
}

// Takes one byte of a label off `text`, which is not empty: a character, or \DDD, or \ and a character.
std::optional<char> take_byte(std::string_view& text) {
    const char first = text[0];
    text.remove_prefix(1);
    if (first != '\\') return first;
    if (text.empty()) return {};
    if (!is_digit(text[0])) {
        const char escaped = text[0];
        text.remove_prefix(1);
        return escaped;
    }
    if (text.size() < 3 || !is_digit(text[1]) || !is_digit(text[2])) return {};
    const int value = (text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0');
    text.remove_prefix(3);
    if (value > 255) return {};
    return static_cast<char>(value);
}

}  // namespace

std::optional<found_name> read_name(std::span<const unsigned char> message, std::size_t at, compression c) {
    found_name found{{}, 0};
    std::size_t piece = at;  // where the labels that are being read begin
    int pointers = 0;
    for (;;) {
        if (at >= message.size()) return {};
        const std::size_t length = message[at];
        if (length > longest_label) {
            if (length < 0xc0 || c == compression::refused || at + 1 == message.size()) return {};
            const std::size_t to = (length & 0x3f) << 8 | message[at + 1];
            if (to >= piece || ++pointers > most_pointers) return {};
            if (pointers == 1) found.end = at + 2;
            at = piece = to;
            continue;
        }
        if (message.size() - at <= length) return {};
        if (found.name.size() + 1 + length > longest_name) return {};
        const auto label = message.subspan(at, 1 + length);
        found.name.append(label.begin(), label.end());
        at += label.size();
        if (length == 0) break;
    }
    if (pointers == 0) found.end = at;
    return found;
}

wire_name folded(wire_name name) {
    std::ranges::transform(name, name.begin(), lower);  // the lengths are no letters: 63 at most
    return name;
}

std::string to_text(const wire_name& name) {
    std::string text;
    for (std::size_t at = 0; at < name.size() && name[at] != 0;) {
        const auto length = static_cast<std::size_t>(name[at]);
        if (at != 0) text += '.';
        for (const char byte : std::string_view{name}.substr(at + 1, length)) {
            if (stays_as_it_is(byte))
                text += byte;
            else
                append_escape(text, byte);
        }
        at += 1 + length;
    }
    return text.empty() ? "." : text;
}

std::optional<wire_name> to_wire(std::string_view text) {
    if (text == ".") return wire_name(1, '\0');
    wire_name name;
    while (!text.empty()) {
        std::string label;
        while (!text.empty() && text[0] != '.') {
            const auto byte = take_byte(text);
            if (!byte || label.size() == longest_label) return {};
            label += *byte;
        }
        if (label.empty()) return {};
        name += static_cast<char>(label.size());
        name += label;
        if (!text.empty()) text.remove_prefix(1);
        if (name.size() + 1 > longest_name) return {};
    }
    if (name.empty()) return {};
    return name + '\0';
}

void append_escape(std::string& text, char byte) {
    const auto value = static_cast<unsigned char>(byte);
    text += '\\';
    text += static_cast<char>('0' + value / 100);
    text += static_cast<char>('0' + value / 10 % 10);
    text += static_cast<char>('0' + value % 10);
}

}  // namespace dial::dns
