// Cancels 50,000 lookups at random moments, and asks of each how it ended and whether its answer agrees.
#include <support/dns_lookups.hpp>
#include <support/resolvers.hpp>

#include <gtest/gtest.h>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>

#include <array>
#include <chrono>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace dial::test {
namespace {

using namespace std::chrono_literals;

constexpr int total = 50'000;
constexpr std::size_t at_once = 150;
constexpr unsigned seed = 20'260'802;

enum ending { answered, no_such_name, gave_up, cancelled, cancelled_too_late, wrong, endings };

struct counts {
    std::array<int, endings> of{};
    const char* worst = "";
};

enum class kind { now, later, nobody, never };

// One lookup, from its start to its end. Outlives the io_contexts, so that a second call would be seen.
class attempt {
public:
    attempt(kind k, record_type type) : kind_{k}, type_{type} {}

    // `elsewhere`: where the handler is to run, which may be later than the answer; the io_context itself otherwise.
    void start(asio::io_context& io, asio::io_context& elsewhere, const resolver& from, const std::string& name) {
        dial::resolve(io, from, {name, type_},
            asio::bind_executor(elsewhere.get_executor(),
                asio::bind_cancellation_slot(signal_.slot(), [this](error_code ec, const answer& a) {
                    ++calls_;
                    ec_ = ec;
                    agrees_ = a.error() == ec && a.addresses() == expected(ec);
                })));
    }

    void cancel() {
        if (!over()) cancelled_ = true;
        signal_.emit(asio::cancellation_type::terminal);
    }
    bool over() const { return calls_ != 0; }

    void judge(counts& into) const {
        ending how = wrong;
        if (ec_ == aborted)
            how = cancelled;
        else if (cancelled_)
            how = cancelled_too_late;
        else if (!ec_)
            how = answered;
        else if (ec_ == not_found)
            how = no_such_name;
        else if (ec_ == try_again)
            how = gave_up;
        const char* fault = nullptr;
        if (calls_ != 1)
            fault = "not called once";
        else if (how == wrong)
            fault = "another error";
        else if (how == cancelled && !cancelled_)
            fault = "aborted by nobody";
        else if (!ec_ && kind_ != kind::now && kind_ != kind::later)
            fault = "answered by nobody";
        else if (ec_ == not_found && kind_ != kind::nobody)
            fault = "no such name, but there is";
        else if (ec_ == try_again && kind_ != kind::never)
            fault = "given up, though there was an answer";
        else if (!agrees_)
            fault = "another answer";
        if (fault) how = wrong, into.worst = fault;
        ++into.of[how];
    }

private:
    std::vector<asio::ip::address> expected(error_code ec) const {
        if (ec || type_ == record_type::srv) return {};
        return addresses({type_ == record_type::a ? "127.0.0.7" : "::7"});
    }

    const kind kind_;
    const record_type type_;
    asio::cancellation_signal signal_;
    int calls_ = 0;
    error_code ec_;
    bool agrees_ = true;
    bool cancelled_ = false;
};

dns_replies reply(const dns_question& q) {
    dns_message m;
    if (q.name.starts_with("never")) return silence();
    if (q.name.starts_with("nobody")) return {failing(rcode::no_such_name)};
    if (q.type == record_type::a) m.answers = {a(q.name, "127.0.0.7")};
    if (q.type == record_type::aaaa) m.answers = {aaaa(q.name, "::7")};
    return {{m, q.name.starts_with("later") ? 2ms : 0ms}};
}

TEST(dns_random_cancel, leaves_nothing_behind_and_every_answer_agrees) {
    std::mt19937 random{seed};
    const auto pick = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
    const std::size_t before = open_descriptors();
    std::vector<std::unique_ptr<attempt>> all;
    {
        dns_server server;
        server.on_others(reply);
        const auto options = [&] { return dns_options().search({}).hosts_file(false).resolv_conf("/dev/null"); };
        const resolver patient = dns_resolver{options().server(server.address()).timeout(3s).tries(4)};
        const resolver hasty = dns_resolver{options().server(server.address()).timeout(10ms).tries(1)};
        asio::io_context io{1}, elsewhere{1};

        // A few names of each kind are asked for again and again: most lookups share their query with others.
        const auto start = [&]() -> attempt* {
            static constexpr const char* names[] = {"now", "later", "nobody", "never"};
            static constexpr record_type types[] = {record_type::a, record_type::aaaa, record_type::srv};
            const unsigned k = pick(4);
            const std::string name = names[k] + std::to_string(pick(2) ? pick(5) : pick(1000)) + ".test";
            auto& it = *all.emplace_back(std::make_unique<attempt>(static_cast<kind>(k), types[pick(3)]));
            it.start(io, pick(3) == 0 ? elsewhere : io, names[k] == names[3] ? hasty : patient, name);
            return &it;
        };
        std::vector<attempt*> open;
        while (all.size() != total || !open.empty()) {
            while (open.size() < at_once && all.size() < total) open.push_back(start());
            switch (pick(8)) {
                case 0: io.run_one_for(100us); break;
                case 1: elsewhere.poll_one(); break;
                case 2:
                case 3: open[pick(static_cast<unsigned>(open.size()))]->cancel(); break;
                default:
                    for (unsigned turns = pick(6); turns != 0; --turns) io.poll_one();
            }
            if (io.stopped()) io.restart();
            if (elsewhere.stopped()) elsewhere.restart();
            std::erase_if(open, [](const attempt* each) { return each->over(); });
        }
        EXPECT_LT(time_of([&] { run(io); }), 5s) << "nobody waits any longer";
        run(elsewhere);
    }
    EXPECT_EQ(open_descriptors(), before);

    counts seen;
    for (const auto& each : all) each->judge(seen);
    const char* const names[] = {"answered", "no such name", "given up, the server was silent", "cancelled",
        "cancelled when the answer was there"};
    std::cout << total << " lookups"
              << ", seed " << seed << ":\n";
    for (int i = 0; i != wrong; ++i) {
        std::cout << "  " << seen.of[static_cast<std::size_t>(i)] << " " << names[i] << "\n";
        EXPECT_GE(seen.of[static_cast<std::size_t>(i)], 500) << names[i];
    }
    EXPECT_EQ(seen.of[wrong], 0) << seen.worst;
}

}  // namespace
}  // namespace dial::test
