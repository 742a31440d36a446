// Connectors: made of a function, of a dialer, of a class of one's own. What each promises, whatever is behind it.
#include <dial/connector.hpp>
#include <support/layers.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;
using handler_type = detail::connect_handler<fake_stream>;

class connector_of_a_function : public testing::Test {
protected:
    ~connector_of_a_function() override { EXPECT_EQ(fake_stream::open_now(), 0); }

    template <class Function>
    connector<fake_stream> make(Function f) {
        return {io, std::move(f)};
    }

    asio::io_context io;
    fake_network network;
    asio::cancellation_signal signal;
    connected outcome;
};

static_assert(!std::is_copy_constructible_v<fake_stream> && !std::is_default_constructible_v<fake_stream>);

// --- f may call the handler at once, from any thread ---

TEST_F(connector_of_a_function, never_completes_inside_the_call_though_f_calls_the_handler_at_once) {
    make(connects_at_once()).connect("db:1", outcome.handler());
    EXPECT_EQ(outcome.calls, 0);
    run(io);
    expect(outcome, success);
    EXPECT_EQ(outcome.peer, "db:1");
}

TEST_F(connector_of_a_function, never_completes_inside_the_call_though_it_is_made_where_the_handler_runs) {
    asio::post(io, [&] {
        make(connects_at_once()).connect("db:1", outcome.handler());
        make(fails_with(refused)).connect("db:1", outcome.handler());
        EXPECT_EQ(outcome.calls, 0);
    });
    run(io);
    EXPECT_EQ(outcome.calls, 2);
}

TEST_F(connector_of_a_function, may_have_its_handler_called_from_another_thread_before_f_returns) {
    const auto waits_for_a_thread = [](request what, handler_type handler) {
        std::thread{[&] { std::move(handler)(error_code{}, fake_stream{what.executor(), "from there"}); }}.join();
    };
    make(waits_for_a_thread).connect("db:1", outcome.handler());
    EXPECT_EQ(outcome.calls, 0);
    run(io);
    expect(outcome, success);
    EXPECT_EQ(outcome.peer, "from there");
}

TEST_F(connector_of_a_function, keeps_the_io_context_at_work_while_f_works_in_another_thread) {
    std::thread worker;
    const auto uses_a_thread = [&worker](request what, handler_type handler) {
        worker = std::thread{[what = std::move(what), handler = std::move(handler)]() mutable {
            std::this_thread::sleep_for(5ms);
            std::move(handler)(error_code{}, fake_stream{what.executor(), "from there"});
        }};
    };
    std::thread::id ran_in;
    make(uses_a_thread).connect("db:1", [&](error_code ec, fake_stream s) {
        ran_in = std::this_thread::get_id();
        outcome.handler()(ec, std::move(s));
    });
    run(io);
    expect(outcome, success);
    EXPECT_EQ(ran_in, std::this_thread::get_id());
    worker.join();
}

TEST_F(connector_of_a_function, may_have_its_handler_called_later) {
    network.connector_on(io).connect("db:1", outcome.handler());
    run_ready(io);
    EXPECT_EQ(outcome.calls, 0);
    network.end(0);
    run(io);
    expect(outcome, success);
}

TEST_F(connector_of_a_function, passes_the_error_of_f_as_it_is) {
    const error_code strange{4711, boost::system::generic_category()};
    make(fails_with(strange)).connect("db:1", outcome.handler());
    run(io);
    expect(outcome, strange);
}

TEST_F(connector_of_a_function, that_throws_throws_from_connect_and_the_handler_is_never_called) {
    const auto throws = [](request, handler_type) { throw std::runtime_error{"f's"}; };
    report story;
    EXPECT_THROW(make(throws).connect({"db:1", &story, clock::now() + 5ms}, outcome.handler()), std::runtime_error);
    run(io);
    EXPECT_EQ(outcome.calls, 0);
}

TEST_F(connector_of_a_function, gives_f_the_request_with_an_executor) {
    const time_point deadline = clock::now() + 1h;
    network.connector_on(io).connect({"db:1", nullptr, deadline}, outcome.handler());
    EXPECT_EQ(network.target(0), "db:1");
    EXPECT_EQ(network[0].what.deadline(), deadline);
    EXPECT_EQ(network[0].what.executor(), asio::any_io_executor{io.get_executor()});
    network.end(0);
    run(io);
}

// --- The deadline ---

TEST_F(connector_of_a_function, keeps_the_deadline_though_f_knows_nothing_of_it) {
    network.told = fake_network::when_told::nothing;
    const auto begun = clock::now();
    network.connector_on(io).connect({"db:1", nullptr, begun + 5ms}, outcome.handler());
    run(io);
    expect(outcome, error::timeout);
    EXPECT_GE(clock::now(), begun + 5ms);
    EXPECT_LT(clock::now(), begun + 5s);
    EXPECT_EQ(network[0].told, std::vector{asio::cancellation_type::terminal});
}

TEST_F(connector_of_a_function, times_out_though_f_says_so_with_another_word_when_it_is_told_to_stop) {
    for (const auto when : {fake_network::when_told::ends_soon, fake_network::when_told::ends_at_once}) {
        connected each;
        network.told = when;
        network.connector_on(io).connect({"db:1", nullptr, clock::now() + 5ms}, each.handler());
        run(io);
        expect(each, error::timeout);
    }
}

TEST_F(connector_of_a_function, leaves_it_to_f_to_keep_the_deadline) {
    // A little late, but with more to say than dial knows.
    const auto keeps_it = [](request what, handler_type handler) {
        auto timer = std::make_unique<asio::steady_timer>(what.executor(), what.deadline().value() + 1ms);
        auto& t = *timer;
        t.async_wait([timer = std::move(timer), what, h = std::move(handler)](error_code) mutable {
            what.report()->begin("db:1", clock::now());
            what.report()->on_event({.when = clock::now(), .phase = "greeting"});
            what.report()->end(asio::error::timed_out, clock::now());
            std::move(h)(asio::error::timed_out, fake_stream{what.executor()});
        });
    };
    report story;
    make(keeps_it).connect({"db:1", &story, clock::now() + 5ms}, outcome.handler());
    run(io);
    expect(outcome, asio::error::timed_out);
    EXPECT_EQ(phases_of(story), "greeting");
}

TEST_F(connector_of_a_function, times_out_at_once_when_the_deadline_has_passed_and_f_is_not_called) {
    network.connector_on(io).connect({"db:1", nullptr, clock::now()}, outcome.handler());
    EXPECT_EQ(outcome.calls, 0);
    run_ready(io);
    expect(outcome, error::timeout);
    EXPECT_EQ(network.asked(), 0u);
}

TEST_F(connector_of_a_function, closes_what_f_brings_after_the_deadline) {
    network.told = fake_network::when_told::nothing;
    network.connector_on(io).connect({"db:1", nullptr, clock::now() + 5ms}, outcome.handler());
    run(io);
    expect(outcome, error::timeout);
    network.end(0);
    EXPECT_EQ(fake_stream::open_now(), 0);
    run(io);
    EXPECT_EQ(outcome.calls, 1);
}

// --- Cancellation ---

class connector_cancellation : public connector_of_a_function,
                               public testing::WithParamInterface<asio::cancellation_type> {};

INSTANTIATE_TEST_SUITE_P(each, connector_cancellation,
    testing::Values(
        asio::cancellation_type::terminal, asio::cancellation_type::partial, asio::cancellation_type::total),
    [](const auto& kind) { return name_of(kind.param); });

TEST_P(connector_cancellation, reaches_f_through_the_slot_of_its_handler) {
    network.connector_on(io).connect("db:1", outcome.handler(signal));
    signal.emit(GetParam());
    EXPECT_EQ(network[0].told, std::vector{GetParam()});
    EXPECT_EQ(outcome.calls, 0) << "never inside emit";
    run(io);
    expect(outcome, aborted);
}

TEST_P(connector_cancellation, is_kept_though_f_knows_nothing_of_it) {
    network.connector_on(io).connect("db:1", outcome.handler(signal));
    network.told = fake_network::when_told::nothing;
    run_ready(io);
    const auto begun = clock::now();
    signal.emit(GetParam());
    run(io);
    expect(outcome, aborted);
    EXPECT_GE(clock::now(), begun + 20ms);
    EXPECT_LT(clock::now(), begun + 5s);
    network.end(0);
    EXPECT_EQ(fake_stream::open_now(), 0) << "what it brings after that is closed";
    run(io);
    EXPECT_EQ(outcome.calls, 1);
}

TEST_P(connector_cancellation, never_completes_inside_emit_though_f_calls_its_handler_there) {
    network.told = fake_network::when_told::ends_at_once;
    asio::post(io, [&] {
        network.connector_on(io).connect("db:1", outcome.handler(signal));
        signal.emit(GetParam());
        EXPECT_EQ(outcome.calls, 0);
    });
    run(io);
    expect(outcome, aborted);
}

TEST_P(connector_cancellation, lets_f_bring_a_stream_in_the_time_that_it_has) {
    network.told = fake_network::when_told::nothing;
    network.connector_on(io).connect("db:1", outcome.handler(signal));
    signal.emit(GetParam());
    network.end(0);
    run(io);
    expect(outcome, success);
}

TEST_P(connector_cancellation, that_f_asks_for_itself_reaches_it_after_it_has_returned) {
    const auto cancels = [&](request what, handler_type handler) {
        signal.emit(GetParam());
        network.connect()(std::move(what), std::move(handler));
        EXPECT_TRUE(network[0].told.empty());
    };
    make(cancels).connect("db:1", outcome.handler(signal));
    EXPECT_EQ(network[0].told, std::vector{GetParam()});
    run(io);
    expect(outcome, aborted);
}

TEST_P(connector_cancellation, comes_too_late_once_f_has_called_its_handler) {
    make(connects_at_once()).connect("db:1", outcome.handler(signal));
    signal.emit(GetParam());
    run(io);
    expect(outcome, success);
    signal.emit(GetParam());  // and after the handler, nothing
}

TEST_P(connector_cancellation, before_the_deadline_is_cancellation) {
    network.told = fake_network::when_told::nothing;
    network.connector_on(io).connect({"db:1", nullptr, clock::now() + 5ms}, outcome.handler(signal));
    signal.emit(GetParam());
    run(io);
    expect(outcome, aborted);
}

TEST_F(connector_of_a_function, may_be_cancelled_from_another_thread_while_f_is_called) {
    const auto waits = [&](request what, handler_type handler) {
        network.connect()(std::move(what), std::move(handler));
        std::thread{[&] { signal.emit(asio::cancellation_type::terminal); }}.join();
    };
    make(waits).connect("db:1", outcome.handler(signal));
    EXPECT_EQ(network[0].told.size(), 1u);
    run(io);
    expect(outcome, aborted);
}

// --- The report ---

TEST_F(connector_of_a_function, gives_f_no_report_when_the_caller_wants_none) {
    network.connector_on(io).connect("db:1", outcome.handler());
    EXPECT_EQ(network[0].what.report(), nullptr);
    network.end(0);
    run(io);
}

TEST_F(connector_of_a_function, fills_the_report_though_f_leaves_it_alone) {
    report good, bad, late;
    make(connects_at_once()).connect({"db:1", &good}, outcome.handler());
    make(fails_with(refused)).connect({"db:2", &bad}, outcome.handler());
    network.connector_on(io).connect({"db:3", &late, clock::now() + 5ms}, outcome.handler());
    run(io);
    EXPECT_TRUE(good.ok());
    EXPECT_EQ(good.target(), "db:1");
    EXPECT_TRUE(bad.over());
    EXPECT_EQ(bad.target(), "db:2");
    EXPECT_EQ(bad.error(), refused);
    EXPECT_EQ(bad.failed_phase(), nullptr);
    EXPECT_EQ(late.error(), error::timeout);
    EXPECT_GE(late.total(), 1ms);
}

TEST_F(connector_of_a_function, puts_what_f_reports_into_the_callers_report) {
    report story;
    network.connector_on(io).connect({"db:1", &story}, outcome.handler());
    report* const inside = network[0].what.report();
    ASSERT_NE(inside, nullptr);
    inside->begin("db:1", clock::now());
    inside->on_event({.when = clock::now(), .phase = "greeting"});
    inside->on_event(
        {.ended = true, .when = clock::now(), .how = dial::outcome::failed, .error = refused, .phase = "greeting"});
    inside->end(refused, clock::now());
    network.end(0, refused);
    run(io);
    EXPECT_EQ(phases_of(story), "greeting");
    ASSERT_NE(story.failed_phase(), nullptr);
    EXPECT_EQ(story.failed_phase()->name, "greeting");
    EXPECT_EQ(story.failed_phase()->error, refused);
}

TEST_F(connector_of_a_function, leaves_the_callers_report_alone_after_the_handler) {
    network.told = fake_network::when_told::nothing;
    auto story = std::make_unique<report>();
    network.connector_on(io).connect({"db:1", story.get(), clock::now() + 5ms}, outcome.handler());
    report* const inside = network[0].what.report();
    run(io);
    expect(outcome, error::timeout);
    story.reset();
    inside->begin("db:1", clock::now());  // f's own lives for as long as its handler
    inside->on_event({.when = clock::now(), .phase = "greeting"});
    network.end(0);
}

TEST_F(connector_of_a_function, writes_the_report_once_right_before_the_handler) {
    asio::io_context handlers;
    report story;
    story.begin("before", clock::now());
    bool written = false;
    make(connects_at_once())
        .connect({"db:1", &story},
            asio::bind_executor(asio::any_completion_executor{handlers.get_executor()},
                [&](error_code, fake_stream) { written = story.target() == "db:1"; }));
    run(io);
    EXPECT_EQ(story.target(), "before") << "not before the handler's own executor runs it";
    run(handlers);
    EXPECT_TRUE(written);
}

// --- Streams ---

TEST_F(connector_of_a_function, makes_unconnected_streams_of_the_executor_without_a_maker) {
    const auto c = make(fails_with(refused));
    EXPECT_FALSE(c.unconnected().is_open());
    EXPECT_EQ(c.unconnected().get_executor(), asio::any_io_executor{io.get_executor()});
}

TEST_F(connector_of_a_function, makes_unconnected_streams_as_it_is_told) {
    struct named {
        std::string name;
        std::unique_ptr<int> move_only = {};
    };
    const auto never_ends_well = [](request, detail::connect_handler<named> handler) {
        std::move(handler)(refused, named{"f's own"});
    };
    int made = 0;
    const asio::any_io_executor executor = io.get_executor();
    const connector<named> of_nothing{
        io, never_ends_well, [&] { return named{"of nothing " + std::to_string(++made)}; }};
    const connector<named> of_the_executor{executor, never_ends_well, [&](const asio::any_io_executor& e) {
                                               EXPECT_EQ(e, executor);
                                               return named{"of the executor"};
                                           }};
    EXPECT_EQ(of_nothing.unconnected().name, "of nothing 1");
    EXPECT_EQ(of_the_executor.unconnected().name, "of the executor");

    int calls = 0;
    of_nothing.connect({"db:1", nullptr, clock::now()}, [&](error_code ec, named n) {
        ++calls;
        EXPECT_EQ(ec, error::timeout);
        EXPECT_EQ(n.name, "of nothing 2");
    });
    of_the_executor.connect({"db:1", nullptr, clock::now()}, [&](error_code ec, named n) {
        ++calls;
        EXPECT_EQ(ec, error::timeout);
        EXPECT_EQ(n.name, "of the executor");
    });
    of_the_executor.connect("db:1", [&](error_code ec, named n) {
        ++calls;
        EXPECT_EQ(ec, refused);
        EXPECT_EQ(n.name, "of the executor") << "every failure carries one";
    });
    run(io);
    EXPECT_EQ(calls, 3);
}

TEST_F(connector_of_a_function, closes_a_stream_that_f_brings_with_an_error) {
    const auto half_open = [](request what, handler_type handler) {
        std::move(handler)(refused, fake_stream{what.executor(), "half open"});
    };
    make(half_open).connect("db:1", [&](error_code ec, fake_stream s) {
        EXPECT_EQ(fake_stream::open_now(), 0);
        outcome.handler()(ec, std::move(s));
    });
    run(io);
    expect(outcome, refused);
    EXPECT_EQ(outcome.executor, asio::any_io_executor{io.get_executor()});
}

// --- Executors ---

TEST_F(connector_of_a_function, has_the_stream_live_on_the_requests_executor_and_runs_the_handler_there) {
    asio::io_context other;
    request what{"db:1"};
    what.executor(other.get_executor());
    bool ran_there = false;
    make(connects_at_once()).connect(what, [&](error_code ec, fake_stream s) {
        ran_there = other.get_executor().running_in_this_thread();
        outcome.handler()(ec, std::move(s));
    });
    run(io);
    EXPECT_EQ(outcome.calls, 0);
    run(other);
    expect(outcome, success);
    EXPECT_TRUE(ran_there);
    EXPECT_EQ(outcome.executor, asio::any_io_executor{other.get_executor()});
}

TEST_F(connector_of_a_function, has_the_stream_live_on_the_handlers_executor) {
    const auto strand = asio::make_strand(io);
    const auto handler = [&] {
        return asio::bind_executor(strand, [&](error_code ec, fake_stream s) {
            EXPECT_TRUE(strand.running_in_this_thread());
            EXPECT_EQ(s.get_executor(), asio::any_io_executor{strand});
            outcome.handler()(ec, std::move(s));
        });
    };
    make(connects_at_once()).connect("db:1", handler());
    make(fails_with(refused)).connect("db:1", handler());
    make(fails_with(refused)).connect({"db:1", nullptr, clock::now()}, handler());
    run(io);
    EXPECT_EQ(outcome.calls, 3);
}

TEST_F(connector_of_a_function, runs_the_handler_on_its_own_executor_though_the_stream_lives_on_the_requests) {
    asio::io_context streams, handlers;
    request what{"db:1"};
    what.executor(streams.get_executor());
    bool ran_there = false;
    make(connects_at_once()).connect(what, asio::bind_executor(handlers, [&](error_code ec, fake_stream s) {
        ran_there = handlers.get_executor().running_in_this_thread();
        outcome.handler()(ec, std::move(s));
    }));
    std::thread thread{[&] { run(handlers); }};  // it is at work until the handler was called
    run(streams);
    thread.join();
    expect(outcome, success);
    EXPECT_TRUE(ran_there);
    EXPECT_EQ(outcome.executor, asio::any_io_executor{streams.get_executor()});
}

TEST_F(connector_of_a_function, has_the_stream_live_on_its_own_executor_if_the_handlers_cannot_run_sockets) {
    asio::io_context handlers;
    const asio::any_completion_executor elsewhere = handlers.get_executor();
    make(connects_at_once()).connect("db:1", asio::bind_executor(elsewhere, [&](error_code ec, fake_stream s) {
        EXPECT_TRUE(handlers.get_executor().running_in_this_thread());
        outcome.handler()(ec, std::move(s));
    }));
    std::thread thread{[&] { run(handlers); }};
    run(io);
    thread.join();
    expect(outcome, success);
    EXPECT_EQ(outcome.executor, asio::any_io_executor{io.get_executor()});
}

// --- Tokens ---

TEST_F(connector_of_a_function, can_be_awaited_in_every_form) {
    const auto c = make(connects_at_once());
    const auto bad = make(fails_with(refused));
    int ended = 0;
    asio::co_spawn(
        io,
        [&]() -> asio::awaitable<void> {
            report story;
            fake_stream a = co_await c.connect("db:1");
            ended += a.is_open();
            fake_stream b = co_await c.connect({"db:2", &story, clock::now() + 5s});
            ended += b.is_open() && story.ok();
            fake_stream d = co_await c.connect("db:3", asio::use_awaitable);
            ended += d.is_open();
            fake_stream e = co_await c.connect("db:4", asio::deferred);
            ended += e.is_open();
            auto [ec, f] = co_await c.connect("db:5", asio::as_tuple(asio::deferred));
            ended += !ec && f.is_open();
            auto [ec2, g] = co_await bad.connect("db:6", asio::as_tuple(asio::use_awaitable));
            ended += ec2 == refused && !g.is_open();
            try {
                co_await bad.connect("db:7");
            } catch (const boost::system::system_error& failure) {
                ended += failure.code() == refused;
            }
            EXPECT_EQ(a.get_executor(), asio::any_io_executor{io.get_executor()});
        },
        [](std::exception_ptr failure) {
            if (failure) std::rethrow_exception(failure);
        });
    run(io);
    EXPECT_EQ(ended, 7);
}

TEST_F(connector_of_a_function, can_be_a_future) {
    auto future = make(connects_at_once()).connect("db:1", asio::use_future);
    auto failing = make(fails_with(refused)).connect("db:1", asio::use_future);
    EXPECT_EQ(future.wait_for(0s), std::future_status::timeout);
    run(io);
    EXPECT_TRUE(future.get().is_open());
    EXPECT_THROW(failing.get(), boost::system::system_error);
}

TEST_F(connector_of_a_function, takes_handlers_that_are_move_only) {
    make(connects_at_once()).connect("db:1", [&, guard = std::make_unique<int>()](error_code ec, fake_stream s) {
        outcome.handler()(ec, std::move(s));
    });
    run(io);
    expect(outcome, success);
}

TEST_F(connector_of_a_function, whose_handler_throws_throws_from_run) {
    make(connects_at_once()).connect("db:1", [](error_code, fake_stream) {
        throw std::runtime_error{"the handler's"};
    });
    EXPECT_THROW(run(io), std::runtime_error);
    run(io);
}

// --- Made of other things ---

TEST(connector_of, a_dialer_connects_and_reports_as_the_dialer_does) {
    asio::io_context io;
    const tcp_server server;
    const std::string to = "127.0.0.1:" + std::to_string(server.endpoint().port());
    const connector c = dialer{io};
    static_assert(std::is_same_v<decltype(c), const connector<asio::ip::tcp::socket>>);
    EXPECT_EQ(c.get_executor(), asio::any_io_executor{io.get_executor()});
    EXPECT_FALSE(c.unconnected().is_open());
    report story;
    int calls = 0;
    c.connect({to, &story}, [&](error_code ec, asio::ip::tcp::socket s) {
        ++calls;
        EXPECT_EQ(ec, success);
        EXPECT_TRUE(is_connected(s.native_handle()));
        EXPECT_EQ(s.get_executor(), asio::any_io_executor{io.get_executor()});
    });
    EXPECT_EQ(calls, 0);
    run(io);
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(phases_of(story), "race");
    EXPECT_NE(story.winner(), nullptr);
}

TEST(connector_of, a_local_dialer_connects_as_the_dialer_does) {
    asio::io_context io;
    const unix_server server;
    const std::string path = server.endpoint().path();
    const connector c = local_dialer{io};
    static_assert(std::is_same_v<decltype(c), const connector<asio::local::stream_protocol::socket>>);
    EXPECT_FALSE(c.unconnected().is_open());
    int calls = 0;
    c.connect("unix:@" + path.substr(1), [&](error_code ec, asio::local::stream_protocol::socket s) {
        ++calls;
        EXPECT_EQ(ec, success);
        EXPECT_TRUE(s.is_open());
    });
    run(io);
    EXPECT_EQ(calls, 1);
}

// Knows nothing of deadlines, cancellation and reports.
struct connects_by_itself {
    using stream_type = fake_stream;

    asio::any_io_executor executor;
    std::string peer = "by itself";

    asio::any_io_executor get_executor() const { return executor; }
    template <class Handler>
    void connect(request what, Handler&& handler) const {
        std::forward<Handler>(handler)(error_code{}, fake_stream{what.executor(), peer});
    }
};

TEST(connector_of, a_class_of_ones_own_keeps_the_promises_all_the_same) {
    asio::io_context io;
    const connector c = connects_by_itself{io.get_executor()};
    static_assert(std::is_same_v<decltype(c), const connector<fake_stream>>);
    EXPECT_EQ(c.get_executor(), asio::any_io_executor{io.get_executor()});
    report story;
    connected outcome, late;
    c.connect({"db:1", &story}, outcome.handler());
    c.connect({"db:1", nullptr, clock::now()}, late.handler());
    EXPECT_EQ(outcome.calls, 0);
    run(io);
    expect(outcome, success);
    expect(late, error::timeout);
    EXPECT_EQ(outcome.peer, "by itself");
    EXPECT_TRUE(story.ok());
}

TEST(connector_of, another_connector_is_the_same_connector) {
    asio::io_context io;
    int made = 0;
    const auto counts = [made](request what, handler_type handler) mutable {
        std::move(handler)(error_code{}, fake_stream{what.executor(), std::to_string(++made)});
    };
    const connector<fake_stream> first{io, counts};
    const connector<fake_stream> second = first;  // NOLINT(performance-unnecessary-copy-initialization)
    connected one, two;
    first.connect("db:1", one.handler());
    second.connect("db:1", two.handler());
    run(io);
    EXPECT_EQ(one.peer, "1");
    EXPECT_EQ(two.peer, "2");
}

TEST(connector_of, a_connector_that_is_gone_leaves_its_connects_alone) {
    asio::io_context io;
    fake_network network;
    connected outcome;
    std::make_unique<connector<fake_stream>>(io, network.connect())->connect("db:1", outcome.handler());
    run_ready(io);
    network.end(0);
    run(io);
    expect(outcome, success);
}

// --- The end of the io_context ---

TEST(connector_destruction, of_the_io_context_releases_what_is_pending) {
    const auto alive = std::make_shared<int>();
    {
        asio::io_context other, io;
        // f keeps its handler where Asio keeps handlers, and a stream with it.
        const connector<fake_stream> c{io, [](request what, handler_type handler) {
                                           auto timer = std::make_unique<asio::steady_timer>(what.executor(), 1h);
                                           auto& t = *timer;
                                           t.async_wait(
                                               [timer = std::move(timer), handler = std::move(handler),
                                                   s = fake_stream{what.executor(), "half open"}](error_code) {});
                                       }};
        asio::cancellation_signal signal;
        std::vector<std::unique_ptr<report>> stories;
        for (int i = 0; i != 100; ++i) {
            report* const story = stories.emplace_back(std::make_unique<report>()).get();
            const auto handler = [alive](error_code, fake_stream) { FAIL(); };
            c.connect("db:1", handler);
            c.connect({"db:1", story, clock::now() + 1h}, handler);
            c.connect("db:1", asio::bind_executor(asio::any_completion_executor{other.get_executor()}, handler));
            c.connect({"db:1", nullptr, clock::now()}, handler);
        }
        c.connect("db:1", asio::bind_cancellation_slot(signal.slot(), [alive](error_code, fake_stream) { FAIL(); }));
        signal.emit(asio::cancellation_type::terminal);  // its timer runs
        EXPECT_EQ(alive.use_count(), 1 + 4 * 100 + 1);
        EXPECT_EQ(fake_stream::open_now(), 3 * 100 + 1);
    }
    EXPECT_EQ(alive.use_count(), 1);
    EXPECT_EQ(fake_stream::open_now(), 0);
}

TEST(connector_destruction, of_the_handler_by_f_releases_the_callers) {
    asio::io_context io;
    const auto alive = std::make_shared<int>();
    const connector<fake_stream> c{io, [](request, handler_type) {}};
    c.connect("db:1", [alive](error_code, fake_stream) { FAIL(); });
    EXPECT_EQ(alive.use_count(), 1);
    run(io);
}

// --- Threads ---

TEST(connector_threads, one_connector_serves_several_io_contexts_and_threads) {
    asio::thread_pool pool{3};
    asio::io_context one, two;
    std::atomic<int> asked = 0, ended = 0;
    const connector<fake_stream> c{pool, [&asked](request what, handler_type handler) {
                                       if (asked++ % 2 == 0) {
                                           auto executor = what.executor();
                                           return asio::post(executor, [what, h = std::move(handler)]() mutable {
                                               std::move(h)(error_code{}, fake_stream{what.executor(), "later"});
                                           });
                                       }
                                       std::move(handler)(error_code{}, fake_stream{what.executor(), "at once"});
                                   }};
    const auto session = [&]() -> asio::awaitable<void> {
        for (int i = 0; i != 200; ++i) {
            report story;
            const fake_stream s = co_await c.connect({"db:1", &story, clock::now() + 1h});
            if (s.is_open() && story.ok()) ++ended;
        }
    };
    for (int i = 0; i != 4; ++i) {
        asio::co_spawn(pool, session(), asio::detached);  // no strand: any thread of the pool
        asio::co_spawn(asio::make_strand(pool), session(), asio::detached);
        asio::co_spawn(one, session(), asio::detached);
        asio::co_spawn(two, session(), asio::detached);
    }
    std::vector<std::thread> threads;
    for (asio::io_context* io : {&one, &one, &two}) threads.emplace_back([io] { io->run(); });
    for (std::thread& t : threads) t.join();
    pool.join();
    EXPECT_EQ(ended, 4 * 4 * 200);
    EXPECT_EQ(asked, 4 * 4 * 200);
    EXPECT_EQ(fake_stream::open_now(), 0);
}

TEST(connector_threads, cancelling_while_another_thread_completes_is_safe) {
    asio::thread_pool pool{4};
    const connector<fake_stream> c{pool, [](request what, handler_type handler) {
                                       auto executor = what.executor();
                                       asio::post(executor, [what, h = std::move(handler)]() mutable {
                                           std::move(h)(error_code{}, fake_stream{what.executor(), "later"});
                                       });
                                   }};
    constexpr int connects = 2000;
    std::atomic<int> calls = 0;
    std::vector<std::unique_ptr<asio::cancellation_signal>> signals;
    for (int i = 0; i != connects; ++i) {
        auto& signal = *signals.emplace_back(std::make_unique<asio::cancellation_signal>());
        c.connect("db:1", asio::bind_cancellation_slot(signal.slot(), [&](error_code ec, fake_stream s) {
            ++calls;
            EXPECT_EQ(s.is_open(), !ec);
        }));
        asio::post(pool, [&signal] { signal.emit(asio::cancellation_type::terminal); });
    }
    pool.join();
    EXPECT_EQ(calls, connects);
    EXPECT_EQ(fake_stream::open_now(), 0);
}

}  // namespace
}  // namespace dial::test
