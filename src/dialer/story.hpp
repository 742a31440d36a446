// Tells what happens: to the report, if one was asked for, and to the observer, if there is one.
#pragma once

#include <dial/event.hpp>
#include <dial/report.hpp>
#include <dial/request.hpp>
#include <dialer/settings.hpp>

#include <memory>
#include <utility>

namespace dial::detail {

class story {
public:
    story(const request& what, const dialer_settings* settings)
        : observer_{settings && settings->observer ? &settings->observer : nullptr},
          number_{observer_ ? settings->dials.fetch_add(1, std::memory_order_relaxed) + 1 : 0},
          report_{what.report() ? std::make_unique<report>() : nullptr} {}

    // Whether anybody listens: what nobody hears need not be found out.
    bool told() const { return observer_ || report_; }
    bool observed() const { return observer_ != nullptr; }

    void begin(const target& to, time_point now) {
        if (report_) report_->begin(to.to_string(), now);
    }
    void tell(event e) const {
        e.dial = number_;
        if (report_) report_->on_event(e);
        if (observer_) (*observer_)(e);
    }
    void end(error_code error, time_point now) {
        if (report_) report_->end(error, now);
    }

    std::unique_ptr<report> take() { return std::move(report_); }

private:
    const std::function<void(const event&)>* observer_;
    std::uint64_t number_;  // of this dial, among those that are observed
    std::unique_ptr<report> report_;
};

}  // namespace dial::detail
