// Takes numbers, names and pieces off the front of bytes that somebody else made, and never looks beyond their end.
#pragma once

#include <dns/name.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace dial::dns {

// Once it was asked for what is not there, it is spent: ok() is false, and whatever it is asked for is zero or empty.
class reader {
public:
    explicit reader(std::span<const unsigned char> all, std::size_t at = 0) : all_{all}, at_{at} {}

    bool ok() const { return ok_; }
    bool at_end() const { return at_ == all_.size(); }
    std::size_t place() const { return at_; }

    std::uint8_t u8() {
        const auto one = take(1);
        return one.empty() ? std::uint8_t{0} : one[0];
    }
    std::uint16_t u16() {
        const auto two = take(2);
        return two.empty() ? std::uint16_t{0} : static_cast<std::uint16_t>(two[0] << 8 | two[1]);
    }
    std::uint32_t u32() {
        const std::uint32_t high = u16();
        return high << 16 | u16();
    }
    std::span<const unsigned char> take(std::size_t size) {
        if (!ok_ || at_ > all_.size() || all_.size() - at_ < size) {
            ok_ = false;
            return {};
        }
        const auto taken = all_.subspan(at_, size);
        at_ += size;
        return taken;
    }
    wire_name name(compression c) {
        if (!ok_) return {};
        const auto found = read_name(all_, at_, c);
        if (found) at_ = found->end;
        ok_ = found.has_value();
        return found ? found->name : wire_name{};
    }

private:
    std::span<const unsigned char> all_;
    std::size_t at_;
    bool ok_ = true;
};

}  // namespace dial::dns
