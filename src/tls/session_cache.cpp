#include <tls/session_cache.hpp>

#include <iterator>
#include <utility>

namespace dial::detail {
namespace {

bool is_over(const SSL_SESSION* session, std::chrono::system_clock::time_point now) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
    const auto age = seconds - ::SSL_SESSION_get_time(session);
    if (age >= ::SSL_SESSION_get_timeout(session)) return true;
    // OpenSSL offers no ticket that is older than its server said; one that is for one use would be lost.
    const auto hint = static_cast<long>(::SSL_SESSION_get_ticket_lifetime_hint(session));
    return ::SSL_SESSION_has_ticket(session) && hint != 0 && age >= hint;
}

bool is_for_one_use(const SSL_SESSION* session) {
    return ::SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION;
}

}  // namespace

void session_cache::store(std::string_view host, session_pointer session) {
    if (max_hosts_ == 0 || !session || !::SSL_SESSION_is_resumable(session.get())) return;
    const std::lock_guard lock{mutex_};
    const auto known = by_host_.find(host);
    entries::iterator place;
    if (known != by_host_.end()) {
        place = known->second;
    } else {
        entries fresh;
        fresh.push_back({std::string{host}, {}});
        by_host_.emplace(fresh.front().host, fresh.begin());
        all_.splice(all_.end(), fresh);
        place = std::prev(all_.end());
        if (all_.size() > max_hosts_) {
            by_host_.erase(all_.front().host);
            all_.pop_front();
        }
    }
    all_.splice(all_.end(), all_, place);
    if (place->sessions.size() == max_for_each) place->sessions.erase(place->sessions.begin());
    place->sessions.push_back(std::move(session));
}

session_pointer session_cache::take(std::string_view host, std::chrono::system_clock::time_point now) {
    const std::lock_guard lock{mutex_};
    const auto known = by_host_.find(host);
    if (known == by_host_.end()) return {};
    const auto place = known->second;
    std::erase_if(place->sessions, [now](const session_pointer& each) { return is_over(each.get(), now); });
    session_pointer taken;
    if (!place->sessions.empty()) {
        all_.splice(all_.end(), all_, place);
        if (is_for_one_use(place->sessions.back().get())) {
            taken = std::move(place->sessions.back());
            place->sessions.pop_back();
        } else {
            // A copy: OpenSSL spoils the session of a connection that is closed without a good-bye.
            taken.reset(::SSL_SESSION_dup(place->sessions.back().get()));
        }
    }
    if (place->sessions.empty()) {
        by_host_.erase(known);
        all_.erase(place);
    }
    return taken;
}

void session_cache::drop(std::string_view host) {
    const std::lock_guard lock{mutex_};
    const auto known = by_host_.find(host);
    if (known == by_host_.end()) return;
    const auto place = known->second;
    by_host_.erase(known);
    all_.erase(place);
}

std::size_t session_cache::size() const {
    const std::lock_guard lock{mutex_};
    std::size_t count = 0;
    for (const entry& each : all_) count += each.sessions.size();
    return count;
}

void session_cache::clear() {
    const std::lock_guard lock{mutex_};
    by_host_.clear();
    all_.clear();
}

}  // namespace dial::detail
