// dial::resolve: one question to a resolver, as an Asio operation.
#include <dial/resolve.hpp>
#include <support/loopback.hpp>
#include <support/resolvers.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <thread>

namespace dial::test {
namespace {

constexpr auto v4 = address_family::v4;

class resolve : public testing::Test {
protected:
    auto handler() {
        return [this](error_code e, const answer& a) {
            ++calls;
            ec = e;
            given = a;
        };
    }

    manual_resolver names;
    asio::io_context io;
    int calls = 0;
    error_code ec;
    std::optional<answer> given;
};

TEST_F(resolve, completes_with_the_answer_never_inside_the_call) {
    dial::resolve(io, static_resolver({{"name", addresses({"127.0.0.1", "::1"})}}), {"name", v4}, handler());
    EXPECT_EQ(calls, 0);
    run(io);
    ASSERT_EQ(calls, 1);
    EXPECT_EQ(ec, success);
    EXPECT_EQ(given->addresses(), addresses({"127.0.0.1"}));
}

TEST_F(resolve, completes_with_the_error_of_the_answer) {
    dial::resolve(io, names, {"name", v4}, handler());
    run_ready(io);
    EXPECT_EQ(calls, 0);
    names.answer_next(v4, answer{asio::error::host_not_found});
    run(io);
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(ec, asio::error::host_not_found);
}

TEST_F(resolve, can_be_awaited) {
    asio::co_spawn(
        io,
        [&]() -> asio::awaitable<void> {
            const static_resolver written({{"name", addresses({"127.0.0.1"})}});
            auto [e, found] =
                co_await dial::resolve(written, {"name", record_type::a}, asio::as_tuple(asio::deferred));
            EXPECT_EQ(e, success);
            EXPECT_EQ(found.addresses(), addresses({"127.0.0.1"}));
            EXPECT_THROW((co_await dial::resolve(written, {"other", v4})), boost::system::system_error);
            ++calls;
        },
        asio::detached);
    run(io);
    EXPECT_EQ(calls, 1);
}

TEST_F(resolve, is_cancelled_at_once_and_the_resolver_is_told) {
    for (const auto kind : {asio::cancellation_type::terminal, asio::cancellation_type::partial,
             asio::cancellation_type::total}) {
        calls = 0;
        asio::cancellation_signal cancel;
        dial::resolve(io, names, {"name", v4}, asio::bind_cancellation_slot(cancel.slot(), handler()));
        run_ready(io);
        EXPECT_TRUE(names.wanted(v4));
        cancel.emit(kind);
        EXPECT_EQ(calls, 0);
        EXPECT_FALSE(names.wanted(v4));
        run(io);
        EXPECT_EQ(calls, 1);
        EXPECT_EQ(ec, asio::error::operation_aborted);
        names.answer_next(v4, addresses({"127.0.0.1"}));
        run(io);
        EXPECT_EQ(calls, 1) << "a late answer is for nobody";
    }
}

TEST_F(resolve, calls_the_handler_on_its_executor) {
    auto strand = asio::make_strand(io);
    bool there = false;
    dial::resolve(io, names, {"name", v4},
        asio::bind_executor(strand, [&](error_code, const answer&) { there = strand.running_in_this_thread(); }));
    std::thread answering{[&] { names.answer_next(v4, addresses({"127.0.0.1"})); }};
    run(io);
    answering.join();
    EXPECT_TRUE(there);
}

TEST_F(resolve, keeps_the_io_context_at_work_until_it_is_over) {
    dial::resolve(io, names, {"name", v4}, handler());
    std::thread answering{[&] {
        std::this_thread::sleep_for(std::chrono::milliseconds{1});  // run() begins before or after: it must not end
        names.answer_next(v4, addresses({"127.0.0.1"}));
    }};
    run(io);
    answering.join();
    EXPECT_EQ(calls, 1);
}

TEST_F(resolve, releases_the_handler_when_the_io_context_goes_away) {
    const auto held = std::make_shared<int>();
    {
        asio::io_context other;
        dial::resolve(other, names, {"name", v4}, [held](error_code, const answer&) { FAIL(); });
        EXPECT_GT(held.use_count(), 1);
    }
    EXPECT_EQ(held.use_count(), 1);
    EXPECT_FALSE(names.wanted(v4));
    names.answer_next(v4, addresses({"127.0.0.1"}));
}

// --- answer_handler, as resolvers see it ---

class asking_resolver : public resolver_base {
public:
    explicit asking_resolver(std::function<void(const lookup&, answer_handler)> f) : f_{std::move(f)} {}
    void start(const lookup& question, answer_handler done) override { f_(question, std::move(done)); }
    std::function<void(const lookup&, answer_handler)> f_;
};

TEST_F(resolve, lets_a_resolver_stand_in_between_and_see_the_answer) {
    std::vector<std::size_t> seen;
    const asking_resolver counting{[&](const lookup& question, answer_handler done) {
        names.start(question, answer_handler{std::move(done), [&](answer a, answer_handler next) {
                                                 seen.push_back(a.addresses().size());
                                                 next(std::move(a.ttl(std::chrono::seconds{7})));
                                             }});
    }};
    dial::resolve(io, counting, {"name", v4}, handler());
    run_ready(io);
    EXPECT_TRUE(names.wanted(v4)) << "as long as the one behind is";
    names.answer_next(v4, addresses({"127.0.0.1", "127.0.0.2"}));
    run(io);
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(seen, std::vector<std::size_t>{2});
    EXPECT_EQ(given->ttl(), std::chrono::seconds{7});

    dial::resolve(io, counting, {"name", v4}, handler());
    run_ready(io);
    names.drop_next(v4);
    run(io);
    EXPECT_EQ(ec, asio::error::host_not_found_try_again) << "a dropped one is a failed one, in between as well";
}

TEST_F(resolve, tells_a_resolver_once_that_nobody_waits_any_longer) {
    int told = 0;
    std::optional<answer_handler> kept;
    const asking_resolver listening{[&](const lookup&, answer_handler done) {
        done.on_unwanted([&told] { ++told; });
        kept.emplace(std::move(done));
    }};
    asio::cancellation_signal cancel;
    dial::resolve(io, listening, {"name", v4}, asio::bind_cancellation_slot(cancel.slot(), handler()));
    run_ready(io);
    EXPECT_EQ(kept->get_executor(), io.get_executor());
    EXPECT_EQ(told, 0);
    cancel.emit(asio::cancellation_type::terminal);
    EXPECT_EQ(told, 1);
    EXPECT_FALSE(kept->get_executor());
    run(io);
    kept->on_unwanted([&told] { ++told; });
    EXPECT_EQ(told, 2) << "at once, if it is so already";
    kept.reset();
    EXPECT_EQ(told, 2);

    dial::resolve(io, listening, {"name", v4}, handler());
    run_ready(io);
    (*kept)(addresses({"127.0.0.1"}));
    run(io);
    EXPECT_EQ(told, 2) << "not after the answer";

    {
        asio::io_context other;
        dial::resolve(other, listening, {"name", v4}, [](error_code, const answer&) {});
    }
    EXPECT_EQ(told, 3) << "also when the io_context goes away";
}

TEST_F(resolve, of_records_is_no_data_where_the_resolver_knows_none) {
    dial::resolve(io, names, {"_x._tcp.name", record_type::srv}, handler());
    run(io);
    EXPECT_EQ(ec, asio::error::no_data);
    EXPECT_EQ(names.asked(), 0u);
}

}  // namespace
}  // namespace dial::test
