// A limit for every connect through a connector.
#pragma once

#include <dial/connector.hpp>
#include <dial/time.hpp>

#include <algorithm>
#include <utility>

namespace dial {

namespace detail {

// Nothing runs here: the deadline goes into the request, and every connector keeps it.
template <class Stream>
class timeout_connector final : public connector_base<Stream> {
public:
    timeout_connector(connector_pointer<Stream> next, duration limit) : next_{std::move(next)}, limit_{limit} {}

    void start(request&& what, connect_handler<Stream>&& handler, handler_runs where) const override {
        const time_point end = saturating_add(std::chrono::steady_clock::now(), limit_);
        what.deadline(std::min(end, what.deadline().value_or(time_point::max())));
        next_->start(std::move(what), std::move(handler), where);
    }
    Stream unconnected(const asio::any_io_executor& executor) const override { return next_->unconnected(executor); }

private:
    const connector_pointer<Stream> next_;
    const duration limit_;
};

}  // namespace detail

/// Limits each connect through `next` to `limit`, everything inside it included; the request's deadline counts too if it is
/// earlier. Zero or less: `error::timeout` at once; `never`: no limit.
///
/// Costs nothing: the limit travels in the request, and whatever waits inside keeps it.
template <detail::connects Next, class Rep, class Period>
connector<typename Next::stream_type> timeout(Next next, std::chrono::duration<Rep, Period> limit) {
    using stream = typename Next::stream_type;
    const connector<stream> inside{std::move(next)};
    return detail::connector_access::make<stream, detail::timeout_connector<stream>>(
        inside.get_executor(), detail::connector_access::pointer(inside), to_duration(limit));
}

}  // namespace dial
