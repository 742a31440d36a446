// Resolves N names, all at once, on an io_context with one thread, and measures: how long, how much CPU, and how much memory a
// lookup takes while it waits.
//
//   dns_names HOST PORT N N     HOST:PORT is the DNS server;
//   asio_names, system_names    ask that of /etc/resolv.conf
#include "harness.hpp"

#include <dial/dial.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <fstream>
#include <optional>
#include <string>
#include <vector>

namespace asio = boost::asio;

namespace {

#ifdef WITH_ASIO
struct asker {
    asker(asio::io_context& io, const bench::run&) : names{io} {}
    template <class Heard>
    void ask(const std::string& name, Heard heard) {
        names.async_resolve(asio::ip::tcp::v4(), name, "80",
            [heard](boost::system::error_code ec, const auto&) { heard(ec ? ec.value() : 0); });
    }
    asio::ip::tcp::resolver names;
};
#else
struct asker {
    asker(asio::io_context& context, const bench::run& run) : io{context} {
#ifdef WITH_SYSTEM
        names = dial::system_resolver{};
        (void)run;
#else
        const char* most = std::getenv("BENCH_MAX_QUERIES");
        dial::dns_options options;
        options.server(run.host + ':' + std::to_string(run.port)).search({}).hosts_file(false);
        if (most) options.max_queries(std::stoul(most));
        names = dial::dns_resolver{options};
#endif
    }
    template <class Heard>
    void ask(const std::string& name, Heard heard) {
        dial::resolve(io, names, {name, dial::record_type::a},
            [heard](dial::error_code ec, const dial::answer&) { heard(ec ? ec.value() : 0); });
    }
    asio::io_context& io;
    dial::resolver names;
};
#endif

long threads() {
    return bench::proc_kib("/proc/self/status", "Threads:");
}

}  // namespace

int main(int argc, char** argv) {
    bench::run run{argc, argv};
    asio::io_context io{1};
    asker resolver{io, run};
    run.begin();
    const long heap = bench::heap_bytes(), resident = bench::resident_bytes();
    std::vector<std::string> names;
    for (long i = 0; i != run.n; ++i) names.emplace_back("n").append(std::to_string(i)).append(".bench.test");
    const long heap_of_names = bench::heap_bytes();
    long most_threads = 0;
    for (const std::string& name : names) {
        resolver.ask(name, [&](int error) {
            if (run.ok + run.failed == run.n / 2) most_threads = threads();
            run.ended(error);
        });
    }
    const double each = static_cast<double>(run.n);
    const double heap_each = static_cast<double>(bench::heap_bytes() - heap_of_names) / each;
    const double resident_each = static_cast<double>(bench::resident_bytes() - resident - (heap_of_names - heap)) / each;
    io.run();
    std::printf("{\"heap_bytes_per\":%.0f,\"rss_bytes_per\":%.0f,\"threads\":%ld}\n", heap_each, resident_each, most_threads);
    return run.end();
}
