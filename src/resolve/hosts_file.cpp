#include <resolve/fork_guard.hpp>
#include <resolve/hosts_file.hpp>
#include <resolve/watched_file.hpp>
#include <resolve/words.hpp>

#include <algorithm>
#include <mutex>

namespace dial::resolve {
namespace {

// Of one name; a dial takes 64 of a family. Bounds the search for those that are there twice.
constexpr std::size_t most_addresses = 256;

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// Without its comment.
std::string_view take_line(std::string_view& text) {
    return resolve::take_line(text, '#');
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

// What `parse` made of a file, kept as long as the file is the same.
template <class Parsed>
class kept {
public:
    kept(const char* path, Parsed (*parse)(std::string_view)) : file_{path}, parse_{parse} {}

    const Parsed& get() {
        file_.if_changed([this](std::string_view text) { parsed_ = parse_(text); });
        return parsed_;
    }

private:
    watched_file file_;
    Parsed (*parse_)(std::string_view);
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

std::optional<addresses> find_in_hosts_file(std::string_view name, hosts_file asked) {
    static system_files& files = *new system_files;  // never destroyed: lookups go on while the process ends
    const std::lock_guard lock{process_mutex()};
    if (asked == hosts_file::where_it_comes_first && !files.files_first.get()) return {};
    const addresses* const found = files.hosts.get().find(name);
    if (!found) return {};
    return *found;
}

}  // namespace dial::resolve
