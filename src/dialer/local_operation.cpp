// Runs one dial to a unix socket: one attempt, by connect(), with its story told.
#include <dial/connect.hpp>
#include <dialer/final_call.hpp>
#include <dialer/settings.hpp>
#include <dialer/story.hpp>

#include <boost/asio/any_completion_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/prefer.hpp>

#include <algorithm>
#include <memory>
#include <utility>

namespace dial::detail {
namespace {

using protocol = asio::local::stream_protocol;
using clock = std::chrono::steady_clock;
using last_call = final_call<local_handler, protocol::socket>;

struct local_dial {
    request what;
    std::shared_ptr<const dialer_settings> settings;
    local_handler handler;
    handler_runs where;
    asio::any_io_executor executor;
    story told;
    asio::any_completion_executor handlers_work = {};

    local_dial(request w, std::shared_ptr<const dialer_settings> s, local_handler h, handler_runs r)
        : what{std::move(w)}, settings{std::move(s)}, handler{std::move(h)}, where{r}, executor{what.executor()},
          told{what, settings.get()} {
        if (where == handler_runs::elsewhere)
            handlers_work = asio::prefer(
                asio::get_associated_executor(handler, executor), asio::execution::outstanding_work.tracked);
    }

    last_call take_last_call(error_code ec, protocol::socket socket) {
        told.end(ec, clock::now());
        return {std::move(handler), ec, std::move(socket), what.report(), told.take()};
    }
};

outcome outcome_of(error_code ec) {
    if (!ec) return outcome::done;
    if (ec == error::timeout) return outcome::timed_out;
    return ec == asio::error::operation_aborted ? outcome::cancelled : outcome::failed;
}

// The handler of the one attempt. It brings the slot; where the attempt completes is where the dial runs.
class attempt_handler {
public:
    explicit attempt_handler(std::unique_ptr<local_dial> dial) : dial_{std::move(dial)} {}

    using cancellation_slot_type = asio::cancellation_slot;
    cancellation_slot_type get_cancellation_slot() const noexcept {
        return asio::get_associated_cancellation_slot(dial_->handler);
    }

    void operator()(error_code ec, protocol::socket socket) {
        const auto dial = std::move(dial_);
        tell(*dial, outcome_of(ec), ec);
        auto call =
            dial->take_last_call(ec, std::move(socket));  // the dial keeps the handler's executor at work till then
        if (dial->where == handler_runs::with_the_dial) return call();
        last_call::post(std::move(call), dial->executor, dial->where);
    }

    static void tell(const local_dial& dial, outcome how, error_code ec) {
        if (!dial.told.told()) return;
        const std::string path = dial.what.to().to_string();
        const bool ended = how != outcome::pending;
        const time_point now = clock::now();
        if (!ended) dial.told.tell({.when = now, .phase = "connect"});
        dial.told.tell(
            {.what = event::subject::attempt, .ended = ended, .when = now, .how = how, .error = ec, .path = path});
        if (ended) dial.told.tell({.ended = true, .when = now, .how = how, .error = ec, .phase = "connect"});
    }

private:
    std::unique_ptr<local_dial> dial_;
};

void begin(std::unique_ptr<local_dial> dial) {
    const target& to = dial->what.to();
    if (!to.is_unix()) {
        auto call = dial->take_last_call(error::invalid_target, protocol::socket{dial->executor});
        return last_call::post(std::move(call), dial->executor, dial->where);
    }
    const options& with = dial->settings->options;
    duration limit = std::min(with.timeout, with.attempt_timeout);
    if (const auto& deadline = dial->what.deadline()) limit = std::min(limit, *deadline - clock::now());
    const protocol::endpoint peer{to.path()};
    const asio::any_io_executor executor = dial->executor;
    attempt_handler::tell(*dial, outcome::pending, {});
    dial::connect(
        executor, peer, connect_options{.timeout = limit, .socket = with.socket}, attempt_handler{std::move(dial)});
}

}  // namespace

void start_local_dial(
    request what, std::shared_ptr<const dialer_settings> settings, local_handler handler, handler_runs where) {
    auto dial = std::make_unique<local_dial>(std::move(what), std::move(settings), std::move(handler), where);
    dial->told.begin(dial->what.to(), clock::now());
    if (!dial->told.observed()) return begin(std::move(dial));
    const asio::any_io_executor executor = dial->executor;
    asio::post(executor, [dial = std::move(dial)]() mutable { begin(std::move(dial)); });
}

}  // namespace dial::detail
