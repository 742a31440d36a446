// In which order the hosts of a service are tried (RFC 2782, RFC 9460 section 2.4). Pure: random numbers come in.
#pragma once

#include <dial/lookup.hpp>

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace dial::dns {

// A number below the given one, which is not zero; each as likely as the others.
using random_source = std::function<std::uint32_t(std::uint32_t below)>;

// By priority; within one, at random, each as likely to be the first as its weight says. Those of weight 0 come last, but for
// a small chance; where all are, they keep their order. The first 64 by priority are taken.
std::vector<service_record> srv_order(std::vector<service_record> records, const random_source& random);

// Those that a client of TCP or TLS may use, by priority, shuffled within one: in ServiceMode, understood, and not for QUIC
// alone. The first 64 by priority are taken. None where there is one in AliasMode: that counts instead.
std::vector<service_binding> binding_order(std::vector<service_binding> records, const random_source& random);

// The one in AliasMode; of several, one at random. Null where there is none.
const service_binding* alias_of(std::span<const service_binding> records, const random_source& random);

}  // namespace dial::dns
