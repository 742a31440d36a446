// What is asked of a dialer, or of any connector: a target, and what goes with it through every layer.
#pragma once

#include <dial/report.hpp>
#include <dial/target.hpp>
#include <dial/time.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <concepts>
#include <memory>
#include <optional>
#include <utility>

namespace dial {

namespace detail {
class attempt_check;
}

/// A target, where the report goes, and until when. Converts from all that makes a target.
///
///   dial::connect("example.com:443")
///   dial::connect({"example.com:443", &report})
///   dial::connect({"example.com:443", nullptr, deadline})
class request {
public:
    /// `report`: written once, right before the handler is called; it has to live until then. `deadline`: the earlier of it
    /// and the dialer's timeout counts.
    request(target to, dial::report* report = nullptr, std::optional<time_point> deadline = {})
        : to_{std::move(to)}, report_{report}, deadline_{deadline} {}
    template <class Text>
        requires(std::convertible_to<Text, target> && !std::same_as<std::remove_cvref_t<Text>, target>)
    request(Text&& to, dial::report* report = nullptr, std::optional<time_point> deadline = {})
        : request{target(std::forward<Text>(to)), report, deadline} {}

    const target& to() const noexcept { return to_; }
    dial::report* report() const noexcept { return report_; }
    const std::optional<time_point>& deadline() const noexcept { return deadline_; }

    /// Where the socket will live: on the executor of the caller's handler. The initiating functions fill it in; empty, the
    /// dialer's own.
    const boost::asio::any_io_executor& executor() const noexcept { return executor_; }

    /// For layers, which pass a request on: the same with another target, report, deadline or executor.
    request& to(target t) {
        to_ = std::move(t);
        return *this;
    }
    request& report(dial::report* r) {
        report_ = r;
        return *this;
    }
    request& deadline(std::optional<time_point> d) {
        deadline_ = d;
        return *this;
    }
    request& executor(boost::asio::any_io_executor e) {
        executor_ = std::move(e);
        return *this;
    }

    /// Of tls_options::race_handshake: what an attempt has to pass before it wins. A layer that passes on another target, or
    /// the same more than once at a time, passes on none.
    const std::shared_ptr<detail::attempt_check>& check() const noexcept { return check_; }
    request& check(std::shared_ptr<detail::attempt_check> c) {
        check_ = std::move(c);
        return *this;
    }

private:
    target to_;
    dial::report* report_;
    std::optional<time_point> deadline_;
    boost::asio::any_io_executor executor_;
    std::shared_ptr<detail::attempt_check> check_;
};

}  // namespace dial
