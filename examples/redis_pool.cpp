// A Redis client on a pool: many coroutines share few connections, first one command at a time, then several in one go.
//
//   $ redis_pool localhost:6379
//   one by one: 100000 of 100000 commands in 2.74 s, 36439 per second
//     connections opened: 8, handed out: 100000 times; waits: half up to 10 ms, 99 % up to 10 ms, longest 14.4 ms
//   20 in one go: 100000 of 100000 commands in 0.27 s, 372533 per second
//     connections opened: 8, handed out: 5000 times; waits: half up to 10 ms, 99 % up to 16.9 ms, longest 16.9 ms
//
// Shows: `prepare` and `check` of a pool; a lease for each exchange; and what to do when an exchange fails. A server may close a
// connection just when it is handed out: what may be done twice is then done again, once. All answers are compared, so that one that
// was meant for somebody else would show. Needs: redis-server. Next: http_pool.cpp.
#include "command_line.hpp"
#include "time_limit.hpp"

#include <dial/dialer.hpp>
#include <dial/pool.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/completion_condition.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <iostream>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using asio::ip::tcp;
using namespace std::chrono_literals;

// --- The protocol, as much of it as is needed (https://redis.io/docs/reference/protocol-spec) ---

struct command {
    std::vector<std::string> words;
    bool may_be_done_twice = true;

    const std::string& name() const { return words.front(); }
};

// One command by itself. (A list in braces inside of a co_await expression is more than g++ 12 takes.)
template <class... Words>
std::vector<command> only(const Words&... words) {
    return {command{{std::string{words}...}}};
}

enum class kind { simple, error, integer, bulk, nil };

struct reply {
    kind is = kind::nil;
    std::string text;  // of an integer: its digits

    bool operator==(const reply&) const = default;
};

void append(std::string& wire, const command& c) {
    wire += '*' + std::to_string(c.words.size()) + "\r\n";
    for (const auto& word : c.words) wire += '$' + std::to_string(word.size()) + "\r\n" + word + "\r\n";
}

long long to_number(std::string_view text) {
    long long number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size())
        throw std::runtime_error{"a reply has '" + std::string{text} + "' for a number"};
    return number;
}

// Reads one reply from the front of `wire`; returns its size there, or nothing if more of it has to come.
std::optional<std::size_t> parse(std::string_view wire, reply& out) {
    constexpr std::size_t longest_line = 64 * 1024, longest_bulk = 512 * 1024 * 1024;
    const std::size_t line = wire.find("\r\n");
    if (std::min(line, wire.size()) > longest_line) throw std::runtime_error{"a line of a reply has no end"};
    if (line == wire.npos) return {};

    const std::string text{wire.substr(1, line - 1)};
    const std::size_t start = line + 2;
    switch (wire.front()) {
        case '+': out = {kind::simple, text}; return start;
        case '-': out = {kind::error, text}; return start;
        case ':': out = {kind::integer, std::to_string(to_number(text))}; return start;
        case '$': break;
        default: throw std::runtime_error{"this is not Redis, or a reply of a kind that nobody expects here"};
    }
    if (text == "-1") {
        out = {};
        return start;
    }
    const auto size = static_cast<std::size_t>(to_number(text));
    if (size > longest_bulk) throw std::runtime_error{"a reply is too long"};  // or negative
    if (wire.size() < start + size + 2) return {};
    if (wire.substr(start + size, 2) != "\r\n") throw std::runtime_error{"a reply is longer than it says"};
    out = {kind::bulk, std::string{wire.substr(start, size)}};
    return start + size + 2;
}

// All commands in one write, then their replies, one after the other.
asio::awaitable<std::vector<reply>> talk(tcp::socket& redis, const std::vector<command>& commands) {
    const time_limit limit(redis, 2s);
    std::vector<reply> replies;
    try {
        std::string out, in;
        for (const auto& each : commands) append(out, each);
        co_await asio::async_write(redis, asio::buffer(out), asio::deferred);

        std::size_t used = 0;
        while (replies.size() != commands.size()) {
            reply next;
            if (const auto size = parse(std::string_view{in}.substr(used), next)) {
                replies.push_back(std::move(next));
                used += *size;
            } else {
                co_await asio::async_read(redis, asio::dynamic_buffer(in), asio::transfer_at_least(1), asio::deferred);
            }
        }
        if (used != in.size()) throw std::runtime_error{"there are more replies than commands"};
    } catch (const boost::system::system_error& error) {
        throw boost::system::system_error{limit.explain(error.code())};
    }
    co_return replies;  // not in the try block: g++ 12 -O2 loses what is returned from there
}

// For what the pool itself does with a connection: an answer other than `wanted` is an error.
asio::awaitable<void> insist(tcp::socket& redis, std::vector<command> what, std::string wanted) {
    const auto replies = co_await talk(redis, what);
    if (replies.front().text != wanted) throw std::runtime_error{replies.front().text};
}

// --- The client ---

class client {
public:
    client(asio::io_context& context, dial::target server, std::size_t connections)
        : server_{std::move(server)}, pool_{context, dial::dialer{context, {.timeout = 2s}}, options(connections)} {}

    // The replies; or an exception, after which nobody knows which of the commands were done.
    asio::awaitable<std::vector<reply>> run(std::vector<command> commands) {
        bool again =
            std::all_of(commands.begin(), commands.end(), [](const command& c) { return c.may_be_done_twice; });
        for (;; again = false) {
            auto connection = co_await pool_.acquire(server_);
            const bool reused = connection.reused();
            try {
                co_return co_await talk(*connection, commands);
            } catch (const boost::system::system_error&) {
                connection.discard();  // what is still to come on it would be taken for an answer to the next user
                if (!reused || !again) throw;
            }  // any other exception leaves the scope of the lease, which does the same
            ++repeated;
        }
    }

    dial::pool_counts counts() const { return pool_.stats().total; }

    std::size_t repeated = 0;

private:
    static dial::pool_options options(std::size_t connections) {
        return dial::pool_options()
            .max_per_target(connections)
            .acquire_timeout(5s)
            .prepare([](tcp::socket& fresh) { return insist(fresh, only("CLIENT", "SETNAME", "redis_pool"), "OK"); })
            .check([](tcp::socket& idle) { return insist(idle, only("PING"), "PONG"); });
    }

    dial::target server_;
    dial::pool<tcp::socket> pool_;
};

// --- The load ---

struct settings {
    std::size_t commands = 100'000, coroutines = 200, connections = 8, batch = 20;
};

struct tally {
    std::size_t done = 0, counted = 0, perhaps_counted = 0;
    std::map<std::string, std::size_t> failures;

    std::size_t failed() const {
        std::size_t sum = 0;
        for (const auto& [reason, times] : failures) sum += times;
        return sum;
    }
};

const std::string counter = "dial:example:counter";

// The command with this number, and its answer, where there is only one that is right.
struct task {
    command what;
    std::optional<reply> right;
};
task nth(std::size_t i, const std::string& key) {
    const std::string value = "what " + key + " holds";
    switch (i % 4) {
        case 0: return {{{"PING"}}, reply{kind::simple, "PONG"}};
        case 1: return {{{"SET", key, value}}, reply{kind::simple, "OK"}};
        case 2: return {{{"GET", key}}, reply{kind::bulk, value}};
        default: return {{{"INCR", counter}, false}, {}};
    }
}

asio::awaitable<void> work(client& redis, std::string key, std::size_t commands, std::size_t batch, tally& all) {
    int failed_in_a_row = 0;
    for (std::size_t i = 0; i < commands && failed_in_a_row != 3;) {
        std::vector<task> tasks;
        std::vector<command> together;
        for (; i < commands && together.size() != batch; ++i) together.push_back(tasks.emplace_back(nth(i, key)).what);
        std::string failure;
        try {
            const auto replies = co_await redis.run(together);
            for (std::size_t j = 0; j != replies.size(); ++j) {
                const bool right = tasks[j].right ? replies[j] == tasks[j].right : replies[j].is == kind::integer;
                ++(right ? all.done : all.failures[together[j].name() + " was answered '" + replies[j].text + "'"]);
                if (right && !tasks[j].right) ++all.counted;
            }
            failed_in_a_row = 0;
            continue;
        } catch (const boost::system::system_error& error) {
            failure = error.code().message();
        } catch (const std::exception& error) {
            failure = error.what();
        }
        for (const auto& each : together) {
            ++all.failures[each.name() + ": " + failure];
            if (!each.may_be_done_twice) ++all.perhaps_counted;
        }
        ++failed_in_a_row;
    }
}

// Runs it to its end.
template <class Result>
Result run(asio::io_context& context, asio::awaitable<Result> what) {
    std::optional<Result> result;
    context.restart();
    asio::co_spawn(context, std::move(what), [&](std::exception_ptr failure, Result got) {
        if (failure) std::rethrow_exception(failure);
        result = std::move(got);
    });
    context.run();  // returns, though the pool's idle connections are open: they are no work
    return std::move(result).value();
}

bool measure(const dial::target& server, const settings& how, std::size_t batch) {
    asio::io_context context(1);
    client redis(context, server, how.connections), clerk(context, server, 1);
    run(context, clerk.run(only("DEL", counter)));
    if (run(context, clerk.run(only("GET", counter))).front().is != kind::nil)
        throw std::runtime_error{"somebody else uses the key " + counter};

    tally all;
    command clean_up{{"DEL", counter}};
    for (std::size_t i = 0; i != how.coroutines; ++i) {
        const std::string key = "dial:example:" + std::to_string(i);
        const std::size_t share = how.commands / how.coroutines + (i < how.commands % how.coroutines);
        asio::co_spawn(context, work(redis, key, share, batch, all), asio::detached);
        clean_up.words.push_back(key);
    }
    const auto started = std::chrono::steady_clock::now();
    context.restart();
    context.run();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;

    const auto ms = [](dial::duration time) { return std::chrono::duration<double, std::milli>(time).count(); };
    const dial::pool_counts counts = redis.counts();
    if (batch == 1)
        std::printf("one by one");
    else
        std::printf("%zu in one go", batch);
    std::printf(": %zu of %zu commands in %.2f s, %.0f per second\n", all.done, how.commands, took.count(),
        static_cast<double>(all.done) / took.count());
    std::printf(
        "  connections opened: %ju, handed out: %ju times; waits: half up to %.3g ms, 99 %% up to %.3g ms, "
        "longest %.3g ms\n",
        std::uintmax_t{counts.opened}, std::uintmax_t{counts.acquired}, ms(counts.waits.quantile(0.5)),
        ms(counts.waits.quantile(0.99)), ms(counts.waits.longest));
    if (redis.repeated != 0) std::printf("  %zu times done again on another connection\n", redis.repeated);
    for (const auto& [reason, times] : all.failures) std::printf("  %zu x %s\n", times, reason.c_str());
    const std::size_t never_sent = how.commands - all.done - all.failed();
    if (never_sent != 0) std::printf("  %zu not sent, after three failures in a row\n", never_sent);
    std::fflush(stdout);

    // Nothing was counted twice, and nothing that was answered is missing.
    const auto last = run(context, clerk.run(only("GET", counter))).front();
    const auto value = static_cast<std::size_t>(last.is == kind::nil ? 0 : to_number(last.text));
    if (value < all.counted || value > all.counted + all.perhaps_counted)
        throw std::runtime_error{"the counter is " + last.text + ", not " + std::to_string(all.counted)};
    run(context, clerk.run({clean_up}));
    return all.done == how.commands;
}

int main(int argc, char** argv) try {
    settings how;
    std::size_t* const numbers[] = {&how.commands, &how.coroutines, &how.connections, &how.batch};
    const char* const names[] = {"COMMANDS", "COROUTINES", "CONNECTIONS", "BATCH"};
    if (argc < 2 || argc > 6) {
        std::cerr
            << "usage: redis_pool HOST:PORT [COMMANDS [COROUTINES [CONNECTIONS [BATCH]]]]\n"
               "By default 100000 commands of 200 coroutines over 8 connections, one by one and 20 in one go; a BATCH of 1\n"
               "does without the latter.\n";
        return 2;
    }
    const dial::target server(argv[1]);
    for (int i = 2; i < argc; ++i) *numbers[i - 2] = read_number<std::size_t>(names[i - 2], argv[i], 1, 100'000'000);

    bool successful = measure(server, how, 1);
    if (how.batch != 1) successful = measure(server, how, how.batch) && successful;
    return successful ? 0 : 1;
} catch (...) {
    return explain_failure("redis_pool");
}
