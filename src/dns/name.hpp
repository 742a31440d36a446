// Domain names in messages and in text (RFC 1035 sections 3.1, 4.1.4 and 5.1). Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace dial::dns {

// As in a message, but in one piece: labels with their length in front, the root at the end, 255 bytes at most.
using wire_name = std::string;

enum class compression : unsigned char { allowed, refused };

struct found_name {
    wire_name name;
    std::size_t end;  // where the message goes on behind it
};

// The name that begins at `at`; nothing where it is none. A pointer leads to a place before all that was read of the name so
// far, and there are 127 of them at most, so that a name costs no more than 400 steps.
std::optional<found_name> read_name(std::span<const unsigned char> message, std::size_t at, compression c);

// In lower case: two names are the same when these are.
wire_name folded(wire_name name);

// With dots between the labels and none at the end; "." for the root. What a target does not take in a host name, as a dot
// within a label, is written \DDD (RFC 1035 section 5.1).
std::string to_text(const wire_name& name);

// The way back, with a final dot or without; nothing if it is no name.
std::optional<wire_name> to_wire(std::string_view text);

// Appends `byte` as \DDD.
void append_escape(std::string& text, char byte);

}  // namespace dial::dns
