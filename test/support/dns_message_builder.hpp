// Writes DNS messages, right ones and wrong ones.
#pragma once

#include <dial/lookup.hpp>

#include <boost/asio/ip/address.hpp>

#include <cctype>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dial::test {

using dns_bytes = std::vector<unsigned char>;

inline dns_bytes operator+(dns_bytes a, const dns_bytes& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

inline dns_bytes u16(std::uint32_t n) {
    return {static_cast<unsigned char>(n >> 8 & 0xff), static_cast<unsigned char>(n & 0xff)};
}
inline dns_bytes u32(std::uint32_t n) {
    return u16(n >> 16) + u16(n & 0xffff);
}
inline dns_bytes raw(std::string_view text) {
    return {text.begin(), text.end()};
}

/// Of hexadecimal digits; blanks count nothing.
inline dns_bytes hex(std::string_view digits) {
    dns_bytes all;
    unsigned value = 0;
    bool half = false;
    for (const char c : digits) {
        if (!std::isxdigit(static_cast<unsigned char>(c))) continue;
        value = value << 4 | static_cast<unsigned>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
        if (half) all.push_back(static_cast<unsigned char>(value & 0xff));
        half = !half;
    }
    return all;
}

inline dns_bytes label(std::string_view text) {
    return dns_bytes{static_cast<unsigned char>(text.size())} + raw(text);
}
/// "a.example": without escapes, without a final dot; "" is the root.
inline dns_bytes wire(std::string_view name) {
    dns_bytes all;
    while (!name.empty()) {
        const std::size_t dot = name.find('.');
        all = std::move(all) + label(name.substr(0, dot));
        name.remove_prefix(dot == name.npos ? name.size() : dot + 1);
    }
    return std::move(all) + dns_bytes{0};
}
/// A compression pointer; the name of the question is at 12.
inline dns_bytes pointer(std::size_t to) {
    return u16(static_cast<std::uint32_t>(0xc000 | to));
}

// --- The data of records ---

inline dns_bytes address_data(const char* text) {
    const auto address = boost::asio::ip::make_address(text);
    if (address.is_v6()) {
        const auto all = address.to_v6().to_bytes();
        return {all.begin(), all.end()};
    }
    const auto all = address.to_v4().to_bytes();
    return {all.begin(), all.end()};
}
inline dns_bytes service_data(const service_record& s) {
    return u16(s.priority) + u16(s.weight) + u16(s.port) + wire(s.host);
}
inline dns_bytes soa_data(std::uint32_t minimum) {
    return wire("ns.example") + wire("admin.example") + u32(1) + u32(7200) + u32(900) + u32(86400) + u32(minimum);
}

// --- Messages ---

namespace dns_type {
inline constexpr std::uint16_t a = 1, ns = 2, cname = 5, soa = 6, txt = 16, aaaa = 28, srv = 33, dname = 39, opt = 41,
                               svcb = 64, https = 65;
}

/// A reply, to one question unless said otherwise.
class dns_message {
public:
    dns_message(std::string_view name, record_type type)
        : question_{wire(name) + u16(static_cast<std::uint16_t>(type)) + u16(1)} {}

    dns_message& flags(std::uint16_t all) {
        flags_ = all;
        return *this;
    }
    dns_message& rcode(unsigned code) { return flags(static_cast<std::uint16_t>(0x8180 | code)); }
    /// Instead of what is there; `count` may be a lie.
    dns_message& questions(dns_bytes all, std::uint16_t count) {
        question_ = std::move(all);
        questions_ = count;
        return *this;
    }

    dns_message& answer(const dns_bytes& owner, std::uint16_t type, std::uint32_t ttl, const dns_bytes& data,
        std::uint16_t of_class = 1) {
        return add(0, owner, type, ttl, data, of_class);
    }
    dns_message& authority(const dns_bytes& owner, std::uint16_t type, std::uint32_t ttl, const dns_bytes& data,
        std::uint16_t of_class = 1) {
        return add(1, owner, type, ttl, data, of_class);
    }
    dns_message& additional(const dns_bytes& owner, std::uint16_t type, std::uint32_t ttl, const dns_bytes& data,
        std::uint16_t of_class = 1) {
        return add(2, owner, type, ttl, data, of_class);
    }
    dns_message& soa(std::uint32_t ttl, std::uint32_t minimum) {
        return authority(wire("example"), dns_type::soa, ttl, soa_data(minimum));
    }

    dns_bytes build() const {
        dns_bytes all = u16(0x1234) + u16(flags_) + u16(questions_);
        for (const auto& s : sections_) all = std::move(all) + u16(s.count);
        all = std::move(all) + question_;
        for (const auto& s : sections_) all = std::move(all) + s.records;
        return all;
    }

private:
    struct section {
        std::uint16_t count = 0;
        dns_bytes records;
    };

    dns_message& add(std::size_t where, const dns_bytes& owner, std::uint16_t type, std::uint32_t ttl,
        const dns_bytes& data, std::uint16_t of_class) {
        ++sections_[where].count;
        dns_bytes& to = sections_[where].records;
        const dns_bytes record =
            owner + u16(type) + u16(of_class) + u32(ttl) + u16(static_cast<std::uint32_t>(data.size())) + data;
        to.insert(to.end(), record.begin(), record.end());
        return *this;
    }

    std::uint16_t flags_ = 0x8180, questions_ = 1;  // a reply, recursion desired and available
    dns_bytes question_;
    section sections_[3];
};

}  // namespace dial::test
