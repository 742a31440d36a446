// What a report says of a wait that was in vain.
#include <dial/detail/acquire_operation.hpp>

#include <chrono>
#include <cstddef>
#include <string>

namespace dial::detail {
namespace {

std::string count(std::size_t number, const char* one, const char* many) {
    return std::to_string(number) + (number == 1 ? one : many);
}

std::string ago(duration since) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(since).count();
    if (ms < 10'000) return std::to_string(ms) + " ms ago";
    return std::to_string(ms / 1000) + " s ago";
}

std::string last_failure(const vain_wait& why, time_point now) {
    if (!why.last) return {};
    return "; the last one failed " + ago(now - why.last->when) + ": " + why.last->error.message();
}

std::string others(const vain_wait& why) {
    return why.counts.waiting == 0 ? "" : ", and " + count(why.counts.waiting, " more waits", " more wait");
}

}  // namespace

std::string explain(const vain_wait& why, const pool_options& options, time_point now) {
    const pool_counts& are = why.counts;
    if (why.own) return "the connect that was made for those who wait failed";
    if (why.error == error::pool_full) {
        const std::size_t here = are.in_use + are.idle + are.checking + are.connecting;
        if (here < options.max_per_target())
            return "all " + std::to_string(why.in_all) + " connections of the pool are taken, " + std::to_string(here) +
                " of them by this target" + others(why);
        return (here == 1 ? std::string{"the one connection to this target is in use"}
                          : "all " + std::to_string(here) + " connections to this target are in use") +
            others(why);
    }
    if (why.error == error::pool_unreachable) {
        std::string text = count(are.connecting + are.checking, " connect is", " connects are") + " under way";
        if (are.connecting + are.checking == 0) text = "no connection could be opened";
        return text + last_failure(why, now) + others(why);
    }
    if (why.error == error::too_many_waiters) return count(are.waiting, " waits already", " wait already");
    return {};
}

}  // namespace dial::detail
