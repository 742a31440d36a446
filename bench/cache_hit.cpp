// What a lookup costs whose answer is in the cache: inside caching_resolver::start, and by dial::resolve with a turn of the
// io_context.
//
//   cache_hit [LOOKUPS]
#include "harness.hpp"

#include <dial/dial.hpp>

#include <boost/asio/io_context.hpp>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace asio = boost::asio;

namespace {

using bench::cpu_ns;

struct fixed : dial::resolver_base {
    void start(const dial::lookup&, dial::answer_handler done) override {
        const auto address = [](const char* text) { return asio::ip::make_address(text); };
        done(dial::answer{std::vector{address("192.0.2.1"), address("192.0.2.2")}}
                 .ttl(std::chrono::hours{1})
                 .source("192.0.2.53:53"));
    }
};

}  // namespace

int main(int argc, char** argv) {
    const long n = argc > 1 ? std::atol(argv[1]) : 1'000'000;
    asio::io_context io{1};
    dial::caching_resolver names{fixed{}};
    const dial::lookup question{"www.some-host.example.com", dial::record_type::a};
    long found = 0;
    dial::resolve(io, names, question, [](dial::error_code, const dial::answer&) {});
    io.run();

    double before = cpu_ns();
    for (long i = 0; i != n; ++i)
        names.start(question,
            dial::answer_handler{dial::answer_handler{nullptr},
                [&](dial::answer a, dial::answer_handler) { found += static_cast<long>(a.addresses().size()); }});
    const double alone = (cpu_ns() - before) / static_cast<double>(n);

    before = cpu_ns();
    for (long i = 0; i != n; ++i) {
        dial::resolve(io, names, question,
            [&](dial::error_code, const dial::answer& a) { found += static_cast<long>(a.addresses().size()); });
        io.restart();
        io.run();
    }
    const double whole = (cpu_ns() - before) / static_cast<double>(n);
    const auto counters = names.counters();
    std::printf("{\"lookups\":%ld,\"start_ns\":%.0f,\"resolve_ns\":%.0f,\"hits\":%llu,\"misses\":%llu}\n", n, alone,
        whole, static_cast<unsigned long long>(counters.hits), static_cast<unsigned long long>(counters.misses));
    return found == 4 * n ? 0 : 1;
}
