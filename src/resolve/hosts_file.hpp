// The hosts file (hosts(5)), and whether it comes first (nsswitch.conf(5)).
#pragma once

#include <dial/options.hpp>

#include <boost/asio/ip/address.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace dial::resolve {

using addresses = std::vector<boost::asio::ip::address>;

// A name in lower case, without a dot at the end: names that differ only in these are one.
std::string canonical(std::string_view name);

addresses of_family(const addresses& all, address_family family);

// What a hosts file says, read once. Lines that are not as they should be are passed over, as the C library does.
class hosts_table {
public:
    hosts_table() = default;
    explicit hosts_table(std::string_view text);

    // All addresses of `name`, in the order of the file; none if it is not there.
    const addresses* find(std::string_view name) const;

private:
    std::unordered_map<std::string, addresses> by_name_;
};

// Whether nsswitch.conf's `hosts:` names `files` before anything else, and then goes on to the others or returns in the
// usual way, so that what the hosts file has is the answer. An empty text, or none: not.
bool files_come_first(std::string_view nsswitch);

// What the system's hosts file has about a name; `where_it_comes_first`: only where nsswitch.conf says so. The two files are
// read again when they have changed. Thread-safe.
enum class hosts_file : bool { always, where_it_comes_first };
std::optional<addresses> find_in_hosts_file(
    std::string_view name, hosts_file asked = hosts_file::where_it_comes_first);

}  // namespace dial::resolve
