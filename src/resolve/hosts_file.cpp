#include <resolve/fork_guard.hpp>
#include <resolve/hosts_file.hpp>

#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>

namespace dial::resolve {
namespace {

constexpr std::string_view blanks = " \t\r\f\v";

// Of one name; a dial takes 64 of a family. Bounds the search for those that are there twice.
constexpr std::size_t most_addresses = 256;

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// Takes the first word off `line`; empty when there is none left.
std::string_view take_word(std::string_view& line) {
    const std::size_t begin = std::min(line.find_first_not_of(blanks), line.size());
    const std::size_t end = std::min(line.find_first_of(blanks, begin), line.size());
    const std::string_view word = line.substr(begin, end - begin);
    line.remove_prefix(end);
    return word;
}

// Takes the first line off `text`, without its comment.
std::string_view take_line(std::string_view& text) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return line.substr(0, line.find('#'));
}

// What follows the colon: services, some with [rules] behind them for how to go on.
bool begins_with_files(std::string_view services) {
    services.remove_prefix(std::min(services.find_first_not_of(blanks), services.size()));
    if (!services.starts_with("files")) return false;
    services.remove_prefix(5);
    if (!services.empty() && services[0] != '[' && blanks.find(services[0]) == blanks.npos) return false;
    for (;;) {
        services.remove_prefix(std::min(services.find_first_not_of(blanks), services.size()));
        if (!services.starts_with('[')) return true;
        std::string rules{services.substr(0, services.find(']'))};
        std::ranges::transform(rules, rules.begin(), lower);
        // [SUCCESS=continue] would ask the others as well, and so would [!NOTFOUND=continue].
        if (rules.find("success") != rules.npos || rules.find('!') != rules.npos) return false;
        services.remove_prefix(std::min(rules.size() + 1, services.size()));
    }
}

// What tells one version of a file from the next. The times are of the last change, to the content and to anything: the
// first can be set to any value, and what is renamed or mounted keeps it.
struct version {
    bool there = false;
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
    std::int64_t written = 0, changed = 0;  // nanoseconds
    bool operator==(const version&) const = default;
};

std::int64_t nanoseconds(const timespec& t) {
    return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

version version_of(const char* path) {
    struct stat now {};
    if (::stat(path, &now) != 0) return {};
    return {true, now.st_dev, now.st_ino, now.st_size, nanoseconds(now.st_mtim), nanoseconds(now.st_ctim)};
}

// The clock of a file system may have large ticks, and a second change within one of them leaves all as it is.
bool may_change_unseen(const version& v) {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return v.there && std::abs(nanoseconds(now) - v.changed) < 2'000'000'000;
}

std::string read(const char* path) {
    std::string text;
    std::FILE* const file = std::fopen(path, "re");  // close-on-exec, which std::ifstream is not
    if (!file) return text;
    std::array<char, 4096> part;
    while (const std::size_t size = std::fread(part.data(), 1, part.size(), file)) text.append(part.data(), size);
    std::fclose(file);
    return text;
}

// What read() made of a file, kept as long as the file is the same.
template <class Parsed>
class kept {
public:
    kept(const char* path, Parsed (*parse)(std::string_view)) : path_{path}, parse_{parse} {}

    const Parsed& get() {
        const version now = version_of(path_);
        if (!valid_ || now != version_) {
            parsed_ = parse_(read(path_));
            version_ = now;  // of before: a change while it was read is seen the next time
            valid_ = !may_change_unseen(now);
        }
        return parsed_;
    }

private:
    const char* path_;
    Parsed (*parse_)(std::string_view);
    bool valid_ = false;
    version version_;
    Parsed parsed_{};
};

struct system_files {
    kept<bool> files_first{"/etc/nsswitch.conf", files_come_first};
    kept<hosts_table> hosts{"/etc/hosts", [](std::string_view text) { return hosts_table{text}; }};
};

}  // namespace

std::string canonical(std::string_view name) {
    if (name.ends_with('.')) name.remove_suffix(1);
    std::string result{name};
    std::ranges::transform(result, result.begin(), lower);
    return result;
}

addresses of_family(const addresses& all, address_family family) {
    addresses result;
    for (const auto& a : all)
        if (family == address_family::any || a.is_v4() == (family == address_family::v4)) result.push_back(a);
    return result;
}

hosts_table::hosts_table(std::string_view text) {
    while (!text.empty()) {
        std::string_view line = take_line(text);
        boost::system::error_code bad;
        const auto address = boost::asio::ip::make_address(take_word(line), bad);
        if (bad) continue;
        for (std::string_view name = take_word(line); !name.empty(); name = take_word(line)) {
            addresses& known = by_name_[canonical(name)];
            if (known.size() < most_addresses && std::ranges::find(known, address) == known.end())
                known.push_back(address);
        }
    }
}

const addresses* hosts_table::find(std::string_view name) const {
    const auto found = by_name_.find(canonical(name));
    return found == by_name_.end() ? nullptr : &found->second;
}

bool files_come_first(std::string_view text) {
    bool found = false;
    while (!text.empty()) {
        std::string_view line = take_line(text);
        line.remove_prefix(std::min(line.find_first_not_of(blanks), line.size()));
        if (!line.starts_with("hosts:")) continue;
        if (!begins_with_files(line.substr(6))) return false;
        found = true;
    }
    return found;
}

std::optional<addresses> find_in_hosts_file(std::string_view name) {
    static system_files& files = *new system_files;  // never destroyed: lookups go on while the process ends
    const std::lock_guard lock{process_mutex()};
    if (!files.files_first.get()) return {};
    const addresses* const found = files.hosts.get().find(name);
    if (!found) return {};
    return *found;
}

}  // namespace dial::resolve
