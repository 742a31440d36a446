#include <resolve/watched_file.hpp>

#include <sys/stat.h>
#include <time.h>

#include <array>
#include <cstdio>
#include <cstdlib>

namespace dial::resolve {
namespace {

std::int64_t nanoseconds(const timespec& t) {
    return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

}  // namespace

std::string watched_file::read(const char* path) {
    std::string text;
    std::FILE* const file = std::fopen(path, "re");  // close-on-exec, which std::ifstream is not
    if (!file) return text;
    std::array<char, 4096> part;
    while (const std::size_t size = std::fread(part.data(), 1, part.size(), file)) text.append(part.data(), size);
    std::fclose(file);
    return text;
}

watched_file::version watched_file::version_of(const char* path) {
    struct stat now {};
    if (::stat(path, &now) != 0) return {};
    return {true, now.st_dev, now.st_ino, now.st_size, nanoseconds(now.st_mtim), nanoseconds(now.st_ctim)};
}

// The clock of a file system may have large ticks, and a second change within one of them leaves all as it is.
bool watched_file::may_change_unseen(const version& v) {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return v.there && std::abs(nanoseconds(now) - v.changed) < 2'000'000'000;
}

}  // namespace dial::resolve
