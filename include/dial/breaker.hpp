// Leaves a server alone that has failed too often in a row.
#pragma once

#include <dial/breaker_options.hpp>
#include <dial/connector.hpp>
#include <dial/detail/breaker_operation.hpp>

#include <utility>

namespace dial {

/// A circuit breaker in front of `next`, one for each target: after a run of failures, connects fail at once, until one that is
/// let through to see succeeds.
///
///   dial::breaker(dial::dialer(executor), dial::breaker_options().failures(5).open_for(10s))
///
/// All connects through this connector and its copies count. One that is refused completes with `error::breaker_open`, before
/// any system call. Inside a retry, it keeps the retries from hammering; around one, it counts what the retries came to.
template <detail::connects Next>
connector<typename Next::stream_type> breaker(Next next, breaker_options options = {}) {
    using stream = typename Next::stream_type;
    const connector<stream> inside{std::move(next)};
    return detail::connector_access::make<stream, detail::breaker_connector<stream>>(
        inside.get_executor(), detail::connector_access::pointer(inside), options);
}

}  // namespace dial
