// One wait for the end of a pool.
#pragma once

#include <dial/detail/stream_function.hpp>
#include <dial/time.hpp>

#include <boost/asio/any_completion_executor.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <memory>
#include <mutex>

namespace dial::pooling {

// While it waits, only a timer holds it: it goes when its io_context goes.
class closing : public std::enable_shared_from_this<closing> {
public:
    closing(const boost::asio::any_io_executor& executor, detail::done_handler handler);

    void start(duration patience);
    // The last connection has come back. From any thread.
    void on_closed();

private:
    void on_timer();
    void end(error_code ec);

    std::mutex mutex_;
    bool over_ = false;
    error_code ec_ = error::timeout;
    boost::asio::any_io_executor executor_;
    boost::asio::steady_timer timer_;
    detail::done_handler handler_;
    boost::asio::any_completion_executor handlers_work_;
};

}  // namespace dial::pooling
