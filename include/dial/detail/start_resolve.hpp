// Where a question to a resolver begins. Compiled.
#pragma once

#include <dial/error.hpp>
#include <dial/resolver.hpp>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>

namespace dial::detail {

namespace asio = boost::asio;

using answer_completion = asio::any_completion_handler<void(error_code, answer)>;

void start_resolve(
    const asio::any_io_executor& executor, const resolver& names, const lookup& question, answer_completion handler);

}  // namespace dial::detail
