// Writes what happens in a pool to a spdlog logger, a line per event with fields as key=value. Copy it, and change it as you like.
//
//   options.observe(log_to(spdlog::default_logger()));
#pragma once

#include <dial/pool_event.hpp>
#include <dial/report.hpp>

#include <spdlog/spdlog.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

/// Routine is `debug` or `trace`; what a server does to idle connections `info`; what costs somebody a connection `warn`.
inline spdlog::level::level_enum level_of(const dial::pool_event& e) {
    switch (e.what) {
        case dial::pool_event::subject::opening:
        case dial::pool_event::subject::returned:
        case dial::pool_event::subject::checked: return spdlog::level::trace;
        case dial::pool_event::subject::opened:
        case dial::pool_event::subject::acquired: return spdlog::level::debug;
        case dial::pool_event::subject::closed:
            return e.why == dial::close_reason::dead || e.why == dial::close_reason::check_failed
                ? spdlog::level::info
                : spdlog::level::debug;
        case dial::pool_event::subject::open_failed:
        case dial::pool_event::subject::wait_ended: return spdlog::level::warn;
    }
    return spdlog::level::warn;
}

/// In quotes, on one line whatever it has in it.
inline std::string quoted(std::string_view text) {
    std::string result = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') result += '\\';
        const bool printable = static_cast<unsigned char>(c) >= 0x20 && c != 0x7f;
        printable ? result += c : result += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
    return result += '"';
}

/// What is to be told of this event by itself, beside the numbers that all have.
inline std::string fields_of(const dial::pool_event& e) {
    using milliseconds = std::chrono::duration<double, std::milli>;
    const auto waited = fmt::format(" waited_ms={:.3f}", milliseconds{e.waited}.count());
    switch (e.what) {
        case dial::pool_event::subject::acquired: return fmt::format(" reused={}{}", e.reused, waited);
        case dial::pool_event::subject::closed: return fmt::format(" why={}", to_string(e.why));
        case dial::pool_event::subject::wait_ended: return " error=" + quoted(e.error.message()) + waited;
        case dial::pool_event::subject::open_failed:
        case dial::pool_event::subject::opened: break;
        default: return {};
    }
    std::string text;
    if (e.error) text += " error=" + quoted(e.error.message());
    if (e.story) text += fmt::format(" took_ms={:.3f}", milliseconds{e.story->total()}.count());
    return text;
}

inline std::function<void(const dial::pool_event&)> log_to(std::shared_ptr<spdlog::logger> logger) {
    return [logger = std::move(logger)](const dial::pool_event& e) {
        const auto level = level_of(e);
        if (!logger->should_log(level)) return;
        try {
            const auto which = e.connection == 0 ? std::string{} : fmt::format(" connection={}", e.connection);
            logger->log(level, "pool {} target={}{}{} in_use={} idle={} connecting={} waiting={}", to_string(e.what),
                quoted(e.target), which, fields_of(e), e.in_use, e.idle, e.connecting, e.waiting);
        } catch (...) {  // an observer must not throw: rather one line less
        }
    };
}
