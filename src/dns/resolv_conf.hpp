// What resolv.conf(5) says, as the C library reads it. Pure: texts come in.
#pragma once

#include <dial/time.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dial::dns {

struct configuration {
    std::vector<std::string> servers;  // each as server_address() writes it; there is one at least
    std::vector<std::string> search;   // domains, in their order; "." is the root
    int ndots = 1;
    std::optional<duration> timeout = {};
    std::optional<int> tries = {};
    bool rotate = false;
    bool operator==(const configuration&) const = default;
};

// What else counts: of the machine, and of the process.
struct surroundings {
    std::string host_name = {};                                     // its domain is searched where nobody says which
    std::optional<std::string> localdomain = {}, res_options = {};  // environment variables: LOCALDOMAIN, RES_OPTIONS
};

// Three servers count. A line that is not as it should be is passed over, and so is an option.
//
// Other than the C library: a server may have a port, and a comment may stand behind domains; a number is one, and what it
// cannot be (no tries, no time) is the least that it can.
configuration read_resolv_conf(std::string_view text, const surroundings& around = {});

// The address of a DNS server in its one form, "192.0.2.53:53" or "[fe80::1%eth0]:53", from one with a port or without; the
// port of DNS is 53. Throws std::invalid_argument that says what is wrong.
std::string server_address(std::string_view text);

}  // namespace dial::dns
