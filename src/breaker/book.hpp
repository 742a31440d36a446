// The breakers of many targets, and no more than so many. Pure: no clock but `now`.
#pragma once

#include <breaker/engine.hpp>
#include <dial/breaker_options.hpp>
#include <dial/time.hpp>

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

namespace dial::breaking {

// Where there are too many targets, the one goes that was not used for longest, and whose breaker is closed; only if there is
// none such, one that is not. A target that was forgotten is new: its breaker is closed, and of connects begun before, nothing
// counts.
class book {
public:
    explicit book(const breaker_options& options) : options_{options} {}

    // As the engine's. Targets are the same if their texts are.
    answer ask(std::string_view target, time_point now);
    void on_ended(std::string_view target, const permit& begun_with, outcome how, time_point now) noexcept;

    std::size_t size() const { return by_target_.size(); }
    std::size_t tripped() const { return tripped_.size(); }  // of which that many are not closed

private:
    struct entry {
        std::string target;
        engine breaker;
    };
    using entries = std::list<entry>;  // the one that was used last is the last

    entries::iterator add(std::string_view target);
    void drop_one();

    breaker_options options_;
    std::uint64_t next_identity_ = 0;
    entries closed_, tripped_;
    std::unordered_map<std::string_view, entries::iterator> by_target_;  // its keys are the entries'
};

}  // namespace dial::breaking
