// All layers around one connector, in every order: what has to get through them, inwards and outwards.
#include <dial/breaker.hpp>
#include <dial/failover.hpp>
#include <dial/limit.hpp>
#include <dial/retry.hpp>
#include <dial/timeout.hpp>
#include <support/layers.hpp>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;
using handler_type = detail::connect_handler<fake_stream>;
using any = connector<fake_stream>;

struct layer {
    const char* name;
    any (*around)(any);
};

const std::array layers{
    layer{"timeout", [](any next) { return timeout(std::move(next), 1h); }},
    layer{"retry",
        [](any next) {
            return retry(
                std::move(next), retry_options().attempts(3).base(duration::zero()).budget(retry_budget::unlimited()));
        }},
    layer{"limit", [](any next) { return limit(std::move(next), 1); }},
    layer{"breaker", [](any next) { return breaker(std::move(next)); }},
    layer{"failover", [](any next) { return failover(std::move(next), {"one:1"}); }},
};

// Calls `check` with all layers around `inside`, in each of the 120 orders.
void in_every_order(const any& inside, const std::function<void(const any&)>& check) {
    std::array<std::size_t, layers.size()> order{0, 1, 2, 3, 4};
    do {
        any all = inside;
        std::string names;
        for (const std::size_t each : order) {
            all = layers[each].around(std::move(all));
            names = layers[each].name + ("(" + names) + ")";
        }
        const testing::ScopedTrace trace{__FILE__, __LINE__, names};
        check(all);
    } while (std::next_permutation(order.begin(), order.end()));
}

class connector_layers : public testing::Test {
protected:
    ~connector_layers() override { EXPECT_EQ(fake_stream::open_now(), 0); }

    const fake_network::call& newest() const { return network[network.asked() - 1]; }
    void end_newest(error_code ec = {}) { network.end(network.asked() - 1, ec); }

    asio::io_context io;
    fake_network network;
    any inside = network.connector_on(io);
};

// --- Inwards ---

TEST_F(connector_layers, let_the_deadline_reach_the_innermost) {
    in_every_order(inside, [&](const any& c) {
        const time_point deadline = clock::now() + 1min;
        connected each;
        c.connect({"db:1", nullptr, deadline}, each.handler());
        run_ready(io);
        EXPECT_EQ(newest().what.deadline(), deadline);
        end_newest();
        run(io);
        expect(each, success);
    });
}

TEST_F(connector_layers, let_a_deadline_that_has_passed_be_a_timeout_at_once) {
    in_every_order(inside, [&](const any& c) {
        connected each;
        c.connect({"db:1", nullptr, clock::now()}, each.handler());
        EXPECT_EQ(each.calls, 0);
        run_ready(io);
        expect(each, error::timeout);
    });
    EXPECT_EQ(network.asked(), 0u);
}

TEST_F(connector_layers, let_cancellation_of_each_kind_reach_the_innermost) {
    in_every_order(inside, [&](const any& c) {
        for (const auto kind :
            {asio::cancellation_type::terminal, asio::cancellation_type::partial, asio::cancellation_type::total}) {
            for (const auto told : {fake_network::when_told::ends_soon, fake_network::when_told::ends_at_once}) {
                network.told = told;
                connected each;
                asio::cancellation_signal signal;
                c.connect("db:1", each.handler(signal));
                run_ready(io);
                signal.emit(kind);
                EXPECT_EQ(newest().told, std::vector{kind});
                EXPECT_EQ(each.calls, 0) << "never inside emit";
                run(io);
                expect(each, aborted);
            }
        }
    });
}

TEST_F(connector_layers, keep_cancellation_for_one_that_does_not_listen) {
    network.told = fake_network::when_told::nothing;
    std::vector<std::pair<std::unique_ptr<asio::cancellation_signal>, std::unique_ptr<connected>>> all;
    in_every_order(inside, [&](const any& c) {
        auto& [signal, each] =
            all.emplace_back(std::make_unique<asio::cancellation_signal>(), std::make_unique<connected>());
        c.connect("db:1", each->handler(*signal));
    });
    run_ready(io);
    for (const auto& [signal, each] : all) signal->emit(asio::cancellation_type::terminal);
    run(io);
    for (const auto& [signal, each] : all) expect(*each, aborted);
    for (std::size_t i = 0; i != network.asked(); ++i) network.end(i);
}

TEST_F(connector_layers, let_the_innermost_know_where_the_stream_is_to_live) {
    const auto strand = asio::make_strand(io);
    in_every_order(inside, [&](const any& c) {
        connected each;
        c.connect("db:1", asio::bind_executor(strand, [&](error_code ec, fake_stream s) {
            EXPECT_TRUE(strand.running_in_this_thread());
            each.handler()(ec, std::move(s));
        }));
        run_ready(io);
        EXPECT_EQ(newest().what.executor(), asio::any_io_executor{strand});
        end_newest();
        run(io);
        expect(each, success);
        EXPECT_EQ(each.executor, asio::any_io_executor{strand});
    });
}

// --- Outwards ---

TEST_F(connector_layers, never_complete_inside_the_call) {
    in_every_order(any{io, connects_at_once()}, [&](const any& c) {
        connected each;
        asio::post(io, [&] {
            c.connect("db:1", each.handler());
            EXPECT_EQ(each.calls, 0);
        });
        run(io);
        expect(each, success);
        EXPECT_EQ(each.peer, "one:1");
    });
}

TEST_F(connector_layers, pass_an_error_untouched) {
    const error_code strange{4711, boost::system::generic_category()};
    in_every_order(any{io, fails_with(strange)}, [&](const any& c) {
        connected each;
        report story;
        c.connect({"db:1", &story}, each.handler());
        run(io);
        expect(each, strange);
        EXPECT_EQ(story.error(), strange);
        EXPECT_EQ(each.executor, asio::any_io_executor{io.get_executor()});
    });
}

TEST_F(connector_layers, have_the_executor_and_the_unconnected_streams_of_the_innermost) {
    in_every_order(inside, [&](const any& c) {
        EXPECT_EQ(c.get_executor(), inside.get_executor());
        EXPECT_FALSE(c.unconnected().is_open());
        EXPECT_EQ(c.unconnected().get_executor(), inside.get_executor());
    });
}

// --- The report ---

TEST_F(connector_layers, have_their_phases_and_those_of_the_innermost_in_the_report) {
    int tries = 0;
    const any greets{io, [&](request what, handler_type handler) {
                         const error_code ec = ++tries % 2 == 1 ? refused : success;
                         if (report* const story = what.report()) {
                             story->begin(what.to().to_string(), clock::now());
                             story->on_event({.when = clock::now(), .phase = "greeting"});
                             story->on_event({.ended = true,
                                 .when = clock::now(),
                                 .how = ec ? dial::outcome::failed : dial::outcome::done,
                                 .error = ec,
                                 .phase = "greeting"});
                             story->end(ec, clock::now());
                         }
                         std::move(handler)(ec, fake_stream{what.executor(), what.to().to_string()});
                     }};
    in_every_order(greets, [&](const any& c) {
        tries = 0;
        connected alone, first, second;
        report story;
        c.connect({"db:1", &story}, alone.handler());
        run(io);
        expect(alone, success);
        EXPECT_EQ(phases_of(story), "greeting backoff greeting");
        c.connect("db:1", first.handler());
        c.connect({"db:1", &story}, second.handler());  // waits for the first
        bool ok = false;
        c.connect({"db:1", &story}, [&](error_code, fake_stream) { ok = story.ok(); });
        run(io);
        EXPECT_TRUE(ok);
        EXPECT_EQ(story.target(), "db:1");
        const std::string phases = phases_of(story);
        for (const char* const name : {"wait", "greeting"})
            EXPECT_NE(phases.find(name), std::string::npos) << name << " is not in " << phases;
        for (const report::phase& each : story.phases())
            EXPECT_EQ(each.name == "greeting" ? each.target : "one:1", "one:1");
        EXPECT_EQ(story.failed_phase(), nullptr);
        EXPECT_GE(story.total(), duration::zero());
        for (const report::phase& each : story.phases()) {
            EXPECT_GE(each.started, duration::zero());
            EXPECT_LE(each.ended, story.total());
        }
    });
}

TEST_F(connector_layers, tell_of_each_other) {
    int tries = 0;
    const any fails{io, fails_at_first(1000, refused, tries)};
    const auto open = breaker(fails, breaker_options(2).open_for(1h));
    const auto c = limit(
        failover(
            timeout(
                retry(open, retry_options().attempts(10).base(duration::zero()).budget(retry_budget::unlimited())), 1h),
            {"one:1", "two:1"}),
        1);
    connected first, second;
    report story;
    c.connect("db:1", first.handler());
    c.connect({"db:1", &story}, second.handler());
    run(io);
    EXPECT_EQ(tries, 4) << "two of each server";
    expect(first, error::breaker_open);
    expect(second, error::breaker_open);
    EXPECT_EQ(phases_of(story), "wait breaker breaker");
    EXPECT_EQ(story.phases()[1].target, "one:1");
    EXPECT_EQ(story.phases()[2].target, "two:1");
    ASSERT_NE(story.failed_phase(), nullptr);
    EXPECT_EQ(story.failed_phase()->error, error::breaker_open);
}

TEST_F(connector_layers, write_the_report_right_before_the_handler_and_never_after) {
    in_every_order(any{io, connects_at_once()}, [&](const any& c) {
        asio::io_context handlers;
        auto story = std::make_unique<report>();
        story->begin("before", clock::now());
        bool written = false;
        c.connect({"db:1", story.get()},
            asio::bind_executor(asio::any_completion_executor{handlers.get_executor()}, [&](error_code, fake_stream) {
                written = story->ok() && story->target() == "db:1";
                story.reset();
            }));
        run(io);
        EXPECT_EQ(story->target(), "before");
        run(handlers);
        EXPECT_TRUE(written);
        run(io);
    });
}

// --- The end ---

TEST(connector_layers_destruction, of_the_io_context_releases_everything) {
    const auto alive = std::make_shared<int>();
    {
        asio::io_context io;
        const any silent{io, [](request what, handler_type handler) {
                             auto timer = std::make_unique<asio::steady_timer>(what.executor(), 1h);
                             auto& t = *timer;
                             t.async_wait([timer = std::move(timer), h = std::move(handler),
                                              half_open = fake_stream{what.executor(), "x"}](error_code) {});
                         }};
        std::vector<any> kept;
        std::vector<std::unique_ptr<report>> stories;
        in_every_order(silent, [&](const any& c) {
            kept.push_back(c);
            for (int i = 0; i != 3; ++i) {  // one runs, two wait
                report* const story = stories.emplace_back(std::make_unique<report>()).get();
                c.connect({"db:1", story, clock::now() + 1h}, [alive](error_code, fake_stream) { FAIL(); });
            }
        });
        run_ready(io);
        EXPECT_EQ(alive.use_count(), 1 + 120 * 3);
        EXPECT_EQ(fake_stream::open_now(), 120);
    }
    EXPECT_EQ(alive.use_count(), 1);
    EXPECT_EQ(fake_stream::open_now(), 0);
}

}  // namespace
}  // namespace dial::test
