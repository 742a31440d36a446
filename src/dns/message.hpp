// What a DNS server's reply says (RFC 1035, 2181, 2308, 2782, 3596, 6891, 9460). Pure.
//
// The bytes may be anything: nothing beyond their end is read, and the work is bounded by their number. There are 5957
// records in 64 KiB at most; each is looked at once, at no more than 400 steps for its name; and the end of a chain of
// CNAMEs is found by going over them 17 times at most.
#pragma once

#include <dial/lookup.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace dial::dns {

inline constexpr std::size_t most_records = 64;  // taken from one answer
inline constexpr std::size_t most_aliases =
    16;  // CNAMEs from the name that was asked for to that which has the records

struct header {
    std::uint16_t id;
    bool response, truncated;
    unsigned opcode, rcode;                // four bits each: an OPT record may have more of the rcode
    std::array<std::uint16_t, 4> records;  // questions, answers, authority, additional
};

// Nothing if there are less than its twelve bytes.
std::optional<header> read_header(std::span<const unsigned char> message);

// Whether these can be the first bytes of a message: a header, and questions that can be read.
bool begins_message(std::span<const unsigned char> message);

// What a reply says to the question for `name` and `type`, whose id has been compared already.
//
// - Records: those of the end of the chain of CNAMEs, in the order of the message, without duplicates. None, and no error:
//   the name exists, and has none of that type.
// - Errors: `host_not_found` for NXDOMAIN; `host_not_found_try_again` for SERVFAIL, and where the reply is truncated before
//   any record; `no_recovery` for every other rcode, for what is malformed or no reply to this question, and for a chain of
//   more than `most_aliases`, hence for a loop. One malformed SVCB or HTTPS record is enough for that: all of them are
//   to be rejected (RFC 9460 section 2.2).
// - TTL: the smallest of those records and CNAMEs; where there are none, or no such name, that of the SOA record by RFC 2308
//   section 5 and of the CNAMEs, or none without a SOA; none for other errors.
answer read_answer(std::span<const unsigned char> message, std::string_view name, record_type type);

}  // namespace dial::dns
