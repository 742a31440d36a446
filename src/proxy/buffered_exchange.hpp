// What exchanges have alike: something to send, then so many bytes to receive, and an end.
#pragma once

#include <dial/detail/exchange.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dial::proxy {

class buffered_exchange : public detail::exchange {
public:
    ~buffered_exchange() override { wipe(); }

    step next() const final {
        if (error_) return fail{error_};
        if (open_) return tunnel_is_open{};
        if (!to_send_.empty()) return send{to_send_};
        return receive{wanted()};
    }

    void on_sent() final { wipe(); }

    void on_end() final {
        if (!is_over()) on_cut();
    }

    std::string note() const final { return note_; }
    std::vector<phase_detail> details() const final { return details_; }

protected:
    virtual std::size_t wanted() const = 0;
    // The proxy hung up in the middle.
    virtual void on_cut() { give_up(error::proxy_closed); }

    bool is_over() const { return error_ || open_; }
    void say(std::string bytes) {
        wipe();
        to_send_ = std::move(bytes);
    }
    void succeed() { open_ = true; }
    void give_up(error_code why, std::string note = {}) {
        wipe();
        error_ = why;
        note_ = std::move(note);
    }
    void add_detail(std::string name, std::string value) { details_.emplace_back(std::move(name), std::move(value)); }

private:
    // What was sent may have been a password.
    void wipe() noexcept;

    std::string to_send_;
    error_code error_;
    bool open_ = false;
    std::string note_;
    std::vector<phase_detail> details_;
};

// What a proxy says of itself, for a report: of one line, without what would move a cursor.
std::string shown(std::string_view text);

// What else it may be that answers like this; empty if that cannot be told.
std::string what_answers(std::string_view first_bytes);

}  // namespace dial::proxy
