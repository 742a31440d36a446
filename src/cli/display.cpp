#include "display.hpp"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>

namespace dial::cli {
namespace {

constexpr int out = STDOUT_FILENO;
constexpr std::size_t width_elsewhere = 100;  // than on a terminal
constexpr std::string_view no_wrap = "\x1B[?7l", wrap = "\x1B[?7h", erase_to_end_of_line = "\x1B[K",
                           erase_below = "\x1B[J";

std::vector<std::string_view> lines_of(std::string_view text) {
    std::vector<std::string_view> lines;
    while (!text.empty()) {
        const auto end = text.find('\n');
        lines.push_back(text.substr(0, end));
        text.remove_prefix(end == text.npos ? text.size() : end + 1);
    }
    return lines;
}

// Without the escape sequences for colours; a character of UTF-8 is a column.
std::size_t columns_of(std::string_view line) {
    std::size_t count = 0;
    bool escape = false;
    for (const char c : line) {
        if (escape)
            escape = c != 'm';
        else if (c == '\x1B')
            escape = true;
        else if ((static_cast<unsigned char>(c) & 0xC0) != 0x80)
            ++count;
    }
    return count;
}

std::size_t columns_from_environment(std::size_t otherwise) {
    const char* const text = std::getenv("COLUMNS");
    if (!text) return otherwise;
    std::size_t columns = 0;
    const char* const end = text + std::strlen(text);
    const auto result = std::from_chars(text, end, columns);
    return result.ec == std::errc{} && result.ptr == end && columns != 0 ? columns : otherwise;
}

terminal_size size_of_terminal() {
    terminal_size size;
    winsize window{};
    const bool known = ::ioctl(out, TIOCGWINSZ, &window) == 0;
    if (known && window.ws_row != 0) size.rows = window.ws_row;
    size.columns = known && window.ws_col != 0 ? window.ws_col : columns_from_environment(size.columns);
    return size;
}

// Ctrl-Z and fg: the shell has written to the terminal in between.
volatile std::sig_atomic_t continued = 0;

void on_continue(int) {
    continued = 1;
}

bool is_set(const char* name) {
    const char* const value = std::getenv(name);
    return value && *value;
}

bool takes_escapes() {
    const char* const type = std::getenv("TERM");
    return type && *type && std::strcmp(type, "dumb") != 0;
}

}  // namespace

std::string redraw::go_to_top(terminal_size size) const {
    std::size_t rows = 0;  // a window that became narrower has wrapped what it shows
    for (const std::size_t columns : shown_)
        rows += std::max<std::size_t>(1, (columns + size.columns - 1) / size.columns);
    rows = std::min(rows, size.rows - 1);
    std::string bytes{'\r'};
    if (rows != 0) bytes.append("\x1B[").append(std::to_string(rows)).append("A");
    return bytes;
}

std::string redraw::frame(std::string_view text, terminal_size size) {
    std::vector<std::string_view> lines = lines_of(text);
    if (lines.size() >= size.rows) lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(size.rows - 1));
    std::string bytes{no_wrap};
    bytes += go_to_top(size);
    shown_.clear();
    for (const std::string_view line : lines) {
        // Erased before it is written: at the end of a full row, erasing would take its last column.
        ((bytes += erase_to_end_of_line) += line) += '\n';
        shown_.push_back(std::min(columns_of(line), size.columns));
    }
    return (bytes += erase_below) += wrap;
}

std::string redraw::last(std::string_view text, terminal_size size) {
    if (shown_.empty()) return std::string{text};
    std::string bytes = go_to_top(size);
    shown_.clear();
    for (const std::string_view line : lines_of(text)) ((bytes += erase_to_end_of_line) += line) += '\n';
    return bytes += erase_below;
}

display::display(colours colour) : terminal_{::isatty(out) == 1}, live_{terminal_ && takes_escapes()} {
    const bool automatic = live_ && !is_set("NO_COLOR");
    colour_ = colour == colours::always || (colour == colours::automatic && automatic);
    if (live_) std::signal(SIGCONT, on_continue);
}

std::size_t display::width() const {
    return terminal_ ? size_of_terminal().columns : columns_from_environment(width_elsewhere);
}

void display::draw(std::string_view text) {
    if (!live_) return;
    forget_if_continued();
    write(redraw_.frame(text, size_of_terminal()));
}

void display::conclude(std::string_view text) {
    forget_if_continued();
    write(redraw_.last(text, size_of_terminal()));
}

void display::forget_if_continued() {
    if (!continued) return;
    continued = 0;
    redraw_.forget();
}

void display::write(std::string_view bytes) {
    while (!bytes.empty() && !error_) {
        const ssize_t written = ::write(out, bytes.data(), bytes.size());
        if (written >= 0) {
            bytes.remove_prefix(static_cast<std::size_t>(written));
        } else if (errno == EAGAIN) {  // somebody who shares it made it non-blocking
            pollfd ready{out, POLLOUT, 0};
            ::poll(&ready, 1, -1);
        } else if (errno != EINTR) {
            error_.assign(errno, std::system_category());
        }
    }
}

}  // namespace dial::cli
