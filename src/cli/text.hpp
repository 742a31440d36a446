// Small texts: what a user writes for a length of time, and what may be printed on one line.
#pragma once

#include <dial/time.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace dial::cli {

// "5" and "1.5s" (seconds), "300ms", "2m", "1h", "0"; nothing for anything else. What is too long for a duration is
// `never`.
std::optional<duration> read_duration(std::string_view text);

// `text` on one line, fit for a terminal: control characters and bytes that are no UTF-8 are written as \x1b.
std::string one_line(std::string_view text);

// In seconds, with one decimal.
std::string seconds_text(duration length);

}  // namespace dial::cli
