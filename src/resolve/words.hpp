// Lines and words of configuration files.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace dial::resolve {

inline constexpr std::string_view blanks = " \t\r\f\v";

// Takes the first word off `line`; empty when there is none left.
inline std::string_view take_word(std::string_view& line) {
    const std::size_t begin = std::min(line.find_first_not_of(blanks), line.size());
    const std::size_t end = std::min(line.find_first_of(blanks, begin), line.size());
    const std::string_view word = line.substr(begin, end - begin);
    line.remove_prefix(end);
    return word;
}

// Takes the first line off `text`; what follows `ended_by` in it is left out.
inline std::string_view take_line(std::string_view& text, char ended_by) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return line.substr(0, line.find(ended_by));
}

}  // namespace dial::resolve
