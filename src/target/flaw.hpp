// What can be wrong with a target, or with the address of a server. The words for it are all in flaw.cpp.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace dial::detail {

struct flaw {
    enum class kind {
        blank,
        url,
        no_host,
        many_colons,
        open_bracket,
        after_bracket,
        not_ipv6,
        no_zone,
        long_zone,
        zone_character,
        zone_number,
        bare_path,
        name_character,
        empty_label,
        long_label,
        long_name,
        numeric_name,
        unix_name,
        no_port,
        port_zero,
        port_over,
        port_character,
        port_start,
        letterless,
        long_service,
        no_path,
        long_path,
        nul_in_path,
        not_srv,
        not_an_address,
        not_a_port,
    };
    kind what;
    std::size_t place;  // in bytes, from the beginning of the text
};

/// One line: what was read (`noun` and `text`), what is wrong with it, where, and what to write instead.
std::string describe(std::string_view noun, std::string_view text, const flaw& found);

}  // namespace dial::detail
