// Where a dial begins: as an operation, or, where there is nothing to look up, to race or to tell, as a plain connect().
#include <dial/connect.hpp>
#include <dialer/operation.hpp>

#include <boost/asio/associated_cancellation_slot.hpp>

#include <algorithm>
#include <utility>

namespace dial::detail {
namespace {

// One address, given by the target, and nobody who listens: there is nothing to look up, to race or to tell. That is what
// connect() is for.
bool is_just_one_connect(const request& what, const dialer_settings* settings, const options& with) {
    const target& to = what.to();
    if (!to.address() || !to.zone().empty() || to.port() == 0 || what.report()) return false;
    if (with.family != address_family::any && (with.family == address_family::v4) != to.address()->is_v4())
        return false;
    return !settings ||
        (!settings->observer && !settings->before_connect && settings->sources_v4.empty() &&
            settings->sources_v6.empty());
}

// A handler that runs with the dial, and so needs not be asked where.
struct handler_in_place {
    tcp_handler handler;

    using cancellation_slot_type = asio::cancellation_slot;
    cancellation_slot_type get_cancellation_slot() const noexcept {
        return asio::get_associated_cancellation_slot(handler);
    }
    void operator()(error_code ec, asio::ip::tcp::socket socket) { std::move(handler)(ec, std::move(socket)); }
};

// What the limits leave for one attempt; zero or less: nothing.
duration limit_of(const request& what, const options& with) {
    const duration limit = std::min(with.timeout, with.attempt_timeout);
    if (!what.deadline()) return limit;
    const time_point now = std::chrono::steady_clock::now();
    return *what.deadline() <= now ? duration::zero() : std::min(limit, *what.deadline() - now);
}

}  // namespace

}  // namespace dial::detail

namespace dial {

// Qualified, since it is in an inline namespace.
void detail::start_dial(request&& what, std::shared_ptr<const dialer_settings> settings, const options* own,
    tcp_handler&& handler, handler_runs where) {
    const options& with = own ? *own : settings->options;
    if (is_just_one_connect(what, settings.get(), with)) {
        const asio::ip::tcp::endpoint peer{*what.to().address(), what.to().port()};
        const connect_options limited{limit_of(what, with), with.socket};
        if (where == handler_runs::with_the_dial)
            return start_owned(what.executor(), handler_in_place{std::move(handler)}, peer, limited);
        return start_owned(what.executor(), std::move(handler), peer, limited);
    }
    dial_operation::start(std::move(what), settings, with, std::move(handler), where);
}

}  // namespace dial
