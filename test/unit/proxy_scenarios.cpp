// The scenarios of test/data/proxy.txt, run on the exchanges: in virtual time, in all sizes of segments, by both kinds of reader.
#include <proxy/socks4.hpp>
#include <proxy/socks5.hpp>
#include <proxy/tunnel.hpp>
#include <support/proxy_cases.hpp>

#include <boost/asio/ip/address.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace {

using namespace std::chrono_literals;
using dial::detail::exchange;
using dial::test::proxy_case;
using move = proxy_case::move;

enum class segments : unsigned char { as_given, byte_by_byte, all_at_once };
enum class reader : unsigned char { exact, peeking };

std::unique_ptr<exchange> make_exchange(const proxy_case& c) {
    dial::proxy::destination to{c.host, {}, c.port};
    dial::error_code not_an_address;
    if (const auto address = boost::asio::ip::make_address(c.host, not_an_address); !not_an_address)
        to.address = address;
    const dial::credentials who = c.has_credentials ? dial::credentials{c.user, c.password} : dial::credentials{};
    if (c.protocol.starts_with("socks5")) return std::make_unique<dial::proxy::socks5_exchange>(to, who);
    if (c.protocol.starts_with("socks4"))
        return std::make_unique<dial::proxy::socks4_exchange>(to, c.user,
            c.protocol == "socks4a" ? dial::proxy::socks4_names::taken : dial::proxy::socks4_names::not_taken);
    dial::tunnel_options options{who};
    for (const auto& [name, value] : c.headers) options.header(name, value);
    if (c.max_head) options.max_head(*c.max_head);
    return std::make_unique<dial::proxy::tunnel_exchange>(to, options);
}

struct outcome {
    std::string result;
    dial::error_code error;
    std::string sent, leftover, bound, note;
    std::chrono::milliseconds at{0};
};

// A proxy that plays the moves, and a client that obeys the exchange.
class game {
public:
    game(const proxy_case& c, segments size, reader how)
        : case_{c}, size_{size}, how_{how}, exchange_{make_exchange(c)} {}

    outcome play() {
        for (int step = 0; step != 100'000; ++step) {
            const exchange::step next = exchange_->next();
            if (const auto* const send = std::get_if<exchange::send>(&next)) {
                over_.sent += send->bytes;
                exchange_->on_sent();
            } else if (const auto* const receive = std::get_if<exchange::receive>(&next)) {
                if (!receive_some(receive->at_least_ours)) return end();
            } else if (const auto* const fail = std::get_if<exchange::fail>(&next)) {
                over_.error = fail->error;
                over_.result = "fail";
                return end();
            } else {
                over_.result = "ok";
                while (deliver()) {}
                over_.leftover = arrived_;
                for (const auto& each : exchange_->details())
                    if (each.name == "bound") over_.bound = each.value;
                return end();
            }
        }
        over_.result = "does not end";
        return end();
    }

private:
    outcome end() {
        over_.note = exchange_->note();
        return std::move(over_);
    }

    bool receive_some(std::size_t at_least_ours) {
        EXPECT_NE(at_least_ours, 0u);
        if (arrived_.empty() && !deliver()) return give_up();
        if (over_.result == "proxy_reset") return false;
        if (arrived_.empty()) {
            exchange_->on_end();
            return true;
        }
        const std::size_t offered = how_ == reader::exact ? std::min(at_least_ours, arrived_.size()) : arrived_.size();
        const std::size_t taken = exchange_->on_received(std::string_view{arrived_}.substr(0, offered));
        EXPECT_NE(taken, 0u);
        EXPECT_LE(taken, offered);
        const bool failed = std::holds_alternative<exchange::fail>(exchange_->next());
        EXPECT_TRUE(how_ == reader::peeking || failed || taken == offered) << "asked for bytes of the tunnel";
        arrived_.erase(0, taken);
        return true;
    }

    bool give_up() {
        if (case_.timeout && over_.result.empty()) {
            over_.result = "timeout";
            over_.at = *case_.timeout;
        } else if (over_.result.empty()) {
            over_.result = "waits for ever";
        }
        return false;
    }

    // The next move of the proxy, if it is its turn.
    bool deliver() {
        if (next_ == case_.moves.size() || over_.sent.size() < case_.moves[next_].after) return false;
        const move& now = case_.moves[next_];
        if (at_ == 0) over_.at += now.wait;
        if (case_.timeout && over_.at >= *case_.timeout) return false;
        if (now.what == move::kind::reset) over_.result = "proxy_reset";
        if (now.what != move::kind::bytes) return ++next_, true;
        if (size_ == segments::byte_by_byte) {
            arrived_ += now.bytes[at_++];
            if (at_ != now.bytes.size()) return true;
        } else {
            arrived_ += now.bytes;
        }
        at_ = 0;
        ++next_;
        if (size_ == segments::all_at_once && next_ != case_.moves.size() &&
            case_.moves[next_].what == move::kind::bytes && case_.moves[next_].wait == 0ms)
            deliver();
        return true;
    }

    const proxy_case& case_;
    const segments size_;
    const reader how_;
    const std::unique_ptr<exchange> exchange_;
    std::string arrived_;
    std::size_t next_ = 0, at_ = 0;
    outcome over_;
};

// Whether the outcome is what the scenario calls `result`.
bool is(const outcome& o, const std::string& result, const std::optional<int>& code) {
    using dial::error;
    if (result == "ok" || result == "timeout" || result == "proxy_reset") return o.result == result;
    if (o.result == "waits for ever" && result == "timeout") return true;
    if (o.result != "fail") return false;
    if (result == "proxy_reply")
        return (o.error.category() == dial::socks5_category() || o.error.category() == dial::socks4_category()) &&
            o.error.value() == code;
    if (result == "proxy_status") return o.error.category() == dial::http_category() && o.error.value() == code;
    if (result == "proxy_auth_required" || result == "proxy_no_acceptable_method")  // those that were given are no good
        return o.error == error::proxy_authentication_required ||
            (code == 407 && o.error == error::proxy_authentication_failed);
    if (result == "proxy_auth_failed") return o.error == error::proxy_authentication_failed;
    if (result == "proxy_unexpected_method" || result == "proxy_version" || result == "proxy_bad_reply" ||
        result == "header_too_large")
        return o.error == error::proxy_protocol;
    if (result == "proxy_eof") return o.error == error::proxy_closed;
    if (result == "host_too_long" || result == "bad_target" || result == "address_type_unsupported" ||
        result == "needs_local_resolution")
        return o.error == error::invalid_target;
    if (result == "credentials_too_long" || result == "bad_credentials" || result == "bad_header")
        return o.error == error::invalid_option;
    ADD_FAILURE() << "unknown result " << result;
    return false;
}

void check(const proxy_case& c, segments size, reader how) {
    const outcome o = game{c, size, how}.play();
    const bool as_expected = is(o, c.expected, c.code);
    const bool also_right = std::ranges::any_of(c.also_right, [&](const std::string& r) { return is(o, r, c.code); });
    EXPECT_TRUE(as_expected || also_right) << o.result << ' ' << o.error.message() << ' ' << o.note;
    if (!as_expected) return;
    EXPECT_EQ(o.sent, c.sent);
    EXPECT_EQ(o.leftover, c.leftover);
    EXPECT_EQ(o.at, c.at.value_or(o.at));
    EXPECT_EQ(o.bound, c.bound.empty() ? o.bound : c.bound);
    EXPECT_TRUE(c.password.empty() || o.note.find(c.password) == std::string::npos) << o.note;
}

TEST(proxy_scenarios, all_of_them_in_all_sizes_of_segments_by_both_readers) {
    const auto all = dial::test::read_proxy_cases(DIAL_TEST_DATA "/proxy.txt");
    EXPECT_EQ(all.size(), 113u);
    for (const proxy_case& c : all) {
        for (const segments size : {segments::as_given, segments::byte_by_byte, segments::all_at_once}) {
            for (const reader how : {reader::exact, reader::peeking}) {
                SCOPED_TRACE(c.id + ' ' + c.title + (size == segments::byte_by_byte ? ", byte by byte" : "") +
                    (size == segments::all_at_once ? ", all at once" : "") +
                    (how == reader::peeking ? ", peeking" : ""));
                check(c, size, how);
            }
        }
    }
}

}  // namespace
