// Runs one dial to a unix socket: one attempt, by connect(), with its story told.
#include <dial/connect.hpp>
#include <dialer/final_call.hpp>
#include <dialer/settings.hpp>
#include <dialer/story.hpp>

#include <boost/asio/any_completion_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/prefer.hpp>

#include <algorithm>
#include <memory>
#include <mutex>
#include <utility>

namespace dial::detail {
namespace {

using protocol = asio::local::stream_protocol;
using clock = std::chrono::steady_clock;
using last_call = final_call<local_handler, protocol::socket>;

// Between the caller's slot and the attempt's, where a dial begins later than it was asked for. Locked while it begins:
// an observer may cancel on the same thread, and the caller on another one.
struct early_cancellation {
    std::recursive_mutex mutex = {};
    bool wanted = false;
    asio::cancellation_signal attempt = {};
};

class canceller {
public:
    explicit canceller(std::shared_ptr<early_cancellation> what) : what_{std::move(what)} {}

    void operator()(asio::cancellation_type kind) const {
        if ((kind & asio::cancellation_type::all) == asio::cancellation_type::none) return;
        const auto what = what_;
        const std::lock_guard lock{what->mutex};
        what->wanted = true;
        what->attempt.emit(kind);
    }

private:
    std::shared_ptr<early_cancellation> what_;  // the slot keeps this for as long as it likes
};

struct local_dial {
    request what;
    std::shared_ptr<const dialer_settings> settings;
    local_handler handler;
    handler_runs where;
    asio::any_io_executor executor;
    story told;
    time_point begun = clock::now();
    std::shared_ptr<early_cancellation> cancellation = {};
    asio::any_completion_executor handlers_work = {};

    local_dial(request w, std::shared_ptr<const dialer_settings> s, local_handler h, handler_runs r)
        : what{std::move(w)}, settings{std::move(s)}, handler{std::move(h)}, where{r}, executor{what.executor()},
          told{what, settings.get()} {
        if (where == handler_runs::elsewhere)
            handlers_work = asio::prefer(
                asio::get_associated_executor(handler, executor), asio::execution::outstanding_work.tracked);
        told.begin(what.to(), begun);
    }

    // What is left for the attempt at `now`; zero or less: nothing.
    duration limit(time_point now) const {
        const options& with = settings->options;
        const time_point end =
            std::min(saturating_add(begun, with.timeout), what.deadline().value_or(time_point::max()));
        if (end <= now) return duration::zero();
        return std::min(end == time_point::max() ? never : end - now, with.attempt_timeout);
    }

    void tell_start() const {
        if (!told.told()) return;
        const std::string path = what.to().to_string();
        const time_point now = clock::now();
        told.tell({.when = now, .phase = "connect"});
        told.tell({.what = event::subject::attempt, .when = now, .path = path});
    }

    void tell_end(error_code ec) const {
        if (!told.told()) return;
        const std::string path = what.to().to_string();
        const time_point now = clock::now();
        const outcome how = !ec                    ? outcome::done
            : ec == error::timeout                 ? outcome::timed_out
            : ec == asio::error::operation_aborted ? outcome::cancelled
                                                   : outcome::failed;
        const error_code why = how == outcome::cancelled ? error_code{} : ec;
        told.tell(
            {.what = event::subject::attempt, .ended = true, .when = now, .how = how, .error = why, .path = path});
        told.tell({.ended = true, .when = now, .how = how, .error = why, .phase = "connect"});
    }

    last_call take_last_call(error_code ec, protocol::socket socket) {
        told.end(ec, clock::now());
        return {std::move(handler), ec, std::move(socket), what.report(), told.take()};
    }
};

// The handler of the one attempt. It brings the slot; where the attempt completes is where the dial runs.
class attempt_handler {
public:
    explicit attempt_handler(std::unique_ptr<local_dial> dial) : dial_{std::move(dial)} {}

    using cancellation_slot_type = asio::cancellation_slot;
    cancellation_slot_type get_cancellation_slot() const noexcept {
        if (dial_->cancellation) return dial_->cancellation->attempt.slot();
        return asio::get_associated_cancellation_slot(dial_->handler);
    }

    void operator()(error_code ec, protocol::socket socket) {
        const auto dial = std::move(dial_);
        dial->tell_end(ec);
        auto call =
            dial->take_last_call(ec, std::move(socket));  // the dial keeps the handler's executor at work till then
        if (dial->where == handler_runs::with_the_dial) return call();
        last_call::post(std::move(call), dial->executor, dial->where);
    }

private:
    std::unique_ptr<local_dial> dial_;
};

void finish_without_attempt(local_dial& dial, error_code why) {
    last_call::post(dial.take_last_call(why, protocol::socket{dial.executor}), dial.executor, dial.where);
}

void begin(std::unique_ptr<local_dial> dial) {
    const auto cancellation = dial->cancellation;
    const auto lock = cancellation ? std::unique_lock{cancellation->mutex} : std::unique_lock<std::recursive_mutex>{};
    const auto cancelled = [&] { return cancellation && cancellation->wanted; };

    const target& to = dial->what.to();
    if (!to.is_unix()) return finish_without_attempt(*dial, error::invalid_target);
    if (cancelled()) return finish_without_attempt(*dial, asio::error::operation_aborted);
    const duration limit = dial->limit(clock::now());
    if (limit <= duration::zero()) return finish_without_attempt(*dial, error::timeout);

    dial->tell_start();
    if (cancelled()) {  // by the observer
        dial->tell_end(asio::error::operation_aborted);
        return finish_without_attempt(*dial, asio::error::operation_aborted);
    }
    const socket_options& socket = dial->settings->options.socket;
    const connect_options with{
        .timeout = limit, .socket = {.receive_buffer = socket.receive_buffer, .send_buffer = socket.send_buffer}};
    const protocol::endpoint peer{to.path()};
    const asio::any_io_executor executor = dial->executor;
    dial::connect(executor, peer, with, attempt_handler{std::move(dial)});
}

}  // namespace

}  // namespace dial::detail

namespace dial {

// Qualified, since it is in an inline namespace.
void detail::start_local_dial(
    request what, std::shared_ptr<const dialer_settings> settings, local_handler handler, handler_runs where) {
    auto dial = std::make_unique<local_dial>(std::move(what), std::move(settings), std::move(handler), where);
    if (!dial->told.observed()) return begin(std::move(dial));
    if (auto slot = asio::get_associated_cancellation_slot(dial->handler); slot.is_connected()) {
        dial->cancellation = std::make_shared<early_cancellation>();
        slot.emplace<canceller>(dial->cancellation);
    }
    const asio::any_io_executor executor = dial->executor;
    asio::post(executor, [dial = std::move(dial)]() mutable { begin(std::move(dial)); });
}

}  // namespace dial
