// A getaddrinfo(3) that does as a test says: in a program that is linked with -Wl,--wrap=getaddrinfo.
#pragma once

#include <dial/dialer.hpp>
#include <support/loopback.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <gtest/gtest.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

extern "C" int __real_getaddrinfo(const char* name, const char* service, const addrinfo* hints, addrinfo** list);

namespace dial::test {

using namespace std::chrono_literals;

struct reply {
    int code = 0;
    int error = 0;  // errno
    std::vector<const char*> addresses = {};
};

// Calls of getaddrinfo hang until there is a reply to them, which holds for all that come later.
class script {
public:
    using question = std::pair<std::string, int>;  // name, family

    void reply_to(const std::string& name, int family, const reply& r) {
        const std::lock_guard lock{mutex_};
        replies_[{name, family}] = r;
        changed_.notify_all();
    }
    void reply_to(const std::string& name, const reply& r) {
        reply_to(name, AF_INET6, r);
        reply_to(name, AF_INET, r);
    }
    void reply_to_all(const reply& r) {
        const std::lock_guard lock{mutex_};
        to_all_ = r;
        changed_.notify_all();
    }

    std::multiset<question> asked() const {
        const std::lock_guard lock{mutex_};
        return asked_;
    }
    sigset_t signals() const {  // blocked in the thread that came last
        const std::lock_guard lock{mutex_};
        return signals_;
    }
    // Waits until there are `count` calls, and all of them hang.
    [[nodiscard]] bool hanging(std::size_t count) {
        std::unique_lock lock{mutex_};
        return changed_.wait_for(lock, 20s, [&] {
            return inside_.size() == count && std::ranges::none_of(inside_, [&](const auto& q) { return answered(q); });
        });
    }

    int call(const char* name, const addrinfo& hints, addrinfo** list) {
        std::unique_lock lock{mutex_};
        const question q{name, hints.ai_family};
        asked_.insert(q);
        ::pthread_sigmask(SIG_BLOCK, nullptr, &signals_);
        inside_.insert(q);
        changed_.notify_all();
        changed_.wait(lock, [&] { return answered(q); });
        const reply r = replies_.contains(q) ? replies_[q] : *to_all_;
        inside_.erase(inside_.find(q));
        changed_.notify_all();
        lock.unlock();
        for (const char* address : r.addresses) {
            addrinfo numeric{};
            numeric.ai_flags = AI_NUMERICHOST;
            numeric.ai_socktype = SOCK_STREAM;
            if (__real_getaddrinfo(address, nullptr, &numeric, list) != 0) std::abort();
            list = &(*list)->ai_next;
        }
        errno = r.error;
        return r.code;
    }

private:
    bool answered(const question& q) const { return to_all_ || replies_.contains(q); }

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::multiset<question> asked_, inside_;
    sigset_t signals_{};
    std::map<question, reply> replies_;
    std::optional<reply> to_all_;
};

// Where getaddrinfo goes: always to one, also for a thread that is late. No name is ever asked for on the network.
inline std::atomic<script*> installed = nullptr;

inline script& install_script() {
    static auto& all = *new std::vector<std::unique_ptr<script>>;  // threads that hang have them, also at the end
    all.push_back(std::make_unique<script>());
    installed = all.back().get();
    return *installed;
}

const reply nothing{.code = EAI_NODATA}, here{.addresses = {"127.0.0.1"}};

// Dials with a script installed.
class scripted_dials : public testing::Test {
protected:
    ~scripted_dials() override {
        names.reply_to_all(nothing);
        EXPECT_TRUE(names.hanging(0));
    }

    auto handler() {
        return [this](error_code e, const asio::ip::tcp::socket&) {
            ++calls;
            ec = e;
        };
    }
    auto cancellable_handler() { return asio::bind_cancellation_slot(signal.slot(), handler()); }
    std::string at(const std::string& name) const { return name + ":" + std::to_string(server.endpoint().port()); }
    error_code finish() {
        run(io);
        EXPECT_EQ(std::exchange(calls, 0), 1);
        return ec;
    }

    script& names = install_script();
    asio::io_context io;
    tcp_server server;
    asio::cancellation_signal signal;
    int calls = 0;
    error_code ec;
};

inline duration time_of(const std::function<void()>& f) {
    const auto begin = std::chrono::steady_clock::now();
    f();
    return std::chrono::steady_clock::now() - begin;
}

}  // namespace dial::test
