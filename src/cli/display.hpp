// Where the timeline is shown: redrawn in place on a terminal, written once elsewhere.
#pragma once

#include "arguments.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace dial::cli {

struct terminal_size {
    std::size_t rows = 24;
    std::size_t columns = 80;
};

// What has to be written to a terminal so that a text replaces the one shown before. Pure.
//
// While it is redrawn, the text never scrolls the terminal, and never wraps: where it is higher than the terminal, its
// last lines are shown. The cursor is left on the line below.
class redraw {
public:
    std::string frame(std::string_view text, terminal_size size);
    // The last one: all of it, however long.
    std::string last(std::string_view text, terminal_size size);
    // Somebody else has written to the terminal: what is above the cursor is theirs.
    void forget() { shown_.clear(); }

private:
    std::string go_to_top(terminal_size size) const;

    std::vector<std::size_t> shown_;  // how many columns each line takes that is shown
};

// The standard output.
class display {
public:
    explicit display(colours colour);

    bool live() const { return live_; }  // a terminal that can be redrawn
    bool colour() const { return colour_; }
    std::size_t width() const;  // asked each time: a window may change its size

    void draw(std::string_view text);      // only if live()
    void conclude(std::string_view text);  // the last to be shown

    // Why the output could not be written. After that, nothing is written any more.
    const std::error_code& error() const { return error_; }

private:
    void forget_if_continued();
    void write(std::string_view bytes);

    bool terminal_, live_, colour_;
    redraw redraw_;
    std::error_code error_;
};

}  // namespace dial::cli
