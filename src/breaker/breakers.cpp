#include <dial/detail/breakers.hpp>

#include <breaker/book.hpp>
#include <report/text.hpp>

#include <mutex>
#include <utility>
#include <variant>

namespace dial::detail {

struct breakers::core {
    explicit core(const breaker_options& with) : options{with}, book{with} {}

    const breaker_options options;
    std::mutex mutex;
    breaking::book book;
};

breakers::breakers(const breaker_options& options) : core_{std::make_unique<core>(options)} {}

breakers::~breakers() = default;

std::optional<breakers::permit> breakers::ask(std::string_view target, time_point now, std::string* why) {
    const std::lock_guard lock{core_->mutex};
    const breaking::answer answer = core_->book.ask(target, now);
    if (const auto* const passes = std::get_if<breaking::let_through>(&answer))
        return permit{passes->with.breaker, passes->with.generation};
    if (!why) return {};
    const auto until = std::get<breaking::refuse>(answer).until;
    *why = until ? "the next one is let through in " + reporting::time_text(*until - now)
                 : "one was let through to see, and has not ended";
    return {};
}

void breakers::on_ended(std::string_view target, const permit& begun_with, const error_code& how, time_point now) {
    // Outside of the lock: the predicate is the user's.
    const breaking::outcome outcome = breaking::outcome_of(how, core_->options);
    const std::lock_guard lock{core_->mutex};
    core_->book.on_ended(target, {begun_with.breaker, begun_with.generation}, outcome, now);
}

}  // namespace dial::detail
