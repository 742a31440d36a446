#include <dial/error.hpp>

#include <gtest/gtest.h>
#include <boost/asio/error.hpp>
#include <boost/system/errc.hpp>

#include <string>
#include <system_error>

namespace {

constexpr dial::error every_error[] = {dial::error::timeout, dial::error::no_addresses, dial::error::invalid_target,
    dial::error::invalid_option, dial::error::proxy_authentication_required, dial::error::proxy_authentication_failed,
    dial::error::proxy_protocol, dial::error::proxy_closed, dial::error::proxy_unsupported, dial::error::breaker_open,
    dial::error::pool_full, dial::error::pool_unreachable, dial::error::pool_closed, dial::error::too_many_waiters,
    dial::error::prepare_failed};

TEST(error, converts_to_error_code_by_itself) {
    const dial::error_code ec = dial::error::timeout;
    EXPECT_EQ(ec.category(), dial::dial_category());
    EXPECT_EQ(ec.value(), static_cast<int>(dial::error::timeout));
    EXPECT_EQ(ec, dial::error::timeout);
}

TEST(error, no_code_reads_as_success) {
    EXPECT_EQ(static_cast<int>(dial::error::timeout), 1);
    for (const dial::error e : every_error) {
        const dial::error_code ec = e;
        EXPECT_TRUE(ec.failed());
        EXPECT_TRUE(ec) << ec.value();
        EXPECT_GE(ec.value(), 1);
    }
}

TEST(error, the_category_is_one_object_named_dial) {
    EXPECT_STREQ(dial::dial_category().name(), "dial");
    EXPECT_EQ(&dial::dial_category(), &dial::dial_category());
}

TEST(error, codes_print_as_dial_and_their_number) {
    EXPECT_EQ(dial::error_code{dial::error::timeout}.to_string(), "dial:1");
}

TEST(error, each_message_says_what_to_look_at) {
    const auto message = [](dial::error e) { return dial::error_code{e}.message(); };
    EXPECT_NE(message(dial::error::timeout).find("within the time limit"), std::string::npos);
    EXPECT_NE(message(dial::error::no_addresses).find("no address that can be tried"), std::string::npos);
    EXPECT_NE(message(dial::error::invalid_target).find("check how it is written"), std::string::npos);
}

TEST(error, each_message_is_its_own) {
    for (const dial::error a : every_error)
        for (const dial::error b : every_error)
            EXPECT_EQ(a == b, dial::error_code{a}.message() == dial::error_code{b}.message());
}

TEST(error, an_https_proxy_is_told_where_to_go) {
    EXPECT_NE(
        dial::error_code{dial::error::proxy_unsupported}.message().find("http_tunnel(tls(...))"), std::string::npos);
}

TEST(error, an_invalid_option_is_an_invalid_argument) {
    EXPECT_EQ(dial::error_code{dial::error::invalid_option}, std::errc::invalid_argument);
}

TEST(error, replies_of_socks5_proxies_about_the_target_equal_conditions) {
    const auto reply = [](int value) { return dial::error_code{value, dial::socks5_category()}; };
    EXPECT_EQ(reply(3), std::errc::network_unreachable);
    EXPECT_EQ(reply(4), std::errc::host_unreachable);
    EXPECT_EQ(reply(5), std::errc::connection_refused);
    EXPECT_EQ(reply(6), std::errc::timed_out);
    for (const int value : {1, 2, 7, 8, 9, 255}) {
        EXPECT_TRUE(reply(value).failed());
        EXPECT_NE(reply(value), std::errc::connection_refused);
        EXPECT_NE(reply(value).message().find("SOCKS5 reply " + std::to_string(value)), std::string::npos);
    }
    EXPECT_NE(reply(5), boost::asio::error::connection_refused) << "that would be the proxy's";
}

TEST(error, every_reply_of_socks4_proxies_is_a_failure_zero_included) {
    for (const int value : {0, 91, 92, 93, 255}) {
        const dial::error_code ec{value, dial::socks4_category()};
        EXPECT_TRUE(ec.failed());
        EXPECT_NE(ec.message().find("SOCKS4 reply " + std::to_string(value)), std::string::npos);
    }
}

TEST(error, statuses_of_http_proxies_have_their_number) {
    EXPECT_EQ((dial::error_code{504, dial::http_category()}), std::errc::timed_out);
    for (const int value : {101, 400, 403, 404, 405, 429, 500, 502, 503, 504, 599}) {
        const dial::error_code ec{value, dial::http_category()};
        EXPECT_NE(ec.message().find("HTTP status " + std::to_string(value)), std::string::npos);
    }
}

TEST(error, the_categories_of_proxies_have_names) {
    EXPECT_STREQ(dial::socks5_category().name(), "dial.socks5");
    EXPECT_STREQ(dial::socks4_category().name(), "dial.socks4");
    EXPECT_STREQ(dial::http_category().name(), "dial.http");
}

TEST(error, timeout_equals_the_timed_out_that_people_know) {
    const dial::error_code ec = dial::error::timeout;
    EXPECT_EQ(ec, std::errc::timed_out);
    EXPECT_EQ(ec, boost::system::errc::timed_out);
    EXPECT_EQ(static_cast<std::error_code>(ec), std::errc::timed_out);
}

TEST(error, timeout_is_neither_the_callers_cancellation_nor_the_kernels_own_timeout) {
    const dial::error_code ec = dial::error::timeout;
    EXPECT_NE(ec, boost::asio::error::operation_aborted);
    EXPECT_NE(ec, std::errc::operation_canceled);
    EXPECT_NE(ec, dial::error_code(ETIMEDOUT, boost::system::system_category()));
}

TEST(error, the_kernels_timeout_equals_the_same_condition) {
    EXPECT_EQ(dial::error_code(ETIMEDOUT, boost::system::system_category()), boost::system::errc::timed_out);
}

TEST(error, only_what_ran_out_of_time_equals_timed_out) {
    for (const dial::error e : every_error)
        EXPECT_EQ(dial::error_code{e} == std::errc::timed_out,
            e == dial::error::timeout || e == dial::error::pool_full || e == dial::error::pool_unreachable);
}

TEST(error, invalid_target_equals_invalid_argument) {
    EXPECT_EQ(dial::error_code{dial::error::invalid_target}, std::errc::invalid_argument);
}

TEST(error, a_number_that_is_no_code_is_called_unknown) {
    for (const int unknown : {-1, 0, 4711}) {
        const dial::error_code ec{unknown, dial::dial_category()};
        EXPECT_NE(ec.message().find("unknown"), std::string::npos);
        EXPECT_NE(ec, std::errc::timed_out);
        EXPECT_EQ(ec.default_error_condition().category(), dial::dial_category());
    }
}

}  // namespace
