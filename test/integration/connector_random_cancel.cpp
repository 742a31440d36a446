// Thousands of connects through layers on several threads, cancelled at random moments. What is left behind: nothing.
#include <dial/failover.hpp>
#include <dial/limit.hpp>
#include <dial/retry.hpp>
#include <support/layers.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;
using handler_type = detail::connect_handler<fake_stream>;

constexpr int connects = 6000, at_once = 64, threads = 4;
constexpr int places = 8;

int chance(int of) {
    static std::atomic<unsigned> seed = 20'261'126;
    thread_local std::minstd_rand numbers{seed++};
    return static_cast<int>(numbers() % static_cast<unsigned>(of));
}

// Servers that answer when and what they like. Half of them know nothing of cancellation.
class moody_servers {
public:
    auto connect() {
        return [this](request what, handler_type handler) {
            if (calm_) return keep(std::move(what), std::move(handler));
            const bool listens = chance(2) == 0;
            const auto delay = std::chrono::microseconds{chance(4) == 0 ? 0 : chance(2000)};
            const error_code ec = chance(10) < 2 ? success
                : chance(10) < 5                 ? refused
                                                 : error_code{error::invalid_target};
            if (chance(8) == 0) return answer(what, std::move(handler), ec);
            auto timer = std::make_unique<asio::steady_timer>(what.executor(), delay);
            auto& t = *timer;
            const auto slot = listens ? asio::get_associated_cancellation_slot(handler) : asio::cancellation_slot{};
            t.async_wait(asio::bind_cancellation_slot(
                slot, [what, ec, timer = std::move(timer), h = std::move(handler)](error_code told) mutable {
                    answer(what, std::move(h), told ? told : ec);
                }));
        };
    }

    // From here on, it keeps those who ask, and counts those who ask for the first server.
    void calm_down() { calm_ = true; }
    std::ptrdiff_t kept() const {
        return std::ranges::count_if(kept_, [](const held& each) { return each.what.to().host() == "a"; });
    }
    void let_go() {
        for (held& each : kept_) answer(each.what, std::move(each.handler), success);
        kept_.clear();
    }

private:
    struct held {
        request what;
        handler_type handler;
    };

    static void answer(const request& what, handler_type handler, error_code ec) {
        if (ec)
            std::move(handler)(ec, fake_stream{what.executor()});
        else
            std::move(handler)(ec, fake_stream{what.executor(), what.to().to_string()});
    }
    void keep(request what, handler_type handler) { kept_.push_back({std::move(what), std::move(handler)}); }

    std::atomic<bool> calm_ = false;
    std::vector<held> kept_;
};

class crowd {
public:
    explicit crowd(asio::io_context& io) : io_{io} {}

    struct one {
        asio::cancellation_signal signal;
        report story;
        std::atomic<int> calls = 0;
        error_code ec;
    };

    void start() {
        for (int i = 0; i != at_once; ++i) asio::post(io_, [this] { next(); });
    }

    const connector<fake_stream>& connects_through() const { return through_; }
    moody_servers& servers() { return servers_; }
    const std::vector<std::unique_ptr<one>>& all() const { return all_; }
    int ended() const { return ended_; }
    long waiting() const { return alive_.use_count() - 1; }
    void when_so_many_have_ended(int count, std::function<void()> f) {
        stop_at_ = count;
        stop_ = std::move(f);
    }

private:
    void next() {
        const int number = started_++;
        if (number >= connects) return;
        one& it = *all_[static_cast<std::size_t>(number)];
        std::optional<time_point> deadline;
        if (chance(8) == 0) deadline = clock::now() + std::chrono::microseconds{chance(5000)};
        through_.connect({"whole:1", chance(2) == 0 ? &it.story : nullptr, deadline},
            asio::bind_cancellation_slot(it.signal.slot(), [this, &it, alive = alive_](error_code ec, fake_stream s) {
                ++it.calls;
                it.ec = ec;
                if (s.is_open() == static_cast<bool>(ec)) ADD_FAILURE() << ec.message();
                s.close();
                if (++ended_ == stop_at_) stop_();
                next();
            }));
        if (chance(3) == 0) return;
        const auto kind = chance(2) == 0 ? asio::cancellation_type::terminal : asio::cancellation_type::total;
        if (chance(4) == 0) return asio::post(io_, [&it, kind] { it.signal.emit(kind); });
        auto later = std::make_unique<asio::steady_timer>(io_, std::chrono::microseconds{chance(6000)});
        auto& timer = *later;
        timer.async_wait([&it, kind, later = std::move(later)](error_code) { it.signal.emit(kind); });
    }

    static std::vector<std::unique_ptr<one>> make_all() {
        std::vector<std::unique_ptr<one>> all(connects);
        for (auto& each : all) each = std::make_unique<one>();
        return all;
    }

    asio::io_context& io_;
    moody_servers servers_;
    std::vector<std::unique_ptr<one>> all_ = make_all();
    std::atomic<int> started_ = 0, ended_ = 0;
    int stop_at_ = -1;
    std::function<void()> stop_;
    const std::shared_ptr<int> alive_ = std::make_shared<int>();
    connector<fake_stream> through_ =
        retry(limit(failover(connector<fake_stream>{io_, servers_.connect()}, {"a:1", "b:1", "c:1"},
                        failover_options{failover_order::raced}.delay(500us)),
                  places),
            retry_options().attempts(3).base(200us).budget(retry_budget::unlimited()));
};

void run_on_threads(asio::io_context& io) {
    std::vector<std::thread> running;
    for (int i = 0; i != threads; ++i) running.emplace_back([&io] { io.run(); });
    for (std::thread& each : running) each.join();
}

TEST(connector_random_cancellation, calls_every_handler_once_and_leaves_nothing) {
    asio::io_context io;
    crowd people{io};
    people.start();
    run_on_threads(io);

    int connected = 0, failed = 0, cancelled = 0, late = 0;
    for (const auto& each : people.all()) {
        ASSERT_EQ(each->calls, 1);
        if (each->story.over() && each->story.error() != each->ec) ADD_FAILURE() << each->story.to_string();
        ++(!each->ec ? connected : each->ec == aborted ? cancelled : each->ec == error::timeout ? late : failed);
    }
    std::cout << connects << " connects: " << connected << " connected, " << failed << " failed, " << cancelled
              << " cancelled, " << late << " late\n";
    for (const int often : {connected, failed, cancelled}) EXPECT_GE(often, connects / 100);
    EXPECT_GE(late, 1);
    EXPECT_EQ(people.ended(), connects);
    EXPECT_EQ(people.waiting(), 0);
    EXPECT_EQ(fake_stream::open_now(), 0);

    // Every place is free, and there is none too many.
    people.servers().calm_down();
    std::vector<dial::test::connected> last(places + 2);
    for (auto& each : last) people.connects_through().connect("last:1", each.handler());
    EXPECT_EQ(people.servers().kept(), places);
    io.restart();
    while (io.run_one_for(5s) != 0) people.servers().let_go();
    for (const auto& each : last) expect(each, success);
    EXPECT_EQ(fake_stream::open_now(), 0);
}

TEST(connector_random_cancellation, of_what_is_destroyed_in_the_middle_leaves_nothing) {
    for (int round = 0; round != 10; ++round) {
        std::optional<asio::io_context> io{std::in_place};
        crowd people{*io};
        people.when_so_many_have_ended(100 + 37 * round, [&] { io->stop(); });
        people.start();
        run_on_threads(*io);
        EXPECT_GE(people.waiting(), 1);
        io.reset();
        EXPECT_EQ(people.waiting(), 0);
        EXPECT_EQ(fake_stream::open_now(), 0);
        for (const auto& each : people.all()) ASSERT_LE(each->calls, 1);

        // The places are given back: another io_context has them all.
        asio::io_context other;
        people.servers().calm_down();
        std::vector<dial::test::connected> last(places);
        for (auto& each : last)
            people.connects_through().connect(request{"last:1"}.executor(other.get_executor()), each.handler());
        EXPECT_EQ(people.servers().kept(), places);
        while (other.run_one_for(5s) != 0) people.servers().let_go();
        for (const auto& each : last) expect(each, success);
    }
}

}  // namespace
}  // namespace dial::test
