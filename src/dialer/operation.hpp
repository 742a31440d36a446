// Runs one dial: asks the resolver, obeys the race engine, waits in Asio's reactor, completes the handler.
//
// Everything that happens to it (an answer, a socket that is ready, time, cancellation) is a turn, under its lock: the engine
// is told, then obeyed. It lives until none of its waits is left, and completes then.
#pragma once

#include <dialer/plan.hpp>
#include <dialer/settings.hpp>
#include <dialer/story.hpp>
#include <history/core.hpp>
#include <race/attempt.hpp>
#include <race/engine.hpp>
#include <resolve/ticket.hpp>

#include <boost/asio/any_completion_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <array>
#include <cstddef>
#include <list>
#include <memory>
#include <memory_resource>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

namespace dial::detail {

// What is remembered of the network that the dial is made on.
struct network_memory {
    std::shared_ptr<history::core> of;
    remembering::network here;
};

class dial_operation final : public delivery_receiver, public std::enable_shared_from_this<dial_operation> {
public:
    static void start(request&& what, std::shared_ptr<const dialer_settings> settings, const options& with,
        tcp_handler&& handler, handler_runs where);

    dial_operation(request&& what, std::shared_ptr<const dialer_settings> settings, const options& with,
        tcp_handler&& handler, handler_runs where);

    void on_delivery(unsigned which, delivery brought) override;
    void on_cancelled();

private:
    enum class called_from : bool { the_caller, the_executor };
    static constexpr unsigned lookup_port = ~0u;  // else a lookup is the number of its question

    // An attempt, and the wait for it.
    struct runner {
        runner(const asio::any_io_executor& executor, const asio::ip::tcp::endpoint& peer, std::size_t known,
            time_point now)
            : attempt{executor, peer}, candidate{known}, started{now}, ended{now} {}
        race::attempt attempt;
        std::size_t candidate;  // its index in known_
        time_point started, ended;
        bool waiting = false;
        bool over = false;
        bool checked = false, checking = false;
        std::size_t check = 0;  // its number, while it is checked
    };
    struct ready_handler;
    struct timer_handler;
    struct completion;
    struct completion_elsewhere;

    template <class Turn>
    void turn(called_from from, Turn what_happened, std::optional<time_point> now = {});
    static time_point clock_now() { return std::chrono::steady_clock::now(); }

    // --- Asking: lookups.cpp ---
    void begin();
    void look_up();
    void ask_questions();
    void ask_for_port();
    void ask(unsigned number);
    std::shared_ptr<lookup_ticket> open_ticket(unsigned which);
    void hear(unsigned number, const answer& given);
    void hear_port(const delivery& brought);
    void look_at_answers();
    void tell_the_engine_what_is_out();
    void tell_the_engine_what_is_known();
    void add_group(std::span<const plan::place> group, std::pmr::vector<race::candidate>& sorted);
    void go_by_memory(std::span<race::candidate> sorted) const;
    void take_literal(const asio::ip::address& literal);
    void fail_at_once(error_code why);
    bool aim_at_next();

    // --- Racing ---
    void obey();
    void start_attempt(std::size_t candidate);
    void hear_attempt(runner& r);
    void wait_for(runner& r);
    void wait_until(time_point when);
    void on_ready(runner& r, error_code ec);
    void on_time(error_code ec);
    void ask_all();
    void ask(runner& r);
    void let_go_of_all() noexcept;
    void close(std::size_t candidate, race::close_attempt::cause why);
    race::attempt_setup setup_for(const asio::ip::tcp::endpoint& peer);
    runner* find(std::size_t candidate);

    // --- Checking: checks.cpp ---
    void check(runner& r);
    void on_checked(runner& r, error_code ec, std::string note);
    void hear_check(runner& r, error_code ec, std::string note);
    void stop_check(runner& r);
    void accept(const runner& winner);

    // --- Ending ---
    void finish(const race::finish& end);
    void close_lookups(outcome how);
    void remember() const;
    error_code error_of(race::ending how) const;
    void complete();

    // --- Telling ---
    void tell_phase(std::string_view name, bool ended, outcome how = outcome::pending, error_code error = {});
    void tell_lookup(unsigned which, bool ended, outcome how = outcome::pending, const answer* given = nullptr);
    void tell_attempt(
        const runner& r, std::size_t number, outcome how, error_code error = {}, std::string_view note = {});
    void tell_end_of(const runner& r, outcome how, error_code error = {});
    std::size_t number_of(const runner& r) const;

    std::recursive_mutex mutex_;  // an observer or a hook may cancel: that comes back on the same thread
    bool in_turn_ = false;

    request what_;
    const std::shared_ptr<const dialer_settings> settings_;
    const options with_;
    tcp_handler handler_;
    const handler_runs where_;
    asio::any_io_executor executor_;
    asio::any_completion_executor handlers_work_;  // where the handler runs elsewhere: that stays at work
    story story_;

    time_point now_;    // of this turn
    time_point ended_;  // when the outcome was known; what is waited for after that is only swept up
    // Where everything lies that there are a few of, all at once: most dials have one or two of each.
    alignas(std::max_align_t) std::array<std::byte, 512> first_memory_;
    std::pmr::monotonic_buffer_resource memory_{first_memory_.data(), first_memory_.size()};
    race::rules rules_;
    std::uint16_t port_ = 0;
    std::optional<race::engine> engine_;  // of the host that is dialed now
    plan plan_;
    std::pmr::vector<std::shared_ptr<lookup_ticket>> tickets_{&memory_};  // by the number of the question
    std::shared_ptr<lookup_ticket> port_ticket_;
    std::pmr::vector<error_code> lookup_errors_{&memory_};
    std::pmr::vector<asio::ip::tcp::endpoint> known_{&memory_};  // by candidate
    std::size_t first_known_ = 0;                                // of the host that is dialed now
    std::optional<network_memory> memories_;
    std::pmr::list<runner> runners_{&memory_};  // in the order of their starts
    std::unique_ptr<asio::steady_timer> timer_;
    time_point armed_until_ = time_point::max();

    std::size_t waits_ = 0;  // that will still call back
    bool begun_ = false;
    bool resolving_ = false, racing_ = false;  // phases that were told
    bool finished_ = false;                    // the outcome is known
    bool completing_ = false;                  // the handler is on its way
    error_code result_;
    runner* winner_ = nullptr;
};

}  // namespace dial::detail
