// A pool that follows DNS: connections whose address has gone are not used again.
#include <dial/dialer.hpp>
#include <dial/pool.hpp>
#include <support/loopback.hpp>
#include <support/pools.hpp>
#include <support/resolvers.hpp>

#include <boost/asio/error.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;

// A zone that changes. Copies share it.
class changing_resolver : public resolver_base {
public:
    void say(address_family family, answer given) {
        const std::lock_guard lock{zone_->mutex};
        zone_->answers.insert_or_assign(family, std::move(given));
    }
    int asked() const {
        const std::lock_guard lock{zone_->mutex};
        return zone_->asked;
    }
    void start(const lookup& question, answer_handler done) override {
        std::unique_lock lock{zone_->mutex};
        ++zone_->asked;
        const auto found = zone_->answers.find(question.family());
        const answer given = found == zone_->answers.end() ? answer{asio::error::no_data} : found->second;
        lock.unlock();
        done(given);
    }

private:
    struct zone {
        std::mutex mutex;
        std::map<address_family, answer> answers;
        int asked = 0;
    };
    std::shared_ptr<zone> zone_ = std::make_shared<zone>();
};

class a_pool_that_follows_dns : public testing::Test {
protected:
    using acquired = acquired_lease<tcp::socket>;

    a_pool_that_follows_dns() { names.say(address_family::v4, addresses({"127.0.0.1"})); }

    pool<tcp::socket>& make(duration interval = 5ms) {
        return connections.emplace(io, dialer{io, {}, names}, pool_options().follow_dns(names, interval));
    }
    target to() const { return target{"server.test", old_server.endpoint().port()}; }
    void acquire(acquired& into, const target& from) {
        into = {};
        connections->acquire(from, into.handler());
        run_until(io, [&] { return into.calls != 0; });
        expect(into, success);
    }
    void acquire(acquired& into) { acquire(into, to()); }
    // Two more rounds of questions have been answered.
    void let_it_ask() {
        const int before = names.asked();
        run_until(io, [&] { return names.asked() >= before + 4; });
        run_ready(io);
    }
    std::uint64_t gone() const { return connections->stats().total.closed_for(close_reason::address_gone); }
    std::string peer(const acquired& of) const { return of.held->remote_endpoint().address().to_string(); }

    asio::io_context io;
    changing_resolver names;
    tcp_server old_server{"127.0.0.1"};
    tcp_server new_server{"127.0.0.2", 16, old_server.endpoint().port()};
    std::optional<pool<tcp::socket>> connections;
    acquired a, b;
};

TEST_F(a_pool_that_follows_dns, closes_idle_connections_to_an_address_that_has_gone) {
    make();
    acquire(a);
    EXPECT_EQ(peer(a), "127.0.0.1");
    a.held.give_back();
    let_it_ask();
    EXPECT_EQ(gone(), 0u);
    names.say(address_family::v4, addresses({"127.0.0.2"}));
    run_until(io, [&] { return gone() == 1; });
    acquire(b);
    EXPECT_EQ(peer(b), "127.0.0.2");
}

TEST_F(a_pool_that_follows_dns, lets_those_in_use_finish) {
    make();
    acquire(a);
    names.say(address_family::v4, addresses({"127.0.0.2"}));
    let_it_ask();
    EXPECT_TRUE(a.held->is_open());
    EXPECT_EQ(gone(), 0u);
    a.held.give_back();
    EXPECT_EQ(gone(), 1u);
}

TEST_F(a_pool_that_follows_dns, retires_nothing_when_a_lookup_fails_or_brings_nothing) {
    make();
    acquire(a);
    a.held.give_back();
    for (const auto failure : {asio::error::host_not_found_try_again, asio::error::no_recovery,
             asio::error::host_not_found, asio::error::no_data}) {
        names.say(address_family::v4, answer{failure});
        let_it_ask();
        EXPECT_EQ(gone(), 0u);
    }
    // Nor does the other family say anything about this one.
    names.say(address_family::v4, answer{asio::error::host_not_found_try_again});
    names.say(address_family::v6, addresses({"::1"}));
    let_it_ask();
    EXPECT_EQ(gone(), 0u);
    // But that there are only addresses of the other does.
    names.say(address_family::v4, answer{asio::error::no_data});
    run_until(io, [&] { return gone() == 1; });
}

TEST_F(a_pool_that_follows_dns, keeps_connections_to_addresses_that_stay) {
    names.say(address_family::v4, addresses({"127.0.0.1", "127.0.0.2"}));
    make();
    acquire(a);
    const bool is_old = peer(a) == "127.0.0.1";
    a.held.give_back();
    names.say(address_family::v4, addresses({is_old ? "127.0.0.1" : "127.0.0.2", "127.0.0.3"}));
    let_it_ask();
    EXPECT_EQ(gone(), 0u);
}

TEST_F(a_pool_that_follows_dns, leaves_literals_alone) {
    make();
    acquire(a, target{"127.0.0.1", old_server.endpoint().port()});
    a.held.give_back();
    io.run_for(20ms);
    EXPECT_EQ(names.asked(), 0);
}

TEST_F(a_pool_that_follows_dns, stops_asking_when_there_is_nothing_to_follow_and_begins_again) {
    make();
    acquire(a);
    a.held.discard();
    io.restart();
    io.run_for(20ms);
    const int asked = names.asked();
    io.restart();
    io.run_for(30ms);
    EXPECT_EQ(names.asked(), asked);
    acquire(b);
    let_it_ask();
}

TEST_F(a_pool_that_follows_dns, keeps_no_io_context_at_work) {
    make(1h);
    acquire(a);
    run(io, 20s);
}

}  // namespace
}  // namespace dial::test
