// The hosts file and nsswitch.conf, as text.
#include <resolve/hosts_file.hpp>
#include <support/resolvers.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace dial::test {
namespace {

using namespace std::string_view_literals;
using resolve::canonical;
using resolve::files_come_first;
using resolve::hosts_table;
using resolve::of_family;

// What `text` has about `name`; nothing where it is not there.
std::vector<boost::asio::ip::address> found(std::string_view text, std::string_view name) {
    const hosts_table table{text};
    const auto* const all = table.find(name);
    EXPECT_TRUE(!all || !all->empty()) << "a name that is there has an address";
    return all ? *all : resolve::addresses{};
}

const auto nothing = addresses({});

// --- A hosts file ---

TEST(resolve_hosts_file, names_and_their_address_stand_in_one_line) {
    constexpr auto text = "127.0.0.1 localhost\n10.0.0.7\tdb.example  db\talias\n"sv;
    for (const auto name : {"db.example", "db", "alias"}) EXPECT_EQ(found(text, name), addresses({"10.0.0.7"})) << name;
    EXPECT_EQ(found(text, "localhost"), addresses({"127.0.0.1"}));
    EXPECT_EQ(found(text, "10.0.0.7"), nothing) << "the address is no name";
    EXPECT_EQ(found(text, "example"), nothing);
    EXPECT_EQ(found(text, ""), nothing);
}

TEST(resolve_hosts_file, blanks_of_all_kinds_separate) {
    for (const auto text : {"10.0.0.7 a"sv, "  10.0.0.7 a"sv, "\t10.0.0.7\ta\t"sv, "10.0.0.7 \t \f\v a \n"sv,
             "10.0.0.7 a\r\n"sv, "\r\n10.0.0.7\ta\r\n"sv, "\n\n \n10.0.0.7 a"sv})
        EXPECT_EQ(found(text, "a"), addresses({"10.0.0.7"})) << testing::PrintToString(text);
}

TEST(resolve_hosts_file, a_comment_goes_to_the_end_of_its_line) {
    constexpr auto text = "# 10.0.0.1 a\n10.0.0.2 b # a c\n10.0.0.3 d#e\n#\n10.0.0.4 f"sv;
    EXPECT_EQ(found(text, "a"), nothing);
    EXPECT_EQ(found(text, "b"), addresses({"10.0.0.2"}));
    EXPECT_EQ(found(text, "c"), nothing);
    EXPECT_EQ(found(text, "d"), addresses({"10.0.0.3"}));
    EXPECT_EQ(found(text, "e"), nothing);
    EXPECT_EQ(found(text, "f"), addresses({"10.0.0.4"}));
}

TEST(resolve_hosts_file, a_name_in_several_lines_has_all_their_addresses_in_order_and_each_once) {
    constexpr auto text = "10.0.0.2 a b\n::2 a\n10.0.0.1 A\n10.0.0.2 a. a\n"sv;
    EXPECT_EQ(found(text, "a"), addresses({"10.0.0.2", "::2", "10.0.0.1"}));
    EXPECT_EQ(found(text, "b"), addresses({"10.0.0.2"}));
}

TEST(resolve_hosts_file, names_that_differ_in_case_or_a_dot_at_the_end_are_one) {
    constexpr auto text = "10.0.0.7 Db.EXAMPLE web.example.\n"sv;
    for (const auto name : {"db.example", "DB.example", "dB.eXample.", "WEB.example", "web.example."})
        EXPECT_EQ(found(text, name), addresses({"10.0.0.7"})) << name;
    EXPECT_EQ(found(text, "db.example.."), nothing);
}

TEST(resolve_hosts_file, a_line_that_begins_with_no_address_is_passed_over) {
    constexpr auto text =
        "10.0.0 a\n10.0.0.256 a\n0x0a000001 a\n127.1 a\n10.0.0.1:80 a\n[::1] a\n::g a\na 10.0.0.1\n10.0.0.5\n10.0.0.7 a\n"sv;
    EXPECT_EQ(found(text, "a"), addresses({"10.0.0.7"}));
    EXPECT_EQ(found(text, "10.0.0.1"), nothing);
}

TEST(resolve_hosts_file, an_ipv6_address_may_have_a_zone_by_name_and_by_number) {
    constexpr auto text = "fe80::1%lo a\nfe80::2%7 b\n2001:db8::1 c\n"sv;
    const auto a = found(text, "a"), b = found(text, "b");
    ASSERT_EQ(a.size(), 1u);
    ASSERT_EQ(b.size(), 1u);
    EXPECT_EQ(a[0].to_v6().scope_id(), 1u);
    EXPECT_EQ(a[0].to_v6().to_bytes(), boost::asio::ip::make_address_v6("fe80::1").to_bytes());
    EXPECT_EQ(b[0].to_v6().scope_id(), 7u);
    EXPECT_EQ(found(text, "c"), addresses({"2001:db8::1"}));
}

TEST(resolve_hosts_file, that_is_empty_or_no_text_at_all_has_nothing) {
    EXPECT_EQ(hosts_table{}.find("a"), nullptr);
    for (const auto text : {""sv, "\n"sv, "#"sv, "\0\0\0"sv, "\xff\xfe\n"sv, "10.0.0.7"sv, "10.0.0.7\n"sv})
        EXPECT_EQ(found(text, "a"), nothing) << testing::PrintToString(text);
    EXPECT_EQ(found("10.0.0.7 a\0b\n"sv, "a"), nothing) << "a name with a NUL in it is another one";
}

// As those that block advertisements. Quick: not by the square of the lines, nor of the addresses of a name.
TEST(resolve_hosts_file, that_is_huge_is_read_quickly) {
    std::string text;
    for (int i = 0; i != 200'000; ++i) text += "0.0.0.0 ads" + std::to_string(i) + ".example\n";
    for (int i = 0; i != 65'536; ++i)
        text += "10.1." + std::to_string(i / 256) + "." + std::to_string(i % 256) + " many\n";
    text += std::string(1'000'000, 'x') + "\n127.0.0.1 last";
    const auto begin = std::chrono::steady_clock::now();
    const hosts_table table{text};
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds{10});
    ASSERT_TRUE(table.find("ads199999.example"));
    EXPECT_EQ(*table.find("last"), addresses({"127.0.0.1"}));
    ASSERT_TRUE(table.find("many"));
    EXPECT_GE(table.find("many")->size(), 64u) << "as many as a dial takes";
}

// --- nsswitch.conf ---

TEST(resolve_hosts_file, comes_first_where_nsswitch_says_files_before_anything_else) {
    constexpr struct {
        std::string_view text;
        bool first;
    } table[] = {
        {"hosts: files dns", true},
        {"hosts:files", true},
        {"hosts:files dns", true},
        {"hosts:\tfiles\tdns\r\n", true},
        {"  hosts:  files mdns4_minimal [NOTFOUND=return] dns", true},
        {"passwd: dns\nhosts: files dns\nservices: db files\n", true},
        {"hosts: files # dns", true},
        {"hosts: files [NOTFOUND=return] dns", true},
        {"hosts: files [UNAVAIL=return] dns [TRYAGAIN=continue]", true},
        {"hosts:files[NOTFOUND=return]dns", true},
        {"hosts: files myhostname resolve [!UNAVAIL=return] dns", true},  // Fedora
        {"hosts: files dns [SUCCESS=continue] mdns", true},
        {"hosts: dns files", false},
        {"hosts:dns files", false},
        {"hosts: myhostname files", false},
        {"hosts: [NOTFOUND=return] files", false},
        {"hosts: filesystem", false},
        {"hosts: Files", false},
        // what the hosts file has is not the whole answer
        {"hosts: files [SUCCESS=continue] dns", false},
        {"hosts: files [success=merge] dns", false},
        {"hosts: files [NOTFOUND=return Success=merge] dns", false},
        {"hosts: files [!NOTFOUND=continue] dns", false},
        {"hosts: files [!unavail=continue tryagain=return] dns", false},
        {"hosts: files [!NOTFOUND=merge] dns", false},
        {"hosts: files [NOTFOUND=return] [SUCCESS=continue] dns", false},
        {"hosts: files [SUCCESS", false},
        // no such line
        {"", false},
        {"\n", false},
        {"hosts:", false},
        {"hosts:\nfiles", false},
        {"hosts: # files", false},
        {"# hosts: files", false},
        {"#hosts: files dns", false},
        {"myhosts: files", false},
        {"hostsfile: files", false},
        {"passwd: files", false},
        {"networks: files hosts: files", false},
        // of several lines, the C library takes one
        {"hosts: files\nhosts: files dns\n", true},
        {"hosts: dns\nhosts: files", false},
        {"hosts: files dns\nhosts: dns files\n", false},
    };
    for (const auto& [text, first] : table) EXPECT_EQ(files_come_first(text), first) << testing::PrintToString(text);
}

// --- What is used on both sides ---

TEST(resolve_hosts_file, the_canonical_form_of_a_name_is_lower_case_without_its_last_dot) {
    EXPECT_EQ(canonical("db.example"), "db.example");
    EXPECT_EQ(canonical("DB.Example."), "db.example");
    EXPECT_EQ(canonical("XYZ-09_[\xc3\x84"), "xyz-09_[\xc3\x84") << "nothing but ASCII letters";
    EXPECT_EQ(canonical("a.."), "a.");
    EXPECT_EQ(canonical("."), "");
    EXPECT_EQ(canonical(""), "");
}

TEST(resolve_hosts_file, the_addresses_of_a_family_keep_their_order) {
    const auto all = addresses({"127.0.0.2", "::1", "127.0.0.1", "::ffff:127.0.0.1", "fe80::1"});
    EXPECT_EQ(of_family(all, address_family::v4), addresses({"127.0.0.2", "127.0.0.1"}));
    EXPECT_EQ(of_family(all, address_family::v6), addresses({"::1", "::ffff:127.0.0.1", "fe80::1"}));
    EXPECT_EQ(of_family(all, address_family::any), all);
    EXPECT_EQ(of_family({}, address_family::v4), nothing);
}

}  // namespace
}  // namespace dial::test
