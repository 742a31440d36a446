// What a resolver of one's own may do, and what a dial makes of it.
#include <dial/dialer.hpp>
#include <support/loopback.hpp>
#include <support/resolvers.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>

#include <gtest/gtest.h>

#include <array>
#include <barrier>
#include <functional>
#include <latch>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;

constexpr auto v4 = address_family::v4, v6 = address_family::v6;
const error_code try_again = asio::error::host_not_found_try_again;

// Does what a function says, inside start().
class calling_resolver : public resolver_base {
public:
    explicit calling_resolver(std::function<void(const lookup&, answer_handler)> f) : f_{std::move(f)} {}
    void start(const lookup& question, answer_handler done) override { f_(question, std::move(done)); }

private:
    std::function<void(const lookup&, answer_handler)> f_;
};

class resolver : public testing::Test {
protected:
    auto handler() {
        return [this](error_code e, tcp::socket s) {
            ++calls;
            ec = e;
            if (s.is_open()) peer = s.remote_endpoint();
        };
    }
    void start(dial::resolver from, options with = {}) {
        calls = 0;
        dialer{io, with, std::move(from)}.connect({at_server(), &story}, handler());
        EXPECT_EQ(calls, 0) << "called inside the initiating call";
    }
    error_code finish() {
        run(io);
        EXPECT_EQ(calls, 1);
        return ec;
    }
    error_code dial_with(dial::resolver from, options with = {}) {
        start(std::move(from), with);
        return finish();
    }
    std::string at_server(const std::string& host = "name") const {
        return host + ":" + std::to_string(server.endpoint().port());
    }

    manual_resolver names;
    asio::io_context io;
    tcp_server server;
    report story;
    int calls = 0;
    error_code ec;
    tcp::endpoint peer;
};

const answer none = addresses({}), here = addresses({"127.0.0.1"});

// --- When it answers ---

TEST_F(resolver, may_answer_inside_start) {
    class fixed : public resolver_base {  // the example of resolver_base
        void start(const lookup&, answer_handler done) override {
            done(std::vector{asio::ip::make_address("127.0.0.1")});
        }
    };
    EXPECT_EQ(dial_with(fixed{}), success);
    EXPECT_EQ(peer, server.endpoint());
    EXPECT_EQ(dial_with(std::make_shared<fixed>()), success);
    EXPECT_EQ(dial_with(static_resolver({{"name", {asio::ip::make_address("127.0.0.1")}}})), success);
    EXPECT_EQ(dial_with(static_resolver({{"x", addresses({"::1"})}, {"NAME.", addresses({"127.0.0.1"})}})), success);
    EXPECT_EQ(dial_with(static_resolver({})), asio::error::host_not_found);
}

TEST_F(resolver, is_asked_for_ipv6_and_ipv4_at_once_with_the_name_as_written) {
    std::vector<std::pair<std::string, address_family>> asked;
    dialer{io, {}, calling_resolver{[&](const lookup& question, answer_handler done) {
               asked.emplace_back(question.name(), question.family());
               done(here);
           }}}
        .connect(at_server("Name.Example."), handler());
    EXPECT_EQ(finish(), success);
    EXPECT_EQ(asked, (decltype(asked){{"Name.Example.", v6}, {"Name.Example.", v4}}));
}

TEST_F(resolver, may_answer_later_in_any_order_and_the_race_begins_with_the_first) {
    for (const bool v4_first : {true, false}) {
        start(names, {.resolution_delay = 0ns});
        run_ready(io);
        names.answer_next(v4_first ? v4 : v6, v4_first ? here : none);
        if (!v4_first) names.answer_next(v4, here);
        EXPECT_EQ(finish(), success);
        EXPECT_EQ(names.answer_next(v6, none), v4_first) << "the race did not wait for it";
    }
}

TEST_F(resolver, may_answer_both_families_on_two_threads_at_the_same_time) {
    for (int i = 0; i != 200; ++i) {
        start(names);
        std::barrier together{3};
        std::thread first{[&] {
            together.arrive_and_wait();
            names.answer_next(v6, none);
        }};
        std::thread second{[&] {
            together.arrive_and_wait();
            names.answer_next(v4, here);
        }};
        together.arrive_and_wait();
        EXPECT_EQ(finish(), success);
        first.join();
        second.join();
        close_by_reset(server.accept().get());
    }
}

TEST_F(resolver, may_answer_on_another_thread_while_start_has_not_returned) {
    std::vector<std::thread> threads;
    EXPECT_EQ(dial_with(calling_resolver{[&](const lookup&, answer_handler done) {
        std::latch begun{1};
        threads.emplace_back([&begun, d = std::move(done)]() mutable {
            begun.count_down();
            d(here);
        });
        begun.wait();
    }}),
        success);
    for (auto& t : threads) t.join();
}

// --- When it does not ---

TEST_F(resolver, that_drops_the_question_has_failed) {
    EXPECT_EQ(dial_with(calling_resolver{[](const lookup&, const answer_handler&) {}}), try_again);
    ASSERT_EQ(story.lookups().size(), 2u);
    EXPECT_EQ(story.lookups()[0].how, dial::outcome::failed);
    EXPECT_EQ(story.lookups()[0].error, try_again);

    start(names);
    run_ready(io);
    names.drop_next(v6);
    names.drop_next(v4);
    EXPECT_EQ(finish(), try_again);

    start(names);
    run_ready(io);
    names.drop_next(v6);
    names.answer_next(v4, here);
    EXPECT_EQ(finish(), success) << "the other family is there";
}

TEST_F(resolver, that_overwrites_a_question_has_dropped_it) {
    std::optional<answer_handler> kept;
    start(calling_resolver{[&](const lookup&, answer_handler done) {
        if (kept)
            *kept = std::move(done);
        else
            kept.emplace(std::move(done));
    }});
    EXPECT_TRUE(kept->wanted());
    kept = std::move(*&kept);  // to itself: nothing happens
    EXPECT_TRUE(kept->wanted());
    (*kept)(none);
    EXPECT_EQ(finish(), try_again);
}

TEST_F(resolver, that_answers_twice_is_heard_once) {
    EXPECT_EQ(dial_with(calling_resolver{[](const lookup&, answer_handler done) {
        done(here);
        EXPECT_FALSE(done.wanted());
        done(error_code{asio::error::no_recovery});
        answer_handler moved = std::move(done);
        moved(none);
        EXPECT_FALSE(moved.wanted());
    }}),
        success);
    ASSERT_EQ(story.lookups().size(), 2u);
    for (const auto& l : story.lookups()) EXPECT_EQ(l.how, dial::outcome::done);
}

// --- When nobody waits any more ---

TEST_F(resolver, is_told_whether_its_answer_is_wanted) {
    asio::cancellation_signal signal;
    const dialer d{io, {.timeout = never}, names};
    d.connect(at_server(), asio::bind_cancellation_slot(signal.slot(), handler()));
    EXPECT_TRUE(names.wanted(v6));
    EXPECT_TRUE(names.wanted(v4));
    signal.emit(asio::cancellation_type::terminal);
    EXPECT_FALSE(names.wanted(v6)) << "cancelled, and io_context::run is not even running";
    EXPECT_FALSE(names.wanted(v4));
    EXPECT_EQ(finish(), aborted);

    while (names.drop_next(v6) && names.drop_next(v4)) {}
    EXPECT_EQ(dial_with(names, {.timeout = 1ms}), error::timeout);
    EXPECT_FALSE(names.wanted(v6));
    EXPECT_FALSE(names.wanted(v4));

    while (names.drop_next(v6) && names.drop_next(v4)) {}
    start(names, {.resolution_delay = 0ns});
    names.answer_next(v4, here);
    EXPECT_TRUE(names.wanted(v6));
    EXPECT_EQ(finish(), success);
    EXPECT_FALSE(names.wanted(v6)) << "connected without it";
}

TEST_F(resolver, may_answer_when_the_dial_is_over_and_nothing_happens) {
    EXPECT_EQ(dial_with(names, {.timeout = 1ms}), error::timeout);
    EXPECT_TRUE(names.answer_next(v6, none));
    EXPECT_TRUE(names.answer_next(v4, here));
    io.restart();
    EXPECT_EQ(io.poll(), 0u);
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(server.accept_all(), 0u);
}

TEST_F(resolver, whose_answer_is_on_its_way_when_the_dial_is_cancelled_is_not_heard) {
    asio::cancellation_signal signal;
    dialer{io, {}, names}.connect({at_server(), &story}, asio::bind_cancellation_slot(signal.slot(), handler()));
    names.answer_next(v6, none);
    names.answer_next(v4, here);
    signal.emit(asio::cancellation_type::terminal);
    EXPECT_EQ(finish(), aborted);
    ASSERT_EQ(story.lookups().size(), 2u);
    EXPECT_EQ(story.lookups()[1].how, dial::outcome::cancelled);
    EXPECT_EQ(server.accept_all(), 0u);
}

TEST_F(resolver, may_answer_when_the_io_context_is_gone_and_nothing_happens) {
    const auto alive = std::make_shared<int>();
    {
        asio::io_context gone;
        dialer{gone, {}, names}.connect(at_server(), [alive](error_code, tcp::socket) { FAIL(); });
        run_ready(gone);
        EXPECT_EQ(alive.use_count(), 2);
    }
    EXPECT_EQ(alive.use_count(), 1) << "released, though the resolver still has the questions";
    EXPECT_FALSE(names.wanted(v6));
    EXPECT_TRUE(names.answer_next(v6, here));
    EXPECT_TRUE(names.drop_next(v4));
}

TEST_F(resolver, may_answer_while_the_io_context_goes_away) {
    const auto alive = std::make_shared<int>();
    for (int i = 0; i != 200; ++i) {
        std::optional<asio::io_context> going{std::in_place};
        for (int j = 0; j != 5; ++j)
            dialer{*going, {}, names}.connect(at_server(), [alive](error_code, tcp::socket) {});
        std::barrier together{2};
        std::thread answering{[&] {
            together.arrive_and_wait();
            while (names.answer_next(v6, none) && names.answer_next(v4, here)) {}
        }};
        together.arrive_and_wait();
        if (i % 2) going->poll();
        going.reset();
        answering.join();
    }
    EXPECT_EQ(alive.use_count(), 1);
    server.accept_all();
}

// A resolver that dials itself: the inner dial's handler owns the outer dial's question. The strand is younger than the
// outer dial, so that the io_context takes it away first, and the inner dial with it as it is answered.
TEST_F(resolver, may_lose_its_questions_to_an_io_context_that_goes_away) {
    const auto alive = std::make_shared<int>();
    {
        asio::io_context gone;
        std::vector<answer_handler> outer;
        dialer{
            gone, {}, calling_resolver{[&](const lookup&, answer_handler done) { outer.push_back(std::move(done)); }}}
            .connect(at_server(), [alive](error_code, tcp::socket) { FAIL(); });
        const auto strand = asio::make_strand(gone);
        dialer{strand, {.timeout = never, .family = v6}, calling_resolver{[&](const lookup&, answer_handler done) {
                   asio::post(strand, [d = std::move(done)]() mutable { d(here); });
               }}}
            .connect(at_server(), [questions = std::move(outer)](error_code, const tcp::socket&) { FAIL(); });
    }
    EXPECT_EQ(alive.use_count(), 1);
}

TEST_F(resolver, is_not_heard_by_a_dial_that_begins_while_its_io_context_goes_away) {
    const auto alive = std::make_shared<int>();
    struct dials_when_it_goes {
        std::function<void()> dial;
        explicit dials_when_it_goes(std::function<void()> f) : dial{std::move(f)} {}
        dials_when_it_goes(dials_when_it_goes&& other) noexcept : dial{std::exchange(other.dial, {})} {}
        ~dials_when_it_goes() {
            if (dial) dial();
        }
        void operator()(error_code, const tcp::socket&) const { FAIL(); }
    };
    {
        auto goes = std::make_unique<asio::io_context>();
        const dialer d{*goes, {}, names};
        d.connect(
            "name:1", dials_when_it_goes{[&] { d.connect("late:1", [alive](error_code, tcp::socket) { FAIL(); }); }});
        run_ready(*goes);
        goes.reset();
    }
    EXPECT_EQ(names.asked(), 4u);
    EXPECT_EQ(alive.use_count(), 1);
    while (names.answer_next(v6, here) && names.answer_next(v4, here)) {}
}

// --- Work, for an io_context that has nothing else to do ---

TEST_F(resolver, that_is_asked_keeps_the_io_context_running) {
    start(names, {.timeout = never});
    run_ready(io);
    EXPECT_FALSE(io.stopped()) << "without a timer, the lookups are all there is";
    names.answer_next(v6, none);
    run_ready(io);
    EXPECT_FALSE(io.stopped());
    std::thread later{[&] {
        while (!names.wanted(v4)) std::this_thread::yield();
        names.answer_next(v4, here);
    }};
    EXPECT_EQ(finish(), success);
    later.join();
    EXPECT_TRUE(io.stopped());
}

// Work that drops to zero outside of run() stops an io_context: run() would return at once.
TEST_F(resolver, whose_answers_are_not_waited_for_any_more_leaves_the_handler_to_the_next_run) {
    asio::cancellation_signal signal;
    dialer{io, {.timeout = never}, names}.connect(at_server(), asio::bind_cancellation_slot(signal.slot(), handler()));
    io.poll();
    signal.emit(asio::cancellation_type::terminal);
    EXPECT_FALSE(io.stopped());
    io.run_for(30s);  // without restart()
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(ec, aborted);
}

TEST_F(resolver, that_answers_while_run_is_not_running_leaves_the_handler_to_the_next_run) {
    start(names, {.timeout = never});
    io.poll();
    names.answer_next(v6, none);
    names.answer_next(v4, here);
    EXPECT_FALSE(io.stopped());
    io.run_for(30s);  // without restart()
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(ec, success);
}

// --- What it answers ---

TEST_F(resolver, is_not_believed_about_another_family_nor_about_the_same_address_twice) {
    const answer mixed = addresses({"127.0.0.2", "::1", "::1", "127.0.0.3", "127.0.0.2", "::1"});
    const auto tried = [&](options with) {
        std::vector<asio::ip::address> all;
        dialer d{io, with, calling_resolver{[&](const lookup&, answer_handler done) { done(mixed); }}};
        d.before_connect([&](int, const tcp::endpoint& to) -> error_code {
            all.push_back(to.address());
            return asio::error::access_denied;
        });
        d.connect(at_server(), handler());
        EXPECT_EQ(finish(), asio::error::access_denied);
        calls = 0;
        return all;
    };
    EXPECT_EQ(tried({}), addresses({"::1", "127.0.0.2", "127.0.0.3"}));
    EXPECT_EQ(tried({.family = v6}), addresses({"::1"}));
    EXPECT_EQ(tried({.family = v4}), addresses({"127.0.0.2", "127.0.0.3"}));
}

TEST_F(resolver, is_believed_about_64_addresses_of_a_family) {
    std::vector<asio::ip::address> many_v4, many_v6;
    for (unsigned i = 1; i <= 500; ++i) {
        many_v4.emplace_back(asio::ip::address_v4{0x7f01'0000 + i});
        many_v6.emplace_back(asio::ip::address_v6{asio::ip::address_v6::loopback().to_bytes(), i});
    }
    std::size_t tried_v4 = 0, tried_v6 = 0;
    dialer d{io, {}, calling_resolver{[&](const lookup& question, answer_handler done) {
                 done(question.family() == v4 ? many_v4 : many_v6);
             }}};
    d.before_connect([&](int, const tcp::endpoint& to) -> error_code {
        ++(to.address().is_v4() ? tried_v4 : tried_v6);
        return asio::error::access_denied;
    });
    d.connect({at_server(), &story}, handler());
    EXPECT_EQ(finish(), asio::error::access_denied);
    EXPECT_EQ(tried_v4, 64u);
    EXPECT_EQ(tried_v6, 64u);
    EXPECT_EQ(story.attempts().size(), 128u);
}

// --- What it is never asked ---

TEST_F(resolver, is_never_asked_for_localhost_and_literals) {
    const dialer d{io, {}, names};
    for (const char* host : {"localhost", "LocalHost.", "x.localhost", "a.b.LOCALHOST.", "127.0.0.1"}) {
        calls = 0;
        d.connect(at_server(host), handler());
        EXPECT_EQ(finish(), success) << host;
        EXPECT_EQ(peer, server.endpoint());
    }
    const tcp_server six{"::1"};
    calls = 0;
    d.connect("[::1]:" + std::to_string(six.endpoint().port()), handler());
    EXPECT_EQ(finish(), success);
    EXPECT_EQ(names.asked(), 0u);
    calls = 0;
    d.connect(at_server("localhost.example"), handler());
    EXPECT_EQ(names.asked(), 2u);
    names.answer_next(v6, none);
    names.answer_next(v4, here);
    EXPECT_EQ(finish(), success);
}

TEST_F(resolver, is_not_asked_for_the_port_of_a_service) {
    const struct {
        const char* service;
        unsigned short port;
    } known[] = {{"http", 80}, {"https", 443}, {"ssh", 22}, {"domain", 53}};
    dialer d{io, {}, names};
    tcp::endpoint to;
    d.before_connect([&](int, const tcp::endpoint& p) -> error_code {
        to = p;
        return asio::error::access_denied;
    });
    for (const auto& [service, port] : known) {
        calls = 0;
        d.connect({std::string{"127.0.0.1:"} + service, &story}, handler());
        EXPECT_EQ(finish(), asio::error::access_denied);
        EXPECT_EQ(to.port(), port) << service;
        ASSERT_EQ(story.lookups().size(), 1u);
        EXPECT_EQ(story.lookups()[0].family, address_family::any);
    }
    calls = 0;
    d.connect("name:http", handler());
    std::thread later{[&] {
        while (!names.answer_next(v6, none) || !names.answer_next(v4, here)) std::this_thread::yield();
    }};
    EXPECT_EQ(finish(), asio::error::access_denied);
    later.join();
    EXPECT_EQ(to.port(), 80);
    EXPECT_EQ(names.asked(), 2u) << "once the port is known";
}

TEST_F(resolver, is_not_asked_where_nobody_knows_the_service) {
    dialer{io, {}, names}.connect({"name:no-such-service", &story}, handler());
    EXPECT_EQ(finish(), asio::error::service_not_found);
    EXPECT_EQ(names.asked(), 0u);
    ASSERT_EQ(story.lookups().size(), 1u);
    EXPECT_EQ(story.lookups()[0].error, asio::error::service_not_found);
}

}  // namespace
}  // namespace dial::test
