// The TLS sessions of many hosts, for resumption; bounded, thread-safe.
#pragma once

#include <openssl/ssl.h>

#include <chrono>
#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace dial::detail {

struct session_free {
    void operator()(SSL_SESSION* session) const noexcept { ::SSL_SESSION_free(session); }
};
using session_pointer = std::unique_ptr<SSL_SESSION, session_free>;

class session_cache {
public:
    // Where there are too many hosts, the one that was not used for longest goes.
    explicit session_cache(std::size_t max_hosts) : max_hosts_{max_hosts} {}

    // The oldest of a host's sessions goes where they are too many. One that cannot be resumed is not kept.
    void store(std::string_view host, session_pointer session);

    // The newest that is not over at `now`; none if there is none. One of TLS 1.3 is handed out once: who sees it twice can
    // tell that it is the same client (RFC 8446 appendix C.4). An older one stays.
    session_pointer take(std::string_view host, std::chrono::system_clock::time_point now);

    // Resuming has failed there.
    void drop(std::string_view host);

    std::size_t size() const;  // in sessions
    void clear();

private:
    static constexpr std::size_t max_for_each = 4;  // servers send two at a time

    struct entry {
        std::string host;
        std::vector<session_pointer> sessions;  // the newest is the last
    };
    using entries = std::list<entry>;  // the one that was used last is the last

    mutable std::mutex mutex_;
    const std::size_t max_hosts_;
    entries all_;
    std::unordered_map<std::string_view, entries::iterator> by_host_;  // its keys are the entries'
};

}  // namespace dial::detail
