// Keeps what another resolver answers.
#pragma once

#include <dial/resolver.hpp>
#include <dial/time.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>

namespace dial {

/// What caching_resolver keeps, and for how long.
class cache_options {
public:
    cache_options() = default;

    /// How many answers; the one that was not used for longest goes first. Default 10,000; zero keeps none.
    cache_options& max_entries(std::size_t count) {
        max_entries_ = count;
        return *this;
    }
    std::size_t max_entries() const noexcept { return max_entries_; }

    /// Answers are kept for at least this long, whatever their TTL. Default: zero.
    cache_options& min_ttl(duration floor) {
        min_ttl_ = floor;
        return *this;
    }
    duration min_ttl() const noexcept { return min_ttl_; }

    /// And at most this long. Default: a day.
    cache_options& max_ttl(duration ceiling) {
        max_ttl_ = ceiling;
        return *this;
    }
    duration max_ttl() const noexcept { return max_ttl_; }

    /// That there is no such name or record is kept at most this long. Default: 15 minutes (RFC 2308 section 5: one to
    /// three hours work well; a service that comes into being should be seen soon).
    cache_options& max_negative_ttl(duration ceiling) {
        max_negative_ttl_ = ceiling;
        return *this;
    }
    duration max_negative_ttl() const noexcept { return max_negative_ttl_; }

    /// For answers without a TTL, such as those of system_resolver. Default: 30 s; zero keeps none.
    cache_options& default_ttl(duration d) {
        default_ttl_ = d;
        return *this;
    }
    duration default_ttl() const noexcept { return default_ttl_; }

    /// Answers whose time is over are given for this much longer where asking anew fails, or takes longer than `patience`
    /// (RFC 8767). Default: zero, never; the RFC suggests one to three days, and 1.8 s.
    cache_options& serve_stale(duration for_how_long, duration patience = std::chrono::milliseconds{1800}) {
        serve_stale_ = for_how_long;
        patience_ = patience;
        return *this;
    }
    duration serve_stale() const noexcept { return serve_stale_; }
    duration patience() const noexcept { return patience_; }

private:
    std::size_t max_entries_ = 10'000;
    duration min_ttl_ = duration::zero(), max_ttl_ = std::chrono::hours{24},
             max_negative_ttl_ = std::chrono::minutes{15}, default_ttl_ = std::chrono::seconds{30},
             serve_stale_ = duration::zero(), patience_ = std::chrono::milliseconds{1800};
};

/// What a cache has done so far.
struct cache_counters {
    std::uint64_t hits = 0;       ///< answered from the cache
    std::uint64_t misses = 0;     ///< asked the other resolver
    std::uint64_t stale = 0;      ///< answered with what was over its time
    std::uint64_t coalesced = 0;  ///< waited for a question that was out already
    std::size_t size = 0;         ///< answers kept now
};
static_assert(std::is_trivially_destructible_v<cache_counters>);

/// Keeps the answers of another resolver as long as their TTL says, also those that there is nothing (RFC 2308). What failed
/// for other reasons is not kept. Questions for a name and type that are asked at the same time are asked once
/// on each io_context.
///
///   dial::caching_resolver names{dial::dns_resolver{}};
///   dial::dialer d{executor, {}, names};
///
/// A handle: copies share the cache. Thread-safe, and usable with several io_contexts at once.
class caching_resolver : public resolver_base {
public:
    /// `next`: the one to ask; empty: the system's.
    explicit caching_resolver(resolver next = {}, cache_options options = {});

    /// Answers inside this call what is in the cache.
    void start(const lookup& question, answer_handler done) override;
    void start_records(const lookup& question, answer_handler done) override;

    cache_counters counters() const;
    /// Forgets all answers. Questions that are out are not touched.
    void clear();

    class core;  // src/cache/core.hpp

private:
    std::shared_ptr<core> core_;
};

}  // namespace dial
