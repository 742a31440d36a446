// Scenarios in a file: a line with an id and a title begins each, lines that are set in belong to it, # begins a comment.
#pragma once

#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace dial::test {

/// Calls `begin(id, title)` and, for each line of a scenario, `add(first word, the others)`. What these throw, and a file that cannot
/// be read, is thrown as std::runtime_error with the place.
template <class Begin, class Add>
void read_case_file(const std::string& path, Begin begin, Add add) {
    std::ifstream file{path};
    if (!file) throw std::runtime_error{"cannot open " + path};
    bool begun = false;
    std::string line;
    for (int number = 1; std::getline(file, line); ++number) {
        if (line.empty() || line.front() == '#') continue;
        std::istringstream text{line};
        std::string first;
        text >> first;
        try {
            if (line.front() != ' ') {
                std::string title;
                std::getline(text >> std::ws, title);
                begin(first, title);
                begun = true;
                continue;
            }
            if (!begun) throw std::runtime_error{"no scenario to belong to"};
            std::vector<std::string> rest;
            for (std::string word; text >> word;) rest.push_back(word);
            add(first, rest);
        } catch (const std::exception& e) {
            throw std::runtime_error{path + ":" + std::to_string(number) + ": " + e.what()};
        }
    }
}

}  // namespace dial::test
