// Text for people: UTF-8 in columns of a terminal, times, addresses. Pure.
#pragma once

#include <dial/report.hpp>
#include <dial/time.hpp>

#include <boost/asio/ip/tcp.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace dial::reporting {

// The character at the front of a text. Where the bytes are not UTF-8 (RFC 3629) it is U+FFFD, one byte long.
struct code_point {
    char32_t value = 0;
    std::size_t size = 0;
    bool valid = true;
};

inline constexpr std::string_view replacement = "\xEF\xBF\xBD";  // U+FFFD

code_point first_code_point(std::string_view text);

// `text` as valid UTF-8 on one line: what comes from names, paths and messages must not move the cursor.
std::string printable(std::string_view text);

// How many code points: columns, for the scripts that addresses and errors are written in.
std::size_t columns(std::string_view text);

// In lines of at most `first` and then `room` columns, broken at spaces; a longer word is broken where its line ends.
std::vector<std::string> wrap(std::string_view text, std::size_t first, std::size_t room);

// In a column of times all are written alike, so that they compare at a glance.
enum class unit : unsigned char {
    tenths,   // 0.4 ms
    millis,   // 12 ms
    seconds,  // 1.25 s
};

unit unit_for(duration longest);
std::string time_text(duration length, unit as);
std::string time_text(duration length);  // in the unit for it

// 192.0.2.7:443, [2001:db8::1]:443
std::string endpoint_text(const boost::asio::ip::tcp::endpoint& endpoint);

// What an SRV or HTTPS record says, in the words of zone files: "10 5 5222 xmpp.example.net."
std::vector<std::string> record_texts(const report::lookup& l);

}  // namespace dial::reporting
