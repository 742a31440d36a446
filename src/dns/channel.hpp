// The lookups of one dns_resolver on one io_context: what is asked, who waits for it, and the c-ares channel that sends it,
// with its sockets and its timer.
//
// Everything that happens is a turn under the channel's lock, on whichever thread; answers are handed over after it. Where
// nobody waits any longer, nothing is waited for: a query that is out keeps no io_context at work for its own sake.
#pragma once

#include <dial/detail/no_thread_cancellation.hpp>
#include <dial/resolver.hpp>
#include <dial/time.hpp>
#include <dns/search.hpp>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

struct ares_channeldata;

namespace dial::dns {

namespace asio = boost::asio;

// What a channel goes by.
struct settings {
    std::vector<std::string> servers;  // "address:port"
    std::vector<std::string> domains;
    int ndots = 1;
    duration timeout;
    int tries = 1;
    bool rotate = false;
    std::size_t max_queries = 1;
    bool operator==(const settings&) const = default;
};

class channel : public std::enable_shared_from_this<channel> {
public:
    explicit channel(settings how);
    ~channel();
    channel(const channel&) = delete;
    channel& operator=(const channel&) = delete;

    void ask(const lookup& question, answer_handler done);

    // For good: whoever waits has a failed lookup.
    void close();
    bool closed() const { return closed_; }  // no lock

    // fork(2): nothing happens between the two; the child begins afresh.
    void before_fork() { mutex_.lock(); }
    void after_fork(bool in_child);
    const settings& how() const { return how_; }
    unsigned generation() const { return generation_; }  // fork_generation() when it began

private:
    // One question to the servers. Several lookups may wait for it.
    struct query {
        channel* owner;
        std::string name;
        record_type type;
        std::vector<std::uint64_t> askers = {};  // searches, or the waiters themselves
        bool out = false;                        // with the servers
        bool again = false;                      // it was sent a second time
        bool server_failed = false;              // SERVFAIL was the last word
        bool not_understood = false;             // FORMERR was
        std::optional<answer> given = {};
    };
    using query_key = std::pair<std::string, record_type>;

    // One name that is looked up, by those who asked for it at the same time.
    struct searching {
        searching(std::string of, std::vector<std::string> in_turn)
            : key{std::move(of)}, names{std::move(in_turn)}, engine{names.size()} {}
        std::string key;
        std::vector<std::string> names;
        std::vector<std::uint64_t> waiters;
        search engine;
        std::map<std::pair<std::size_t, record_type>, answer> brought;
    };

    struct waiter {
        std::uint64_t search;  // 0: none, it waits for the query itself
        record_type type;
        answer_handler done;
    };

    struct socket {
        asio::posix::stream_descriptor descriptor;
        std::string server;
        bool datagrams;
        bool wants_read = false, wants_write = false;
        bool reads = false, writes = false;  // a wait is out
    };
    struct ready_handler;
    struct tick_handler;
    struct socket_functions;  // what c-ares calls; in io.cpp
    using socket_map = std::unordered_map<std::uint64_t, socket>;

    template <class What>
    void turn(What happens) {
        std::vector<std::pair<answer_handler, answer>> deliveries;
        std::vector<answer_handler> dropped;
        {
            const detail::no_thread_cancellation guard;
            const std::lock_guard lock{mutex_};
            try {
                happens();
                settle();
            } catch (...) {  // no memory
                fail_all({ENOMEM, boost::system::system_category()});
            }
            deliveries.swap(deliveries_);
            dropped.swap(dropped_);
        }
        for (auto& [done, given] : deliveries) done(std::move(given));
    }
    void settle();

    // --- Lookups: channel.cpp ---
    void give_up(std::uint64_t id);
    void begin(std::uint64_t id, const lookup& question);
    void go_on(std::uint64_t search);
    void end(std::map<std::uint64_t, searching>::iterator search);
    void ask_for(std::uint64_t asker, const std::string& name, record_type type);
    void hear(const query& over);
    void hear(std::uint64_t search, const query& over);
    answer result_of(const searching& s, const search::end& end, record_type type) const;
    void finish(std::uint64_t waiter, answer given);
    void fail_all(error_code why) noexcept;

    // --- c-ares: io.cpp ---
    bool open();
    void shut() noexcept;
    void stop_asking() noexcept;
    void send(query& q);
    void on_reply(query& q, int status, const unsigned char* message, int size) noexcept;
    answer read_reply(query& q, int status, const unsigned char* message, int size) const;
    void on_ready(std::uint64_t socket, bool writable);
    void on_tick(error_code ec);
    void wait_for_sockets();
    void wait_for_time();
    socket_map::iterator find_socket(int fd);

    const settings how_;
    mutable std::mutex mutex_;
    std::atomic<bool> closed_ = false;
    std::atomic<unsigned> generation_;
    asio::any_io_executor executor_;  // of whoever asked first; empty while nothing is being asked
    std::vector<std::pair<answer_handler, answer>> deliveries_;  // of this turn
    std::vector<answer_handler> dropped_;

    std::uint64_t next_id_ = 1;
    std::map<std::uint64_t, waiter> waiters_;
    std::map<std::uint64_t, searching> searches_;
    std::map<std::string, std::uint64_t> searches_by_name_;
    std::map<query_key, query> queries_;
    std::deque<query_key> to_send_;
    std::size_t out_ = 0;       // queries that are with the servers
    std::vector<query*> over_;  // queries that were answered in this turn

    ares_channeldata* ares_ = nullptr;
    bool silent_ = false;  // what c-ares calls back is of no interest
    socket_map sockets_;
    std::unique_ptr<asio::steady_timer> timer_;
    time_point armed_until_ = time_point::max();
    bool sent_ = false;                        // in this turn
    const std::string* heard_from_ = nullptr;  // whom the datagram came from that is being read
    int rcode_ = -1;                           // what it says
};

}  // namespace dial::dns
