#include <dial/detail/retry_operation.hpp>

#include <chance.hpp>

#include <utility>

namespace dial::detail {

retry_rules::retry_rules(retry_options options)
    : options_{std::move(options)}, budget_{options_.budget().value_or(retry_budget{})} {}

retrying::engine retry_rules::begin(time_point now, time_point deadline) {
    budget_.on_first_try(now);
    return retrying::engine{options_, now, deadline};
}

retrying::step retry_rules::on_failed(retrying::engine& engine, const error_code& ec, time_point now) {
    return engine.on_failed(options_.when()(ec), now, chance(), [&] { return budget_.withdraw(now); });
}

std::string_view words_for(retrying::give_up::cause why) {
    using enum retrying::give_up::cause;
    switch (why) {  // no default: the compiler names the case we forget
        case not_retryable: return "";
        case attempts: return "no more tries are allowed";
        case total_time: return "no time is left for another try";
        case deadline: return "the deadline is too near for another try";
        case budget: return "the retry budget is used up: too many connects are failing";
    }
    return "";
}

}  // namespace dial::detail
