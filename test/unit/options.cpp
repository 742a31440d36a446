#include <dial/connect.hpp>
#include <dial/options.hpp>

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

namespace {

using namespace std::chrono_literals;
using dial::interface_name;

TEST(options, every_aggregate_is_trivially_destructible) {
    // g++ 12 destroys an aggregate temporary inside a co_await expression twice.
    EXPECT_TRUE(std::is_trivially_destructible_v<dial::connect_options>);
    EXPECT_TRUE(std::is_trivially_destructible_v<dial::socket_options>);
    EXPECT_TRUE(std::is_trivially_destructible_v<dial::keep_alive>);
    EXPECT_TRUE(std::is_trivially_destructible_v<dial::port_range>);
    EXPECT_TRUE(std::is_trivially_destructible_v<interface_name>);
    EXPECT_TRUE(std::is_aggregate_v<dial::connect_options>);
    EXPECT_TRUE(std::is_aggregate_v<dial::socket_options>);
    EXPECT_TRUE(std::is_aggregate_v<dial::keep_alive>);
    EXPECT_TRUE(std::is_aggregate_v<dial::port_range>);
}

TEST(options, the_defaults_are_those_that_work) {
    const dial::connect_options options;
    EXPECT_EQ(options.timeout, dial::never);
    EXPECT_TRUE(options.socket.no_delay);
    EXPECT_EQ(options.socket.keep_alive, (dial::keep_alive{15s, 15s, 9}));
    EXPECT_FALSE(options.socket.user_timeout);
    EXPECT_FALSE(options.socket.syn_count);
    EXPECT_FALSE(options.socket.receive_buffer);
    EXPECT_FALSE(options.socket.send_buffer);
    EXPECT_FALSE(options.socket.mark);
    EXPECT_FALSE(options.socket.traffic_class);
    EXPECT_FALSE(options.socket.local_v4);
    EXPECT_FALSE(options.socket.local_v6);
    EXPECT_FALSE(options.socket.local_ports);
    EXPECT_TRUE(options.socket.interface.empty());
    EXPECT_FALSE(options.socket.multipath);
    EXPECT_FALSE(options.socket.fast_open);
}

TEST(options, are_written_by_name) {
    const dial::connect_options options{.timeout = 5s, .socket = {.syn_count = 2, .interface = "eth0"}};
    EXPECT_EQ(options.timeout, 5s);
    EXPECT_EQ(options.socket.syn_count, 2);
    EXPECT_EQ(options.socket.interface.view(), "eth0");
    EXPECT_TRUE(options.socket.no_delay);
}

TEST(options, keep_alive_can_be_left_out) {
    const dial::socket_options options{.keep_alive = std::nullopt};
    EXPECT_FALSE(options.keep_alive);
}

TEST(options, equal_values_are_equal) {
    EXPECT_EQ((dial::port_range{1, 2}), (dial::port_range{1, 2}));
    EXPECT_NE((dial::port_range{1, 2}), (dial::port_range{1, 3}));
    EXPECT_EQ(dial::keep_alive{}, dial::keep_alive{});
    EXPECT_NE(dial::keep_alive{}, dial::keep_alive{.count = 3});
    EXPECT_EQ(interface_name{"lo"}, interface_name{std::string_view{"lo"}});
    EXPECT_NE(interface_name{"lo"}, interface_name{"lo0"});
    EXPECT_NE(interface_name{"lo"}, interface_name{});
}

TEST(options, an_interface_name_has_up_to_15_characters) {
    const std::string longest(15, 'x');
    EXPECT_EQ(interface_name{longest}.view(), longest);
    EXPECT_STREQ(interface_name{longest}.c_str(), longest.c_str());
    EXPECT_FALSE(interface_name{longest}.empty());
    EXPECT_THROW(interface_name{std::string(16, 'x')}, std::invalid_argument);
    EXPECT_THROW(interface_name{std::string(4096, 'x')}, std::invalid_argument);
}

TEST(options, an_interface_name_has_no_nul_in_it) {
    EXPECT_THROW((interface_name{std::string_view{"lo\0x", 4}}), std::invalid_argument);
    EXPECT_THROW((interface_name{std::string_view{"\0", 1}}), std::invalid_argument);
    EXPECT_THROW((interface_name{std::string_view{"lo\0", 3}}), std::invalid_argument);
}

TEST(options, an_interface_name_that_throws_names_the_flaw) {
    try {
        interface_name{"sixteen-letters!"};
        FAIL() << "16 characters were taken";
    } catch (const std::invalid_argument& e) {
        EXPECT_NE(std::string_view{e.what()}.find("at most 15"), std::string_view::npos);
    }
}

TEST(options, an_empty_interface_name_means_any) {
    EXPECT_TRUE(interface_name{}.empty());
    EXPECT_TRUE(interface_name{""}.empty());
    EXPECT_EQ(interface_name{""}, interface_name{});
    EXPECT_EQ(interface_name{}.view(), "");
}

TEST(options, an_interface_name_is_known_at_compile_time) {
    constexpr interface_name name{"eth0"};
    static_assert(name.view() == "eth0");
}

}  // namespace
