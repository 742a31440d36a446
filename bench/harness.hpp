// What the benchmark's programs share: their command line, their clock, and the one line of JSON that they print.
//
//   PROGRAM HOST PORT N CONCURRENCY      opens N connections, at most CONCURRENCY at a time
//   BENCH_PEND=1 PROGRAM HOST PORT N N   starts N that never complete, measures, cancels them, measures
//
// HOST is an address or unix:PATH.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include <malloc.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>

namespace bench {

namespace asio = boost::asio;

// The CPU that this process has taken so far.
inline double cpu_ns() {
    timespec t{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

struct usage {
    double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
    rusage cpu = [] {
        rusage r{};
        getrusage(RUSAGE_SELF, &r);
        return r;
    }();
};

inline double microseconds(const timeval& t) {
    return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_usec);
}

inline long resident_bytes() {
    long size = 0, resident = 0;
    if (std::FILE* f = std::fopen("/proc/self/statm", "r")) {
        if (std::fscanf(f, "%ld %ld", &size, &resident) != 2) resident = 0;
        std::fclose(f);
    }
    return resident * sysconf(_SC_PAGESIZE);
}

// What is allocated and not freed (malloc's own overhead included).
inline long heap_bytes() {
    return static_cast<long>(mallinfo2().uordblks);
}

// A field of a /proc file in KiB, as "VmHWM:" or "Slab:".
inline long proc_kib(const char* path, const char* field) {
    char line[256];
    long kib = 0;
    if (std::FILE* f = std::fopen(path, "r")) {
        while (std::fgets(line, sizeof line, f))
            if (std::strncmp(line, field, std::strlen(field)) == 0) kib = std::atol(line + std::strlen(field));
        std::fclose(f);
    }
    return kib;
}

class run {
public:
    run(int argc, char** argv) {
        if (argc != 5) {
            std::fprintf(stderr, "usage: %s HOST PORT N CONCURRENCY\n", argv[0]);
            std::exit(2);
        }
        const char* slash = std::strrchr(argv[0], '/');
        name = slash ? slash + 1 : argv[0];
        host = argv[1];
        port = static_cast<unsigned short>(std::atoi(argv[2]));
        n = std::atol(argv[3]);
        const char* pend = std::getenv("BENCH_PEND");
        pending = pend && *pend == '1';
        concurrency = pending ? n : std::min(n, std::atol(argv[4]));
    }

    bool unix_socket() const { return host.starts_with("unix:"); }
    asio::ip::tcp::endpoint tcp() const { return {asio::ip::make_address(host), port}; }
    asio::local::stream_protocol::endpoint local() const { return host.substr(5); }

    void begin() {
        slab_before = proc_kib("/proc/meminfo", "Slab:");
        resident_before = resident_bytes();
        heap_before = heap_bytes();
        before = usage{};
    }

    // One connect has ended; 0 is success.
    void ended(int error) {
        if (error == 0) {
            ++ok;
        } else if (failed++ == 0) {
            first_error = error;
        }
    }

    int end() const {
        const usage after;
        const double done = static_cast<double>(ok + failed), seconds = after.seconds - before.seconds;
        const double user = microseconds(after.cpu.ru_utime) - microseconds(before.cpu.ru_utime);
        const double system = microseconds(after.cpu.ru_stime) - microseconds(before.cpu.ru_stime);
        std::printf(
            "{\"driver\":\"%s\",\"n\":%ld,\"c\":%ld,\"ok\":%ld,\"fail\":%ld,\"first_error\":%d,"
            "\"wall_s\":%.6f,\"per_s\":%.0f,\"user_us\":%.3f,\"sys_us\":%.3f,\"cpu_us\":%.3f,\"maxrss_kb\":%ld}\n",
            name.c_str(), n, concurrency, ok, failed, first_error, seconds, done / seconds, user / done, system / done,
            (user + system) / done, proc_kib("/proc/self/status", "VmHWM:"));
        return ok == n ? 0 : 1;
    }

    // All N are started and none has ended.
    void all_pending() {
        start_ms = (usage{}.seconds - before.seconds) * 1e3;
        resident = resident_bytes();
        heap = heap_bytes();
        slab = proc_kib("/proc/meminfo", "Slab:");
        before_cancel = usage{};
    }

    // `cancelled` of them have ended since.
    void all_cancelled(long cancelled) const {
        const usage after;
        const double cpu = microseconds(after.cpu.ru_utime) + microseconds(after.cpu.ru_stime) -
            microseconds(before_cancel.cpu.ru_utime) - microseconds(before_cancel.cpu.ru_stime);
        const double each = static_cast<double>(n);
        std::printf(
            "{\"driver\":\"%s\",\"mode\":\"pend\",\"n\":%ld,\"early\":%ld,\"cancelled\":%ld,\"start_ms\":%.2f,"
            "\"rss_bytes_per\":%.0f,\"heap_bytes_per\":%.0f,\"slab_bytes_per\":%.0f,\"cancel_ms\":%.2f,\"cancel_cpu_ms\":%.2f,"
            "\"rss_after_bytes_per\":%.0f,\"maxrss_kb\":%ld}\n",
            name.c_str(), n, ok + failed, cancelled, start_ms, static_cast<double>(resident - resident_before) / each,
            static_cast<double>(heap - heap_before) / each, static_cast<double>(slab - slab_before) * 1024 / each,
            (after.seconds - before_cancel.seconds) * 1e3, cpu / 1e3,
            static_cast<double>(resident_bytes() - resident_before) / each, proc_kib("/proc/self/status", "VmHWM:"));
    }

    std::string name, host;
    unsigned short port = 0;
    long n = 0, concurrency = 0, ok = 0, failed = 0;
    bool pending = false;

private:
    int first_error = 0;
    usage before, before_cancel;
    double start_ms = 0;
    long resident_before = 0, resident = 0, heap_before = 0, heap = 0, slab_before = 0, slab = 0;
};

}  // namespace bench
