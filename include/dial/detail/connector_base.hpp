// What is behind a connector: anything that turns a request into a connected stream.
#pragma once

#include <dial/dialer.hpp>
#include <dial/error.hpp>
#include <dial/request.hpp>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>

#include <memory>

namespace dial::detail {

template <class Stream>
using connect_handler = asio::any_completion_handler<void(error_code, Stream)>;

template <class Stream>
class connector_base : public std::enable_shared_from_this<connector_base<Stream>> {
public:
    connector_base() = default;
    connector_base(const connector_base&) = delete;
    connector_base& operator=(const connector_base&) = delete;
    virtual ~connector_base() = default;

    // The request has an executor. The handler is called on it where it runs with the dial, else on its own; never inside
    // this call. The request's deadline is kept, and cancellation through the handler's slot.
    virtual void start(request&& what, connect_handler<Stream>&& handler, handler_runs where) const = 0;

    virtual Stream unconnected(const asio::any_io_executor& executor) const = 0;
};

template <class Stream>
using connector_pointer = std::shared_ptr<const connector_base<Stream>>;

}  // namespace dial::detail
