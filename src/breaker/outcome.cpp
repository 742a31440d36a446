#include <breaker/engine.hpp>

#include <boost/system/errc.hpp>

#include <utility>

namespace dial {
namespace {

bool is_cancelled(const error_code& error) {  // asio::error::operation_aborted
    return error == boost::system::errc::operation_canceled;
}

}  // namespace

bool counts_as_failure(const error_code& error) {
    return error && !is_cancelled(error) && error != error::invalid_target && error != error::invalid_option &&
        error != error::breaker_open;
}

// Not in the header: inlined into a user's code, GCC 12 warns of bytes in an empty lambda that nobody reads.
breaker_options& breaker_options::counts(std::function<bool(const error_code&)> predicate) {
    counts_ = predicate ? std::move(predicate) : counts_as_failure;
    return *this;
}

namespace breaking {

outcome outcome_of(const error_code& result, const breaker_options& options) {
    if (!result) return outcome::connected;
    return !is_cancelled(result) && options.counts()(result) ? outcome::failed : outcome::unknown;
}

}  // namespace breaking
}  // namespace dial
