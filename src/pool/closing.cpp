#include <pool/closing.hpp>

#include <boost/asio/append.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/prefer.hpp>

#include <utility>

namespace dial::pooling {

namespace asio = boost::asio;

closing::closing(const asio::any_io_executor& executor, detail::done_handler handler)
    : executor_{executor}, timer_{executor}, handler_{std::move(handler)},
      handlers_work_{
          asio::prefer(asio::get_associated_executor(handler_, executor_), asio::execution::outstanding_work.tracked)} {
}

void closing::start(duration patience) {
    const std::lock_guard lock{mutex_};  // who cancels from another thread finds a wait to end
    auto slot = asio::get_associated_cancellation_slot(handler_);
    if (slot.is_connected())
        slot.assign([weak = weak_from_this()](asio::cancellation_type kind) {
            if ((kind & asio::cancellation_type::all) == asio::cancellation_type::none) return;
            if (const auto self = weak.lock()) self->end(asio::error::operation_aborted);
        });
    timer_.expires_at(saturating_add(std::chrono::steady_clock::now(), patience));
    timer_.async_wait([self = shared_from_this()](error_code) { self->on_timer(); });
}

void closing::on_closed() {
    end({});
}

// What happens first counts.
void closing::end(error_code ec) {
    const std::lock_guard lock{mutex_};
    if (std::exchange(over_, true)) return;
    ec_ = ec;
    timer_.cancel();
}

void closing::on_timer() {
    std::unique_lock lock{mutex_};
    over_ = true;
    auto handler = std::move(handler_);
    const auto work = std::move(handlers_work_);
    const auto executor = asio::get_associated_executor(handler, executor_);
    lock.unlock();
    asio::dispatch(executor, asio::append(std::move(handler), ec_));
}

}  // namespace dial::pooling
