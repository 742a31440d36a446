// A directory for the files of one test.
#pragma once

#include <stdlib.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

namespace dial::test {

/// Is removed, with all that is in it, when it goes out of scope.
class temporary_directory {
public:
    temporary_directory() {
        std::string pattern = (std::filesystem::temp_directory_path() / "dial-test-XXXXXX").string();
        if (!::mkdtemp(pattern.data())) throw std::system_error{errno, std::generic_category(), "mkdtemp"};
        path_ = pattern;
    }
    temporary_directory(const temporary_directory&) = delete;
    temporary_directory& operator=(const temporary_directory&) = delete;
    ~temporary_directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    const std::filesystem::path& path() const { return path_; }

    /// Writes a file, or writes it anew, and gives its path.
    std::string write(const std::string& name, const std::string& text) const {
        const auto file = path_ / name;
        std::ofstream{file} << text;
        return file.string();
    }

private:
    std::filesystem::path path_;
};

}  // namespace dial::test
