// What both forms of a report say alike.
#pragma once

#include <dial/report.hpp>
#include <dial/time.hpp>

#include <string>

namespace dial::reporting {

// Whereto: 192.0.2.7:443, [2001:db8::1]:443, unix:/run/redis.sock
std::string peer_text(const report::attempt& a);

// The end of the dial, or the latest thing that is known of it.
duration latest(const report& story);

}  // namespace dial::reporting
