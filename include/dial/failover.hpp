// One of several servers that do the same.
#pragma once

#include <dial/connector.hpp>
#include <dial/detail/failover_operation.hpp>
#include <dial/failover_options.hpp>

#include <utility>
#include <vector>

namespace dial {

/// Connects through `next` to one of `targets`: to the first that can be connected to, in this order, shuffled, or raced.
///
///   auto db = dial::failover(dial::dialer(executor), {"db1.internal:5432", "db2.internal:5432"});
///   auto stream = co_await db.connect("db.internal:5432");
///
/// They stand in for the request's target, which only names the whole in the report. A layer outside of this one sees that
/// name: to have each server's certificate verified for its own, put `tls` inside, `failover(tls(...), {...})`. If all fail, the
/// error is the most telling of theirs, as among the addresses of a host; without any target, `error::no_addresses`. A deadline
/// is for all together: under it, a server that is silent may use it up, unless they are raced or there is a `timeout` inside.
template <detail::connects Next>
connector<typename Next::stream_type> failover(Next next, std::vector<target> targets, failover_options options = {}) {
    using stream = typename Next::stream_type;
    const connector<stream> inside{std::move(next)};
    return detail::connector_access::make<stream, detail::failover_connector<stream>>(
        inside.get_executor(), detail::connector_access::pointer(inside), std::move(targets), options);
}

}  // namespace dial
