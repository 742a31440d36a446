#include <dial/lookup.hpp>

namespace dial {

std::string_view to_string(record_type type) noexcept {
    switch (type) {  // no default: the compiler names the case we forget
        case record_type::a: return "A";
        case record_type::aaaa: return "AAAA";
        case record_type::srv: return "SRV";
        case record_type::svcb: return "SVCB";
        case record_type::https: return "HTTPS";
    }
    return "unknown";
}

}  // namespace dial
