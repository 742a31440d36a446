// The system's resolver with files and a network of its own: names that hang, the hosts file, nsswitch.conf.
#include <dial/dialer.hpp>
#include <dial/resolve.hpp>
#include <support/dns_server.hpp>
#include <support/loopback.hpp>
#include <support/network.hpp>
#include <support/resolvers.hpp>

#include <gtest/gtest.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <system_error>
#include <thread>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;
namespace fs = std::filesystem;

constexpr auto at_once = 500ms;

// Asked on a thread that is thrown away: what it does to its mounts is its own.
bool mounts_can_be_private() {
    bool can = false;
    std::thread{[&] {
        can = ::unshare(CLONE_NEWNS) == 0 && ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
    }}.join();
    return can;
}

// Files in the place of the system's, for the calling thread and those that it starts.
class files_of_its_own {
public:
    files_of_its_own() {
        std::string pattern = (fs::temp_directory_path() / "dial-test-XXXXXX").string();
        if (!::mkdtemp(pattern.data())) fail("mkdtemp");
        directory_ = pattern;
        if (::unshare(CLONE_NEWNS) != 0) fail("unshare");
        if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) fail("mount");
    }
    files_of_its_own(const files_of_its_own&) = delete;
    files_of_its_own& operator=(const files_of_its_own&) = delete;
    ~files_of_its_own() {
        for (const auto& [path, own] : files_) ::umount2(path.c_str(), MNT_DETACH);
        std::error_code ignored;
        fs::remove_all(directory_, ignored);
    }

    // Writes `text` into the file that stands for `path`: from the second time on, into the same one. All are of the same
    // time, as if the file system's clock had large ticks.
    void write(const std::string& path, const std::string& text) {
        const bool first = !files_.contains(path);
        const fs::path& own = first ? files_[path] = directory_ / fs::path{path}.filename() : files_[path];
        std::ofstream{own} << text;
        fs::last_write_time(own, time_);
        if (first && ::mount(own.c_str(), path.c_str(), nullptr, MS_BIND, nullptr) != 0) fail(path.c_str());
    }

private:
    [[noreturn]] static void fail(const char* what) { throw std::system_error{errno, std::generic_category(), what}; }

    const fs::file_time_type time_ = fs::file_time_type::clock::now();
    fs::path directory_;
    std::map<std::string, fs::path> files_;
};

// Threads of resolvers; those of one that was destroyed end when getaddrinfo lets them.
std::ptrdiff_t resolver_threads() {
    return std::ranges::count_if(fs::directory_iterator{"/proc/self/task"}, [](const auto& task) {
        std::string name;
        std::getline(std::ifstream{task.path() / "comm"}, name);
        return name == "dial-resolve";
    });
}

class system_resolver_network : public testing::Test {
protected:
    void SetUp() override {
        if (const std::string why = why_no_network_namespace(); !why.empty()) GTEST_SKIP() << why;
        if (!mounts_can_be_private())
            GTEST_SKIP() << "no mounts of its own here (a chroot, whose root is no mount point?)";
    }

    // A network whose nameserver says nothing; it is waited for a second.
    void with_silent_nameserver(const std::function<void(files_of_its_own&)>& body) {
        const auto before = resolver_threads();
        in_network_namespace([&](network_namespace& network) {
            network.add_silent_link("10.9.0.1/24", "10.9.0.2");
            files_of_its_own files;
            files.write("/etc/resolv.conf", "nameserver 10.9.0.2\noptions timeout:1 attempts:1\n");
            body(files);
            const auto limit = std::chrono::steady_clock::now() + 30s;
            while (resolver_threads() > before && std::chrono::steady_clock::now() < limit)
                std::this_thread::sleep_for(1ms);
            EXPECT_LE(resolver_threads(), before);
        });
    }

    struct result {
        int calls = 0;
        error_code ec = {};
        tcp::endpoint peer = {};
        auto handler() {
            return [this](error_code e, const tcp::socket& s) {
                ++calls;
                ec = e;
                if (s.is_open()) peer = s.remote_endpoint();
            };
        }
    };

    static result dial_and_run(const dialer& d, const std::string& to, asio::io_context& io) {
        result r;
        d.connect(to, r.handler());
        io.restart();
        while (r.calls == 0 && io.run_one_for(30s) != 0) {}
        EXPECT_EQ(r.calls, 1);
        return r;
    }
};

TEST_F(system_resolver_network, finds_a_name_in_the_hosts_file_at_once_while_20_others_hang) {
    with_silent_nameserver([](files_of_its_own& files) {
        files.write("/etc/nsswitch.conf", "hosts: files dns\n");
        files.write("/etc/hosts", "127.0.0.1 localhost\n127.0.0.1 written.test\n");
        for (const std::size_t max_threads : {64u, 2u}) {
            const tcp_server server;
            asio::io_context io;
            const dialer d{io, {}, system_resolver{max_threads}};
            result hanging;
            for (int i = 0; i != 20; ++i) d.connect("hangs" + std::to_string(i) + ".test:1", hanging.handler());
            run_ready(io);
            const auto begin = std::chrono::steady_clock::now();
            const result r = dial_and_run(d, "Written.Test.:" + std::to_string(server.endpoint().port()), io);
            EXPECT_LT(std::chrono::steady_clock::now() - begin, at_once);
            EXPECT_EQ(r.ec, success);
            EXPECT_EQ(r.peer, server.endpoint());
            EXPECT_EQ(hanging.calls, 0);
        }
    });
}

TEST_F(system_resolver_network, gives_up_a_name_that_hangs_at_once_when_its_time_is_over) {
    with_silent_nameserver([](files_of_its_own& files) {
        files.write("/etc/nsswitch.conf", "hosts: files dns\n");
        asio::io_context io;
        const auto begin = std::chrono::steady_clock::now();
        EXPECT_EQ(
            dial_and_run(dialer{io, {.timeout = 20ms}, system_resolver{}}, "hangs.test:1", io).ec, error::timeout);
        EXPECT_LT(std::chrono::steady_clock::now() - begin, at_once);
    });
}

TEST_F(system_resolver_network, says_try_again_when_the_nameserver_says_nothing) {
    with_silent_nameserver([](files_of_its_own& files) {
        files.write("/etc/nsswitch.conf", "hosts: files dns\n");
        asio::io_context io;
        EXPECT_EQ(dial_and_run(dialer{io, {}, system_resolver{}}, "hangs.test:1", io).ec,
            asio::error::host_not_found_try_again);
    });
}

// Written into the same file, of the same size, within one tick of the file system's clock.
TEST_F(system_resolver_network, sees_a_change_of_the_hosts_file_with_the_next_lookup) {
    with_silent_nameserver([](files_of_its_own& files) {
        const tcp_server one, two{"127.0.0.2", 4096, one.endpoint().port()};
        const std::string to = "written.test:" + std::to_string(one.endpoint().port());
        asio::io_context io;
        const dialer d{io, {}, system_resolver{}};
        files.write("/etc/nsswitch.conf", "hosts: files\n");
        for (int i = 0; i != 20; ++i) {
            files.write("/etc/hosts", "127.0.0.1 written.test\n");
            EXPECT_EQ(dial_and_run(d, to, io).peer, one.endpoint());
            files.write("/etc/hosts", "127.0.0.2 written.test\n");
            EXPECT_EQ(dial_and_run(d, to, io).peer, two.endpoint());
        }
        files.write("/etc/hosts", "127.0.0.2 another.test\n");
        EXPECT_EQ(dial_and_run(d, to, io).ec, asio::error::host_not_found);
        files.write("/etc/hosts", "127.0.0.1 written.test\n");
        EXPECT_EQ(dial_and_run(d, to, io).peer, one.endpoint());
    });
}

TEST_F(system_resolver_network, asks_in_the_order_of_nsswitch) {
    with_silent_nameserver([](files_of_its_own& files) {
        const tcp_server server;
        const std::string to = "written.test:" + std::to_string(server.endpoint().port());
        asio::io_context io;
        files.write("/etc/hosts", "127.0.0.1 written.test\n");
        files.write("/etc/nsswitch.conf", "hosts: dns files\n");
        const system_resolver names;
        EXPECT_EQ(dial_and_run(dialer{io, {.timeout = 100ms}, names}, to, io).ec, error::timeout)
            << "the nameserver comes first, and says nothing";
        EXPECT_EQ(dial_and_run(dialer{io, {}, names}, to, io).ec, success) << "then the file is asked";
        files.write("/etc/nsswitch.conf", "hosts: files dns\n");
        EXPECT_EQ(dial_and_run(dialer{io, {.timeout = 100ms}, names}, to, io).ec, success);
    });
}

TEST_F(system_resolver_network, knows_common_services_without_a_services_file) {
    if (!fs::exists("/etc/services")) GTEST_LOG_(INFO) << "there is none here anyway";
    in_network_namespace([](network_namespace&) {
        files_of_its_own files;
        if (fs::exists("/etc/services")) files.write("/etc/services", "");
        asio::io_context io;
        dialer d{io};
        tcp::endpoint tried;
        d.before_connect([&](int, const tcp::endpoint& to) -> error_code {
            tried = to;
            return asio::error::access_denied;
        });
        EXPECT_EQ(dial_and_run(d, "127.0.0.1:http", io).ec, asio::error::access_denied);
        EXPECT_EQ(tried.port(), 80);
        EXPECT_EQ(dial_and_run(d, "127.0.0.1:https", io).ec, asio::error::access_denied);
        EXPECT_EQ(tried.port(), 443);
    });
}

// --- Records ---

TEST_F(system_resolver_network, asks_the_servers_of_resolv_conf_for_records) {
    in_network_namespace([&](network_namespace&) {
        files_of_its_own files;
        files.write("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:5 attempts:1\n");
        dns_server server{by_tcp::answers, "127.0.0.1", 53};
        server.has({srv("_x._tcp.test", {1, 2, 3, "h.test"}, 60), a("h.test", "127.0.0.1")});
        asio::io_context io;
        const resolver names = system_resolver{2};
        const auto ask = [&](const std::string& name, record_type type) {
            answer heard{error_code{}};
            dial::resolve(io, names, {name, type}, [&](error_code, const answer& given) { heard = given; });
            io.restart();
            run(io);
            return heard;
        };
        const answer found = ask("_x._tcp.test", record_type::srv);
        ASSERT_EQ(found.services().size(), 1u) << found.error().message();
        EXPECT_EQ(found.services()[0].host, "h.test");
        EXPECT_EQ(found.services()[0].port, 3);
        EXPECT_EQ(found.ttl(), 60s);
        EXPECT_EQ(ask("_y._tcp.test", record_type::srv).error(), asio::error::host_not_found);
        EXPECT_EQ(ask("h.test", record_type::https).error(), asio::error::no_data);
    });
}

}  // namespace
}  // namespace dial::test
