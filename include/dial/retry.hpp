// Tries again what may succeed the next time.
#pragma once

#include <dial/connector.hpp>
#include <dial/detail/retry_operation.hpp>
#include <dial/retry_options.hpp>

#include <memory>
#include <utility>

namespace dial {

/// Repeats a connect through `next` that has failed, after a pause that grows, as `options` say.
///
///   dial::retry(dial::dialer(executor), dial::retry_options().attempts(5).base(100ms))
///
/// Only what may succeed the next time is repeated (`retryable`, unless `retry_options::when` says otherwise), and only as
/// long as the retries of all connects through this connector and its copies are a small part of them (`retry_budget`). A
/// retry for which no time is left is not waited for. All tries are under the request's deadline; the report has all of them,
/// the pauses as phases "backoff". The error is that of the last try.
template <detail::connects Next>
connector<typename Next::stream_type> retry(Next next, retry_options options = {}) {
    using stream = typename Next::stream_type;
    const connector<stream> inside{std::move(next)};
    return detail::connector_access::make<stream, detail::retry_connector<stream>>(inside.get_executor(),
        detail::connector_access::pointer(inside), std::make_shared<detail::retry_rules>(std::move(options)));
}

}  // namespace dial
