// An idle connection of a pool, on its way to somebody who need not wait.
#pragma once

#include <dial/detail/acquire_operation.hpp>
#include <dial/detail/pool_hub.hpp>
#include <dial/detail/post_straight.hpp>
#include <dial/lease.hpp>

#include <boost/asio/recycling_allocator.hpp>

#include <memory>
#include <utility>

namespace dial::detail {

template <class Stream>
void start_waiting(
    std::shared_ptr<pool_hub> hub, request&& what, connect_handler<lease<Stream>>&& handler, handler_runs where) {
    using operation = acquire_operation<Stream>;
    std::allocate_shared<operation>(
        asio::recycling_allocator<operation>{}, std::move(hub), std::move(what), std::move(handler), where)
        ->start();
}

// What a turn of the executor turns into a lease; the reactor was asked in between. What has ended until then is not handed out.
template <class Stream>
struct idle_handover {
    reserved_loan reserved;
    request what;
    connect_handler<lease<Stream>> handler;

    void operator()() {
        const auto& hub = reserved.got.from();
        if (hub->confirm(reserved)) return std::move(handler)(error_code{}, lease<Stream>{std::move(reserved.got)});
        std::shared_ptr<pool_hub> still = hub;
        reserved.got.forget();
        start_waiting<Stream>(std::move(still), std::move(what), std::move(handler), handler_runs::with_the_dial);
    }
};

template <class Stream>
void start_acquire(const std::shared_ptr<pool_hub>& hub, request&& what, connect_handler<lease<Stream>>&& handler,
    handler_runs where) {
    // A report tells of the wait, too.
    if (where == handler_runs::with_the_dial && !what.report())
        if (reserved_loan reserved = hub->reserve(what.to()); reserved.got) {
            const asio::any_io_executor executor = what.executor();
            return post_straight(
                executor, idle_handover<Stream>{std::move(reserved), std::move(what), std::move(handler)});
        }
    start_waiting<Stream>(hub, std::move(what), std::move(handler), where);
}

}  // namespace dial::detail
