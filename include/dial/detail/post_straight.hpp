// Posts what is posted often.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <utility>

namespace dial::detail {

namespace asio = boost::asio;

// An io_context behind any_io_executor is looked through: that saves three type-erased calls and an allocation.
template <class Function>
void post_straight(const asio::any_io_executor& executor, Function&& function) {
    if (const auto* const context = executor.target<asio::io_context::executor_type>())
        return asio::post(*context, std::forward<Function>(function));
    asio::post(executor, std::forward<Function>(function));
}

}  // namespace dial::detail
