// What dials remember: the handle, its lock, and which network this machine is in.
#include <dial/history.hpp>
#include <history/core.hpp>

#include <support/network.hpp>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/ip/address.hpp>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using boost::asio::ip::make_address;
using core = history::core;
using remembering::ending;
using remembering::network;

constexpr network home{1};

time_point now() {
    return std::chrono::steady_clock::now();
}

core::attempt attempt_to(const std::string& address, ending how, duration took = 80ms) {
    return {make_address(address), how, now() - took, took};
}

TEST(history, copies_share_what_is_remembered) {
    history one;
    history other = one;
    EXPECT_EQ(other.size(), 0u);
    one.shared()->remember(home, std::vector{attempt_to("198.51.100.1", ending::connected)}, now());
    EXPECT_EQ(other.size(), 1u);
    EXPECT_EQ(other.shared()->attempt_delay(home, make_address("198.51.100.2"), now()), 240ms);
    other.clear();
    EXPECT_EQ(one.size(), 0u);
}

TEST(history, remembers_as_many_prefixes_as_it_may) {
    history h{3};
    for (int i = 0; i != 10; ++i)
        h.shared()->remember(
            home, std::vector{attempt_to("198.51." + std::to_string(i) + ".1", ending::connected)}, now());
    EXPECT_EQ(h.size(), 3u);
}

TEST(history, forgets_after_ten_minutes) {
    history h;
    h.shared()->remember(home, std::vector{attempt_to("198.51.100.1", ending::connected)}, now() - 11min);
    EXPECT_EQ(h.size(), 0u);
}

TEST(history, tells_which_family_goes_second) {
    history h;
    h.shared()->remember(home,
        std::vector{attempt_to("2001:db8::1", ending::failed), attempt_to("198.51.100.1", ending::connected)}, now());
    const std::vector both{make_address("2001:db8::2"), make_address("198.51.100.2")};
    EXPECT_TRUE(h.shared()->goes_second(home, address_family::v6, both, now()));
    EXPECT_FALSE(h.shared()->goes_second(home, address_family::v4, both, now()));
    EXPECT_FALSE(h.shared()->goes_second(home, address_family::v6, {}, now()));
}

TEST(history, is_thread_safe) {
    history h{16};
    std::vector<std::thread> threads;
    std::atomic<int> seen{0};
    for (int t = 0; t != 4; ++t)
        threads.emplace_back([&, t] {
            for (int i = 0; i != 2000; ++i) {
                const auto to = make_address("198.51." + std::to_string((i * 7 + t) % 64) + ".1");
                const std::vector attempts{attempt_to(to.to_string(), i % 3 == 0 ? ending::failed : ending::connected)};
                h.shared()->remember(home, attempts, now());
                seen += h.shared()->attempt_delay(home, to, now()).has_value();
                seen += h.shared()->goes_second(home, address_family::v4, std::vector{to}, now());
                EXPECT_LE(h.size(), 16u);
                if (i % 500 == 0) h.clear();
            }
        });
    for (auto& each : threads) each.join();
    EXPECT_GT(seen, 0);
}

TEST(history, can_be_used_in_the_child_of_a_fork_while_other_threads_use_it) {
    history h;
    ASSERT_EQ(h.size(), 0u);  // from its first use on
    std::atomic<bool> stop{false};
    std::thread busy{[&] {
        while (!stop) h.shared()->remember(home, std::vector{attempt_to("198.51.100.1", ending::connected)}, now());
    }};
    for (int i = 0; i != 20; ++i) {
        const pid_t child = ::fork();
        if (child == 0) {
            ::alarm(30);  // a lock that is never released
            h.shared()->remember(home, std::vector{attempt_to("203.0.113.1", ending::connected)}, now());
            ::_exit(h.size() == 0 ? 1 : 0);
        }
        ASSERT_GT(child, 0);
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
    }
    stop = true;
    busy.join();
}

// --- Which network this is ---

TEST(history, the_network_stays_the_same_while_nothing_changes) {
    EXPECT_EQ(core::network_now(), core::network_now());
}

class history_namespace : public testing::Test {
protected:
    void SetUp() override {
        if (const std::string why = why_no_network_namespace(); !why.empty()) GTEST_SKIP() << why;
    }
};

TEST_F(history_namespace, another_address_is_another_network_and_without_it_the_first_is_back) {
    in_network_namespace([](network_namespace& n) {
        const network none = core::network_now();
        n.add_silent_link("10.1.0.1/24", "10.1.0.2");
        const network first = core::network_now();
        EXPECT_NE(first, none);
        n.ip("address add 10.1.0.9/24 dev near0");
        const network more = core::network_now();
        EXPECT_NE(more, first);
        n.ip("address add 2001:db8:1::1/64 dev near0 nodad");
        EXPECT_NE(core::network_now(), more);
        n.ip("address del 2001:db8:1::1/64 dev near0");
        EXPECT_EQ(core::network_now(), more);
        n.ip("address del 10.1.0.9/24 dev near0");
        EXPECT_EQ(core::network_now(), first);
    });
}

TEST_F(history_namespace, the_order_of_addresses_and_interfaces_says_nothing) {
    in_network_namespace([](network_namespace& n) {
        n.add_silent_link("10.1.0.1/24", "10.1.0.2");
        n.add_silent_link("10.2.0.1/24", "10.2.0.2");
        const network before = core::network_now();
        n.ip("address flush dev near0");
        n.ip("address flush dev near1");
        n.ip("address add 10.1.0.1/24 dev near1");
        n.ip("address add 10.2.0.1/24 dev near0");
        EXPECT_EQ(core::network_now(), before);
    });
}

TEST_F(history_namespace, loopback_and_link_local_addresses_say_nothing) {
    in_network_namespace([](network_namespace& n) {
        n.add_silent_link("10.1.0.1/24", "10.1.0.2");
        const network before = core::network_now();
        n.ip("address add 127.0.0.9/8 dev lo");
        n.ip("address add 10.9.9.9/32 dev lo");
        n.ip("address add fe80::77/64 dev near0 nodad");
        EXPECT_EQ(core::network_now(), before);
    });
}

TEST_F(history_namespace, an_interface_that_is_down_says_nothing) {
    in_network_namespace([](network_namespace& n) {
        n.add_silent_link("10.1.0.1/24", "10.1.0.2");
        const network before = core::network_now();
        n.add_silent_link("10.2.0.1/24", "10.2.0.2");
        EXPECT_NE(core::network_now(), before);
        n.ip("link set near1 down");
        EXPECT_EQ(core::network_now(), before);
    });
}

}  // namespace
}  // namespace dial::test
