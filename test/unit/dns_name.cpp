// Domain names in messages and in text.
#include <dns/name.hpp>
#include <support/dns_message_builder.hpp>

#include <gtest/gtest.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace dial::test {
namespace {

using dns::compression;
using dns::read_name;
using dns::to_text;
using dns::to_wire;

// The text of the name at `at`; nothing if it is none.
std::optional<std::string> text_at(const dns_bytes& message, std::size_t at, compression c = compression::allowed) {
    const auto found = read_name(message, at, c);
    if (!found) return {};
    return to_text(found->name);
}

using text = std::optional<std::string>;
const text none;

std::string repeated(std::string_view part, std::size_t times) {
    std::string all;
    for (; times != 0; --times) all += part;
    return all;
}

TEST(dns_name, is_labels_with_dots_between_them_and_the_root_is_a_dot) {
    EXPECT_EQ(text_at(wire("a.Example"), 0), text{"a.Example"});
    EXPECT_EQ(text_at(wire("a"), 0), text{"a"});
    EXPECT_EQ(text_at(wire(""), 0), text{"."});
    EXPECT_EQ(text_at(wire("a.example"), 2), text{"example"});
}

TEST(dns_name, has_escapes_for_what_a_target_does_not_take) {
    const auto odd = [](std::string_view bytes) { return text_at(label(bytes) + wire("b"), 0); };
    EXPECT_EQ(odd("_a-Z09"), text{"_a-Z09.b"});
    EXPECT_EQ(odd("m\xc3\xbc"), text{"m\xc3\xbc.b"});
    EXPECT_EQ(odd("a.b"), text{"a\\046b.b"});
    EXPECT_EQ(odd(std::string_view{"\0\x1f\x7f", 3}), text{"\\000\\031\\127.b"});
    EXPECT_EQ(odd(" \\\"/%:[]*"), text{"\\032\\092\\034\\047\\037\\058\\091\\093\\042.b"});
}

TEST(dns_name, ends_behind_its_root_or_its_first_pointer) {
    const auto message = wire("example") + label("a") + pointer(0) + label("b") + pointer(9) + raw("more");
    EXPECT_EQ(text_at(message, 9), text{"a.example"});
    EXPECT_EQ(read_name(message, 0, compression::allowed)->end, 9u);
    EXPECT_EQ(read_name(message, 9, compression::allowed)->end, 13u);
    EXPECT_EQ(text_at(message, 13), text{"b.a.example"});
    EXPECT_EQ(read_name(message, 13, compression::allowed)->end, 17u);
}

TEST(dns_name, has_pointers_that_lead_backwards_only) {
    EXPECT_EQ(text_at(pointer(0), 0), none) << "to itself";
    EXPECT_EQ(text_at(label("a") + pointer(0), 0), none) << "to where it begins";
    EXPECT_EQ(text_at(label("a") + label("b") + pointer(2), 0), none) << "into itself";
    EXPECT_EQ(text_at(pointer(2) + wire("a"), 0), none) << "ahead";
    EXPECT_EQ(text_at(pointer(2) + pointer(0), 2), none) << "back and ahead";
    EXPECT_EQ(text_at(label("a") + pointer(4) + wire("b") + pointer(0), 7), none) << "back, and from there ahead";
    EXPECT_EQ(text_at(wire("a") + pointer(0) + pointer(3), 5), text{"a"});
    EXPECT_EQ(text_at(pointer(0x3fff), 0), none);
}

TEST(dns_name, has_127_pointers_at_most) {
    dns_bytes ladder = wire("a");  // three bytes, then pointer after pointer to the one before
    for (std::size_t i = 0; i != 128; ++i) ladder = std::move(ladder) + pointer(i == 0 ? 0 : 3 + 2 * (i - 1));
    EXPECT_EQ(text_at(ladder, 3 + 2 * 126), text{"a"});
    EXPECT_EQ(text_at(ladder, 3 + 2 * 127), none);
}

TEST(dns_name, has_no_pointers_where_they_are_refused) {
    EXPECT_EQ(text_at(wire("a") + pointer(0), 3, compression::refused), none);
    EXPECT_EQ(text_at(wire("a") + label("b") + pointer(0), 3, compression::refused), none);
    EXPECT_EQ(text_at(wire("a.b"), 0, compression::refused), text{"a.b"});
}

TEST(dns_name, has_labels_of_63_bytes_and_255_bytes_in_all_at_most) {
    const std::string l63(63, 'x'), l61(61, 'y');
    EXPECT_EQ(text_at(wire(l63), 0), text{l63});
    for (const int length : {0x40, 0x7f, 0x80, 0xbf}) {  // neither a length nor a pointer (RFC 1035 section 4.1.4)
        const auto of_length = dns_bytes{static_cast<unsigned char>(length)};
        EXPECT_EQ(text_at(of_length + dns_bytes(255, 'x') + dns_bytes{0}, 0), none) << length;
        EXPECT_EQ(text_at(wire(l63) + dns_bytes(0x3f00) + of_length + dns_bytes{0}, 65 + 0x3f00), none) << length;
    }

    const std::string longest = l63 + '.' + l63 + '.' + l63 + '.' + l61;
    EXPECT_EQ(text_at(wire(longest), 0), text{longest});
    EXPECT_EQ(text_at(wire(longest + 'y'), 0), none);
    EXPECT_EQ(text_at(wire(longest) + label("") + pointer(0), 255), text{"."}) << "an empty label is the root";
    EXPECT_EQ(text_at(wire(longest) + label("a") + pointer(0), 255), none) << "also where it is in pieces";
    const auto many = repeated("a.", 126) + 'a';
    EXPECT_EQ(text_at(wire(many), 0), text{many});
    EXPECT_EQ(text_at(wire("a." + many), 0), none);
}

TEST(dns_name, that_the_message_ends_within_is_none) {
    const auto whole = wire("example") + label("a") + pointer(0);
    for (std::size_t size = 9; size != whole.size(); ++size)
        EXPECT_EQ(text_at({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)}, 9), none) << size;
    EXPECT_EQ(text_at(whole, whole.size()), none);
    EXPECT_EQ(text_at(whole, whole.size() + 7), none);
    EXPECT_EQ(text_at({}, 0), none);
}

TEST(dns_name, comes_back_from_its_text) {
    dns_bytes all;
    for (int c = 0; c != 256; c += 32) {
        dns_bytes part;
        for (int i = 0; i != 32; ++i) part.push_back(static_cast<unsigned char>(c + i));
        if (all.size() + part.size() < 200) all = all + dns_bytes{32} + part;
    }
    const auto name = read_name(all + wire("Example"), 0, compression::allowed)->name;
    EXPECT_EQ(to_wire(to_text(name)), name);
    EXPECT_EQ(to_wire(to_text(name) + '.'), name);
    EXPECT_EQ(to_wire("."), std::string(1, '\0'));
    EXPECT_EQ(to_wire("\\a\\.\\010.b"), std::string("\3a.\n\1b\0", 7));
}

TEST(dns_name, in_text_that_is_none) {
    for (const auto bad : {"", "..", ".a", "a..", "a..b", "\\", "a\\1", "a\\25", "a\\2x5", "a\\256", "a.\\"})
        EXPECT_EQ(to_wire(bad), none) << bad;
    EXPECT_EQ(to_wire(std::string(64, 'a')), none);
    EXPECT_EQ(to_wire(repeated("a.", 128)), none);
    EXPECT_TRUE(to_wire(repeated("a.", 127)));
    EXPECT_EQ(to_wire(std::string(1'000'000, 'a')), none);
}

TEST(dns_name, is_the_same_in_upper_and_lower_case) {
    EXPECT_EQ(dns::folded(*to_wire("A.eXample-Z_[\xc3\x84")), *to_wire("a.example-z_[\xc3\x84"));
    const std::string l63(63, 'A');  // a length is no letter
    EXPECT_EQ(dns::folded(*to_wire(l63)), *to_wire(std::string(63, 'a')));
}

}  // namespace
}  // namespace dial::test
