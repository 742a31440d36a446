// The data of SVCB and HTTPS records (RFC 9460). Pure.
#pragma once

#include <dial/lookup.hpp>

#include <cstddef>
#include <optional>
#include <span>

namespace dial::dns {

// Taken from one record: protocol IDs, and addresses of both families together.
inline constexpr std::size_t most_values = 64;

// Nothing if it is malformed (RFC 9460 section 2.2) or contradicts itself (section 2.4.3). Either is a reason not to use the
// others of its name.
//
// Keys that dial does not know are passed over, `ech` among them; `understood` is false where one of them is mandatory. What
// follows the name in AliasMode is ignored (section 2.4.2).
std::optional<service_binding> read_binding(std::span<const unsigned char> data);

}  // namespace dial::dns
