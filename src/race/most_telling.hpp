// Which error is reported when every attempt has failed. Pure.
#pragma once

#include <dial/error.hpp>

#include <span>

namespace dial::race {

// Who speaks through an error, the most telling first.
enum class voice : unsigned char {
    peer,     // it answered, and said no: refused, reset
    silence,  // nothing answered in time, be it the kernel's patience or ours
    host,     // the network says: that host cannot be reached
    network,  // the network says: no way there
    local,    // trouble on this machine, and whatever else
    nobody,   // no error
};

voice who_says(const error_code& error);

// The most telling of them; the first of those that are equally so. No error if there is none.
error_code most_telling(std::span<const error_code> errors);

}  // namespace dial::race
