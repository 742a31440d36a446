// No more connects at a time, or a second, than a server can bear.
#pragma once

#include <dial/connector.hpp>
#include <dial/detail/limit_operation.hpp>
#include <dial/limit_options.hpp>

#include <utility>

namespace dial {

/// Lets so many connects through `next` run at a time, and start in a second; the others wait, first come, first served.
///
///   dial::limit(dial::dialer(executor), 8)
///   dial::limit(dial::dialer(executor), dial::limit_options(8).per_second(50).burst(10))
///
/// All connects through this connector and its copies count, whatever their targets and threads. A place is given back when the
/// connect has ended; the connections themselves are not counted. One that waits can be cancelled, and keeps its deadline; the
/// report has the wait as a phase "wait".
template <detail::connects Next>
connector<typename Next::stream_type> limit(Next next, limit_options options) {
    using stream = typename Next::stream_type;
    const connector<stream> inside{std::move(next)};
    return detail::connector_access::make<stream, detail::limit_connector<stream>>(
        inside.get_executor(), detail::connector_access::pointer(inside), options);
}

}  // namespace dial
