// Which errors a retry may cure.
#include <dial/retry_options.hpp>

#include <boost/asio/error.hpp>

#include <gtest/gtest.h>

#include <cerrno>
#include <set>
#include <string>

namespace dial {
namespace {

namespace asio = boost::asio;

// As the categories of asio::ssl, whose headers need OpenSSL. The destructor of the base is not virtual, on purpose.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wnon-virtual-dtor"
struct named_category final : boost::system::error_category {
    explicit named_category(const char* name) : name_{name} {}
    const char* name() const noexcept override { return name_; }
    std::string message(int) const override { return name_; }

    const char* name_;
};
#pragma GCC diagnostic pop

void expect_of(const boost::system::error_category& category, const std::set<int>& passing, int first, int last) {
    for (int code = first; code <= last; ++code)
        EXPECT_EQ(retryable(error_code{code, category}), passing.contains(code)) << category.name() << ' ' << code;
}

TEST(retryable, of_the_system_what_servers_networks_and_shortages_say) {
    const std::set<int> passing{ECONNREFUSED, ECONNRESET, ECONNABORTED, EPIPE, ETIMEDOUT, EHOSTUNREACH, EHOSTDOWN,
        ENETUNREACH, ENETDOWN, ENONET, ENOENT, EAGAIN, EADDRNOTAVAIL, EMFILE, ENFILE, ENOBUFS, ENOMEM};
    expect_of(boost::system::system_category(), passing, -1, 200);
    expect_of(boost::system::generic_category(), passing, -1, 200);
}

TEST(retryable, not_what_only_the_user_can_change) {
    for (const int code : {EACCES, EPERM, EINVAL, EADDRINUSE, EAFNOSUPPORT, EPROTOTYPE, ENODEV, ENOTSOCK, EISCONN})
        EXPECT_FALSE(retryable(error_code{code, boost::system::system_category()})) << code;
}

TEST(retryable, not_cancellation_and_not_success) {
    EXPECT_FALSE(retryable(asio::error::operation_aborted));
    EXPECT_FALSE(retryable(error_code{}));
}

TEST(retryable, of_dials_own_a_timeout_and_a_proxy_that_hung_up) {
    expect_of(dial_category(),
        {static_cast<int>(error::timeout), static_cast<int>(error::proxy_closed), static_cast<int>(error::pool_full),
            static_cast<int>(error::pool_unreachable), static_cast<int>(error::too_many_waiters)},
        -1, 50);
}

TEST(retryable, of_names_only_try_again) {
    EXPECT_TRUE(retryable(asio::error::host_not_found_try_again));
    EXPECT_FALSE(retryable(asio::error::host_not_found));
    EXPECT_FALSE(retryable(asio::error::no_data));
    EXPECT_FALSE(retryable(asio::error::no_recovery));
    EXPECT_FALSE(retryable(asio::error::service_not_found));
    EXPECT_FALSE(retryable(asio::error::socket_type_not_supported));
}

TEST(retryable, of_streams_their_end_before_its_time) {
    EXPECT_TRUE(retryable(asio::error::eof));
    EXPECT_FALSE(retryable(asio::error::already_open));
    EXPECT_FALSE(retryable(asio::error::not_found));
    const named_category stream{"asio.ssl.stream"}, tls{"asio.ssl"};
    EXPECT_TRUE(retryable(error_code{1, stream}));
    EXPECT_FALSE(retryable(error_code{2, stream}));
    EXPECT_FALSE(retryable(error_code{1, tls})) << "certificates";
}

TEST(retryable, of_socks5_what_is_about_the_way_to_the_target) {
    expect_of(socks5_category(), {1, 3, 4, 5, 6}, -1, 256);
}

TEST(retryable, of_socks4_that_it_was_rejected_or_failed) {
    expect_of(socks4_category(), {91}, -1, 256);
}

TEST(retryable, of_http_what_says_later) {
    expect_of(http_category(), {408, 429, 500, 502, 503, 504}, -1, 1000);
}

TEST(retryable, is_what_options_go_by_by_default) {
    EXPECT_TRUE(retry_options().when()(asio::error::connection_refused));
    EXPECT_FALSE(retry_options().when()(asio::error::host_not_found));
    EXPECT_FALSE(retry_options().when({}).when()(asio::error::host_not_found)) << "an empty function is that too";
    const auto all = retry_options().when([](const error_code&) { return true; });
    EXPECT_TRUE(all.when()(asio::error::host_not_found));
}

}  // namespace
}  // namespace dial
