// Opens a socket with options set and source bound.
#pragma once

#include <dial/options.hpp>

namespace dial::detail {

// What set_options could not set: errno, and the option's name as the man pages have it. No error: all is set.
struct refused_option {
    int error = 0;
    const char* name = nullptr;
};

// Sets what `options` asks for on a socket that is not connected yet, and binds it to the source address, if any.
refused_option set_options(int fd, int family, int type, const socket_options& options);

// A socket, or -1 and why there is none; without a name, it was socket(2) that refused.
struct opened {
    int fd = -1;
    refused_option refused = {};
};

// A non-blocking, close-on-exec socket with its options set.
opened open_with_options(int family, int type, int protocol, const socket_options& options);

}  // namespace dial::detail
