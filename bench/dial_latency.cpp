// How long the caller waits where nothing answers: from a cancellation to the handler, past a time limit, and for the second
// address when the first is dead. Milliseconds, of many dials, 100 at a time.
//
//   dial_latency HOLE HOST      HOLE: an address that swallows every SYN; HOST: one of this machine, of the same family
#include <dial/dialer.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <deque>
#include <string>
#include <vector>

namespace asio = boost::asio;
using asio::ip::tcp;
using clock_type = std::chrono::steady_clock;
using milliseconds = std::chrono::duration<double, std::milli>;
using namespace std::chrono_literals;

namespace {

constexpr int rounds = 20, at_once = 100;

// A name server that never answers.
class silence : public dial::resolver_base {
public:
    void start(const dial::lookup&, dial::answer_handler done) override { asked_->push_back(std::move(done)); }

private:
    std::shared_ptr<std::deque<dial::answer_handler>> asked_ = std::make_shared<std::deque<dial::answer_handler>>();
};

void print(const char* what, std::vector<double> waits) {
    std::ranges::sort(waits);
    const auto at = [&](double part) {
        return waits[static_cast<std::size_t>(part * static_cast<double>(waits.size() - 1))];
    };
    std::printf("| %s | %zu | %.3f | %.3f | %.3f |\n", what, waits.size(), at(0.5), at(0.99), waits.back());
}

// From the emission to the handler, all dials in one loop: each waits for its turn among the others.
void cancel(const char* what, asio::io_context& io, const dial::dialer& dialer, const std::string& to) {
    std::vector<double> waits;
    for (int round = 0; round != rounds; ++round) {
        std::array<asio::cancellation_signal, at_once> signals;
        clock_type::time_point cancelled;
        for (auto& signal : signals)
            dialer.connect(to, asio::bind_cancellation_slot(signal.slot(), [&](dial::error_code, tcp::socket) {
                waits.push_back(milliseconds{clock_type::now() - cancelled}.count());
            }));
        asio::steady_timer soon{io, 5ms};  // all are looking up, or racing
        soon.async_wait([&](dial::error_code) {
            cancelled = clock_type::now();
            for (auto& signal : signals) signal.emit(asio::cancellation_type::terminal);
        });
        io.restart();
        io.run();
    }
    print(what, std::move(waits));
}

void time_out(
    const char* what, asio::io_context& io, const dial::dialer& dialer, const std::string& to, dial::duration limit) {
    std::vector<double> waits;
    for (int round = 0; round != rounds; ++round) {
        for (int i = 0; i != at_once; ++i) {
            const auto due = clock_type::now() + limit;
            dialer.connect(dial::request{to, nullptr, due}, [&waits, due](dial::error_code, tcp::socket) {
                waits.push_back(milliseconds{clock_type::now() - due}.count());
            });
        }
        io.restart();
        io.run();
    }
    print(what, std::move(waits));
}

void second_address(asio::io_context& io, const dial::dialer& dialer, const std::string& to) {
    std::vector<double> waits;
    for (int i = 0; i != 15; ++i) {
        const auto begun = clock_type::now();
        dialer.connect(to, [&](dial::error_code ec, tcp::socket) {
            if (!ec) waits.push_back(milliseconds{clock_type::now() - begun}.count());
        });
        io.restart();
        io.run();
    }
    if (!waits.empty()) print("connected, the first of two addresses being dead", std::move(waits));
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fputs("usage: dial_latency HOLE HOST\n", stderr);
        return 2;
    }
    const auto hole = asio::ip::make_address(argv[1]), host = asio::ip::make_address(argv[2]);
    asio::io_context io{1};
    asio::io_context servers{1};
    const tcp::acceptor server{servers, {host, 0}};  // its queue is enough
    const std::string to = "name:" + std::to_string(server.local_endpoint().port());
    const dial::dialer lookup{io, {}, silence{}};
    const dial::dialer dead{io, {}, dial::static_resolver({{"name", {hole}}})};
    const dial::dialer second{io, {}, dial::static_resolver({{"name", {hole, host}}})};
    std::printf("| ms | dials | median | p99 | worst |\n|---|---:|---:|---:|---:|\n");
    cancel("from cancelling to the handler, looking up", io, lookup, to);
    cancel("from cancelling to the handler, racing", io, dead, to);
    time_out("past the deadline, looking up", io, lookup, to, 20ms);
    time_out("past the deadline, racing", io, dead, to, 20ms);
    second_address(io, second, to);
}
