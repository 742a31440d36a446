// Writes the statistics of a pool as Prometheus reads them (text exposition format 0.0.4). Copy it, and change it as you like.
//
//   std::string body = to_prometheus(pool.stats());  // Content-Type: text/plain; version=0.0.4; charset=utf-8
//
// A series for each target that the pool remembers. One that it has forgotten (it remembers a thousand that are not in use) starts
// from zero when it comes back, which Prometheus takes for a restart. Where targets come from users, sum them up instead.
#pragma once

#include <dial/pool_event.hpp>
#include <dial/pool_stats.hpp>

#include <array>
#include <charconv>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

inline constexpr std::string_view prometheus_content_type = "text/plain; version=0.0.4; charset=utf-8";

/// In a label's value a backslash, a quote and a line feed are escaped, and nothing else.
inline std::string escaped_label(std::string_view value) {
    std::string result;
    for (const char c : value) {
        if (c == '\\' || c == '"') result += '\\';
        c == '\n' ? result += "\\n" : result += c;
    }
    return result;
}

class prometheus_text {
public:
    explicit prometheus_text(const dial::pool_stats& stats) : stats_{stats} {}

    void head(std::string_view name, std::string_view type, std::string_view help) {
        name_ = "dial_pool_";
        name_ += name;
        text_ += "# HELP " + name_ + ' ' + std::string{help} + "\n# TYPE " + name_ + ' ' + std::string{type} + '\n';
    }
    /// `more`: labels beside that of the target, as `,state="idle"`.
    template <class Number>
    void sample(
        const dial::target_counts& of, Number value, std::string_view suffix = {}, const std::string& more = {}) {
        text_ += name_;
        text_ += suffix;
        text_ += "{target=\"" + escaped_label(of.target.to_string()) + '"' + more + "} " + number(value) + '\n';
    }

    /// A family with a sample for each target: what `value(counts)` says.
    template <class Function>
    void family(std::string_view name, std::string_view type, std::string_view help, Function&& value) {
        head(name, type, help);
        for (const auto& each : stats_.targets) sample(each, value(each.counts));
    }

    std::string text() && { return std::move(text_); }

    /// Whatever the locale, and with a point: "0.0005".
    static std::string number(double value) {
        std::array<char, 64> digits;
        const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value, std::chars_format::general);
        return {digits.data(), end.ptr};
    }
    static std::string number(std::integral auto value) { return std::to_string(value); }

private:
    const dial::pool_stats& stats_;
    std::string name_, text_;
};

inline std::string to_prometheus(const dial::pool_stats& stats) {
    using seconds = std::chrono::duration<double>;
    prometheus_text out(stats);

    out.head("connections", "gauge", "Connections that there are, by what they do.");
    for (const auto& each : stats.targets) {
        out.sample(each, each.counts.in_use, {}, ",state=\"in_use\"");
        out.sample(each, each.counts.idle, {}, ",state=\"idle\"");
        out.sample(each, each.counts.connecting, {}, ",state=\"connecting\"");
        out.sample(each, each.counts.checking, {}, ",state=\"checking\"");
    }
    out.family("waiting", "gauge", "Who waits for a connection now.", [](const auto& c) { return c.waiting; });

    out.family("opened_total", "counter", "Connects that succeeded.", [](const auto& c) { return c.opened; });
    out.family("open_failed_total", "counter", "Connects that failed.", [](const auto& c) { return c.open_failed; });
    out.family("given_up_total", "counter", "Connects that were given up.", [](const auto& c) { return c.given_up; });
    out.family("acquired_total", "counter", "Connections handed out.", [](const auto& c) { return c.acquired; });
    out.family("reused_total", "counter", "Connections handed out that somebody had had before.",
        [](const auto& c) { return c.reused; });
    out.family(
        "wait_timeouts_total", "counter", "Waits that took too long.", [](const auto& c) { return c.wait_timeouts; });
    out.family("turned_away_total", "counter", "Waits refused because too many waited.",
        [](const auto& c) { return c.turned_away; });
    out.family("cancelled_total", "counter", "Waits that were cancelled.", [](const auto& c) { return c.cancelled; });

    out.head("closed_total", "counter", "Connections closed, by reason.");
    for (const auto& each : stats.targets)
        for (std::size_t i = 0; i != dial::close_reasons; ++i)
            out.sample(each, each.counts.closed[i], {},
                ",reason=\"" + std::string{to_string(static_cast<dial::close_reason>(i))} + '"');

    // Here the buckets are cumulative: each has what took as long or less.
    out.head("wait_seconds", "histogram", "How long those who got a connection had waited for it.");
    for (const auto& each : stats.targets) {
        const dial::wait_histogram& waits = each.counts.waits;
        std::uint64_t so_far = 0;
        for (std::size_t i = 0; i != waits.counts.size(); ++i) {
            so_far += waits.counts[i];
            const auto le = i == waits.bounds.size() ? "+Inf" : out.number(seconds{waits.bounds[i]}.count());
            out.sample(each, so_far, "_bucket", ",le=\"" + le + '"');
        }
        out.sample(each, seconds{waits.sum}.count(), "_sum");
        out.sample(each, so_far, "_count");
    }
    return std::move(out).text();
}
