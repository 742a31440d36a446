// What the system's resolver can do but cannot be made to do: getaddrinfo(3) here is the test's own (getaddrinfo.hpp).
#include "getaddrinfo.hpp"

#include <support/resolvers.hpp>

#include <gtest/gtest.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>

#include <cerrno>
#include <memory>
#include <set>
#include <string>
#include <vector>

extern "C" int __wrap_getaddrinfo(const char* name, const char* service, const addrinfo* hints, addrinfo** list);

int __wrap_getaddrinfo(const char* name, const char*, const addrinfo* hints, addrinfo** list) {
    dial::test::script* const s = dial::test::installed;
    return s ? s->call(name, *hints, list) : EAI_FAIL;
}

namespace dial::test {
namespace {

using asio::ip::tcp;

constexpr auto at_once = 500ms;

class system_resolver_fault : public scripted_dials {};

// --- Two questions, and when the race begins ---

TEST_F(system_resolver_fault, asks_for_both_families_at_the_same_time) {
    dialer{io}.connect(at("a.test"), handler());
    ASSERT_TRUE(names.hanging(2));
    EXPECT_EQ(names.asked(), (std::multiset<script::question>{{"a.test", AF_INET6}, {"a.test", AF_INET}}));
    names.reply_to("a.test", here);
    EXPECT_EQ(finish(), success);
}

TEST_F(system_resolver_fault, asks_only_for_the_family_that_is_wanted) {
    names.reply_to_all(here);
    dialer{io, {.family = address_family::v4}}.connect(at("a.test"), handler());
    EXPECT_EQ(finish(), success);
    EXPECT_EQ(names.asked(), (std::multiset<script::question>{{"a.test", AF_INET}}));
}

TEST_F(system_resolver_fault, lets_the_race_begin_with_the_first_answer) {
    dialer{io}.connect(at("a.test"), handler());
    ASSERT_TRUE(names.hanging(2));
    names.reply_to("a.test", AF_INET, here);
    EXPECT_EQ(finish(), success);
    EXPECT_TRUE(names.hanging(1)) << "AAAA";
    const tcp_server six{"::1"};
    dialer{io}.connect("b.test:" + std::to_string(six.endpoint().port()), handler());
    ASSERT_TRUE(names.hanging(3));
    names.reply_to("b.test", AF_INET6, {.addresses = {"::1"}});
    EXPECT_EQ(finish(), success);
    EXPECT_TRUE(names.hanging(2)) << "and A";
}

TEST_F(system_resolver_fault, tells_all_addresses_in_order_with_their_zones) {
    names.reply_to("a.test", AF_INET, {.addresses = {"127.0.0.3", "127.0.0.1", "127.0.0.2"}});
    names.reply_to("a.test", AF_INET6, {.addresses = {"fe80::1%lo", "::1"}});
    std::vector<asio::ip::address> v4, v6;
    dialer d{io, {.socket = {.local_v6 = asio::ip::address_v6::loopback()}}};
    d.before_connect([&](int, const tcp::endpoint& to) -> error_code {
        (to.address().is_v4() ? v4 : v6).push_back(to.address());
        return asio::error::access_denied;
    });
    d.connect("a.test:1", handler());
    EXPECT_EQ(finish(), asio::error::access_denied);
    EXPECT_EQ(v4, addresses({"127.0.0.3", "127.0.0.1", "127.0.0.2"}));
    EXPECT_EQ(v6, addresses({"::1", "fe80::1%lo"}));
}

// --- What the user hears ---

TEST_F(system_resolver_fault, maps_every_error_of_getaddrinfo) {
    const auto system = [](int e) { return error_code{e, boost::system::system_category()}; };
    const struct {
        reply said;
        error_code heard;
    } table[] = {
        {{}, error::no_addresses},
        {{.code = EAI_NODATA}, error::no_addresses},
        {{.code = EAI_ADDRFAMILY}, error::no_addresses},
        {{.code = EAI_NONAME}, asio::error::host_not_found},
        {{.code = EAI_AGAIN}, asio::error::host_not_found_try_again},
        {{.code = EAI_INTR}, asio::error::host_not_found_try_again},
        {{.code = EAI_FAIL}, asio::error::no_recovery},
        {{.code = EAI_MEMORY}, system(ENOMEM)},
        {{.code = EAI_OVERFLOW}, asio::error::no_recovery},
        {{.code = EAI_IDN_ENCODE}, asio::error::no_recovery},
        {{.code = EAI_BADFLAGS}, asio::error::no_recovery},
        {{.code = 12345}, asio::error::no_recovery},
        {{.code = EAI_SYSTEM, .error = EMFILE}, system(EMFILE)},
        {{.code = EAI_SYSTEM, .error = EIO}, system(EIO)},
        {{.code = EAI_SYSTEM, .error = 0}, asio::error::no_recovery},  // not success
        {{.code = EAI_NONAME, .error = ENOENT}, asio::error::host_not_found},
    };
    for (const auto& [said, heard] : table) {
        names.reply_to("a.test", said);
        dialer{io}.connect("a.test:1", handler());
        EXPECT_EQ(finish(), heard) << "code " << said.code << ", errno " << said.error;
    }
}

TEST_F(system_resolver_fault, finds_a_name_that_has_only_one_family_whatever_is_said_of_the_other) {
    for (const int code : {EAI_NODATA, EAI_NONAME, EAI_ADDRFAMILY, EAI_AGAIN, EAI_FAIL, EAI_SYSTEM}) {
        names.reply_to("a.test", AF_INET6, {.code = code, .error = EIO});
        names.reply_to("a.test", AF_INET, here);
        dialer{io}.connect(at("a.test"), handler());
        EXPECT_EQ(finish(), success) << code;
    }
}

// --- Threads ---

TEST_F(system_resolver_fault, has_at_most_max_threads_and_the_others_wait_their_turn) {
    asio::cancellation_signal cancel_b;
    int calls_b = 0;
    {
        const dialer d{io, {}, system_resolver{3}};
        d.connect(at("a.test"), handler());
        d.connect(at("b.test"),
            asio::bind_cancellation_slot(cancel_b.slot(), [&](error_code, const tcp::socket&) { ++calls_b; }));
        d.connect(at("c.test"), handler());
    }
    ASSERT_TRUE(names.hanging(3));
    EXPECT_EQ(names.asked(),
        (std::multiset<script::question>{{"a.test", AF_INET6}, {"a.test", AF_INET}, {"b.test", AF_INET6}}));
    cancel_b.emit(asio::cancellation_type::total);
    run_ready(io);
    EXPECT_EQ(calls_b, 1);
    names.reply_to("a.test", here);
    ASSERT_TRUE(names.hanging(3)) << "one for b, two for c";
    EXPECT_EQ(names.asked().size(), 5u);
    EXPECT_FALSE(names.asked().contains({"b.test", AF_INET})) << "nobody waited for it any more";
    names.reply_to("c.test", here);
    run(io);
    EXPECT_EQ(calls, 2);
    EXPECT_EQ(ec, success);
}

TEST_F(system_resolver_fault, has_one_thread_where_max_threads_is_zero) {
    names.reply_to_all(here);
    dialer{io, {}, system_resolver{0}}.connect(at("a.test"), handler());
    EXPECT_EQ(finish(), success);
}

TEST_F(system_resolver_fault, blocks_signals_in_its_threads_and_nowhere_else) {
    sigset_t before, after;
    ::pthread_sigmask(SIG_BLOCK, nullptr, &before);
    dialer{io, {}, system_resolver{}}.connect(at("a.test"), cancellable_handler());
    ::pthread_sigmask(SIG_BLOCK, nullptr, &after);
    ASSERT_TRUE(names.hanging(2));
    const sigset_t inside = names.signals();
    for (const int s : {SIGINT, SIGTERM, SIGHUP, SIGALRM, SIGCHLD, SIGUSR1, SIGPIPE, SIGRTMIN}) {
        EXPECT_EQ(::sigismember(&inside, s), 1) << s;
        EXPECT_EQ(::sigismember(&after, s), ::sigismember(&before, s)) << s;
    }
    signal.emit(asio::cancellation_type::total);
    EXPECT_EQ(finish(), aborted);
}

// Stacks that no address space has room for.
TEST_F(system_resolver_fault, that_can_start_no_thread_says_try_again) {
    pthread_attr_t before, vast;
    ASSERT_EQ(::pthread_getattr_default_np(&before), 0);
    ::pthread_attr_init(&vast);
    ASSERT_EQ(::pthread_attr_setstacksize(&vast, std::size_t{1} << 46), 0);
    ASSERT_EQ(::pthread_setattr_default_np(&vast), 0);
    dialer{io, {}, system_resolver{}}.connect("a.test:1", handler());
    EXPECT_EQ(finish(), asio::error::host_not_found_try_again);
    ::pthread_setattr_default_np(&before);
    EXPECT_TRUE(names.asked().empty());
}

// --- Calls that hang ---

TEST_F(system_resolver_fault, does_not_hold_a_dial_that_is_cancelled_or_out_of_time) {
    dialer{io, {.timeout = never}}.connect("a.test:1", cancellable_handler());
    ASSERT_TRUE(names.hanging(2));
    signal.emit(asio::cancellation_type::terminal);
    EXPECT_LT(time_of([&] { EXPECT_EQ(finish(), aborted); }), at_once);
    dialer{io, {.timeout = 100ms}}.connect("b.test:1", handler());
    ASSERT_TRUE(names.hanging(4));
    EXPECT_LT(time_of([&] { EXPECT_EQ(finish(), error::timeout); }), 100ms + at_once);

    names.reply_to_all(here);  // late
    ASSERT_TRUE(names.hanging(0));
    io.restart();
    EXPECT_EQ(io.poll(), 0u);
    EXPECT_EQ(calls, 0);
}

TEST_F(system_resolver_fault, does_not_hold_an_io_context_or_a_dialer_that_is_destroyed) {
    const auto alive = std::make_shared<int>();
    const auto ignore = [alive](error_code, const tcp::socket&) { FAIL(); };
    EXPECT_LT(time_of([&] {
        asio::io_context gone;
        dialer{gone, {}, system_resolver{1}}.connect("a.test:1", ignore);  // one is asked, one waits
        dialer{gone}.connect("b.test:1", ignore);
        run_ready(gone);
        ASSERT_TRUE(names.hanging(3));
    }),
        at_once);
    EXPECT_EQ(alive.use_count(), 2);  // released, though the calls hang
    ASSERT_TRUE(names.hanging(3));
    names.reply_to_all(here);
    ASSERT_TRUE(names.hanging(0));
    EXPECT_EQ(names.asked().size(), 3u) << "the one that waited was not asked";
}

}  // namespace
}  // namespace dial::test
