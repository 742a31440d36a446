// The `dial` command: connects to one target, shows how it went, and hangs up.
#include "arguments.hpp"
#include "display.hpp"
#include "text.hpp"

#include <dial/dialer.hpp>
#include <dial/proxy_from_env.hpp>
#include <dial/proxy_from_url.hpp>
#include <dial/retry.hpp>
#include <dial/timeout.hpp>
#ifdef DIAL_HAS_DNS_RESOLVER
#include <dial/dns_resolver.hpp>
#endif
#ifdef DIAL_HAS_TLS
#include <dial/tls.hpp>
#endif

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iostream>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace {

namespace asio = boost::asio;
namespace cli = dial::cli;
using clock_type = std::chrono::steady_clock;

// One dial, from its start until it is over.
class session {
public:
    session(const cli::arguments& asked, cli::display& out)
        : asked_{asked}, out_{out}, live_{out.live() && !asked.json && !asked.quiet} {}

    const dial::report& run() {
        wait_for_interrupt();
        if (live_) {
            begun_ = clock_type::now();
            draw_after(tick);
        }
        if (asked_.to.is_unix()) {
            start(observed(dial::local_dialer{context_, asked_.with}));
        } else {
            through_proxy(observed(dial::dialer{context_, asked_.with, names()}.sources(asked_.sources)));
        }
        context_.run();
        return result_;
    }

    int interrupted_by() const { return interrupted_by_; }  // a signal; 0: none

private:
    dial::resolver names() const {
#ifdef DIAL_HAS_DNS_RESOLVER
        if (asked_.names == cli::names_from::dns) {
            dial::dns_options options;
            for (const std::string& server : asked_.dns_servers) options.server(server);
            return dial::dns_resolver{options};
        }
#endif
        return {};
    }

    template <class Dialer>
    Dialer observed(Dialer dialer) {
        if (live_) dialer.observe([this](const dial::event& e) { on_event(e); });
        return dialer;
    }

    // --- The connector, layer by layer, from the inside ---

    void through_proxy(const dial::dialer& direct) {
        if (asked_.proxy.empty()) return with_tls(direct);
        if (asked_.proxy == "env") return with_tls(dial::proxy_from_env(direct, names()));
#ifdef DIAL_HAS_TLS
        if (dial::proxy_speaks_tls(asked_.proxy))
            return with_tls(dial::proxy_from_url(dial::tls(direct, tls_options()), asked_.proxy));
#endif
        with_tls(dial::proxy_from_url(direct, asked_.proxy, names()));
    }

    template <class Connector>
    void with_tls(const Connector& next) {
#ifdef DIAL_HAS_TLS
        if (asked_.tls) return start(dial::tls(next, tls_options().alpn(asked_.alpn)));
#endif
        start(next);
    }

#ifdef DIAL_HAS_TLS
    dial::tls_options tls_options() const {
        return dial::tls_options().verify_peer(!asked_.insecure);
    }
#endif

    template <class Connector>
    void start(const Connector& next) {
        const auto all = dial::timeout(dial::retry(next, dial::retry_options(asked_.retries + 1)), asked_.with.timeout);
        all.connect({asked_.to, &result_},
            asio::bind_cancellation_slot(cancel_.slot(), [this](dial::error_code, auto&&) { on_over(); }));
    }  // the connection is closed right after on_over: nobody keeps the stream

    void on_over() {
        interrupt_.cancel();
        next_draw_.cancel();
        over_ = true;
    }

    void wait_for_interrupt() {
        interrupt_.async_wait([this](dial::error_code ec, int signal) {
            if (ec) return;
            interrupted_by_ = signal;
            interrupt_.clear();  // a second one ends the process
            cancel_.emit(asio::cancellation_type::terminal);
        });
    }

    // --- The timeline while it happens ---

    static constexpr auto tick = std::chrono::milliseconds{100};

    void on_event(const dial::event& e) {
        so_far_[e.dial].on_event(e);
        draw_after(std::chrono::milliseconds{0});  // once for all that happens at the same time
    }

    void draw_after(dial::duration delay) {
        next_draw_.expires_after(delay);
        next_draw_.async_wait([this](dial::error_code ec) {
            if (ec || over_) return;
            draw();
            draw_after(tick);
        });
    }

    void draw() {
        const auto now = clock_type::now();
        dial::report until_now;
        until_now.begin(asked_.to.to_string(), begun_);
        for (const auto& [number, part] : so_far_) until_now.add(part);
        until_now.on_event({.when = now, .phase = "now"});  // what is pending lasts until its latest event
        const std::size_t width = out_.width();
        std::string text = until_now.to_string(width, out_.colour());
        std::string line =
            "connecting to " + cli::one_line(asked_.to.to_string()) + ", " + cli::seconds_text(now - begun_);
        if (constexpr std::string_view hint = " (Ctrl-C gives up)"; line.size() + hint.size() <= width) line += hint;
        text += out_.colour() ? "\x1B[2m" + line + "\x1B[0m\n" : line + '\n';
        out_.draw(text);
    }

    const cli::arguments& asked_;
    cli::display& out_;
    const bool live_;
    asio::io_context context_{1};
    asio::cancellation_signal cancel_;
    asio::signal_set interrupt_{context_, SIGINT, SIGTERM};
    asio::steady_timer next_draw_{context_};
    dial::time_point begun_;
    std::map<std::uint64_t, dial::report> so_far_;  // of each dial: there are several where it is tried again
    dial::report result_;
    bool over_ = false;
    int interrupted_by_ = 0;
};

// Where the caller has closed 0, 1 or 2: no socket may take that number and be written to as if it were the terminal.
void keep_standard_numbers() {
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        if (::fcntl(fd, F_GETFD) == -1) ::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

void complain(const std::string& what) {
    std::cerr << "dial: " + what + '\n' << std::flush;
}

int run(const std::vector<std::string>& words) {
    constexpr int connected = 0, not_connected = 1;
    const auto asked = cli::read_arguments(words);
    const auto* const arguments = std::get_if<cli::arguments>(&asked);

    cli::display out{arguments ? arguments->colour : cli::colours::never};
    bool ok = true;
    int signal = 0;
    if (const auto* const information = std::get_if<cli::information>(&asked)) {
        out.conclude(information->text);
    } else {
        session one{*arguments, out};
        const dial::report& result = one.run();
        if (result.error() == dial::error::invalid_option && result.failed_phase())  // nothing was tried
            throw cli::usage_error{"--proxy: " + result.failed_phase()->note};
        ok = result.ok();
        if (!ok) signal = one.interrupted_by();
        if (arguments->json)
            out.conclude(result.to_json() + '\n');
        else if (!arguments->quiet)
            out.conclude(result.to_string(out.width(), out.colour()));
    }
    if (out.error()) {
        complain("cannot write the output: " + out.error().message());
        return not_connected;
    }
    if (signal != 0) {  // end by it: a shell that runs this in a loop ends its loop only then
        std::signal(signal, SIG_DFL);
        std::raise(signal);
    }
    return ok ? connected : not_connected;
}

}  // namespace

int main(int argc, char** argv) try {
    keep_standard_numbers();
    std::signal(SIGPIPE, SIG_IGN);
    return run(argc > 1 ? std::vector<std::string>(argv + 1, argv + argc) : std::vector<std::string>{});
} catch (const cli::usage_error& error) {
    complain(error.what());
    return 2;
} catch (const std::exception& error) {
    complain(error.what());
    return 1;
}
