// Cancels 100,000 connects at random moments, and asks of each how it ended and whether its socket agrees.
#include <dial/connect.hpp>

#include <gtest/gtest.h>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <support/loopback.hpp>

#include <array>
#include <iostream>
#include <memory>
#include <random>
#include <utility>
#include <vector>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;
using unix_stream = asio::local::stream_protocol;

constexpr int total = 100'000;
constexpr int at_once = 50;
constexpr unsigned seed = 20'260'801;

enum ending { connected, refused, aborted_before, aborted_in_flight, aborted_after, wrong, endings };

struct counts {
    std::array<int, endings> of{};
    const char* worst = "";
};

// One connect, from its start to its end.
class attempt {
public:
    virtual ~attempt() = default;
    virtual void cancel() = 0;
    virtual bool over() const = 0;
    virtual void judge() = 0;
};

enum class peer { live, refusing, silent };
enum class style { callback, callback_own, coroutine, coroutine_own };

template <class Protocol>
class attempt_to : public attempt {
    using socket_type = typename Protocol::socket;
    using endpoint_type = typename Protocol::endpoint;

public:
    attempt_to(asio::io_context& io, const endpoint_type& address, peer kind, duration timeout, style s, counts& into)
        : io_{io}, socket_{io}, address_{address}, kind_{kind}, timeout_{timeout}, style_{s}, counts_{into} {
        const auto slot = signal_.slot();
        switch (style_) {
            case style::callback:
                called_ = true;
                dial::connect(socket_, address_, timeout_,
                    asio::bind_cancellation_slot(slot, [this](error_code ec) { end(ec); }));
                break;
            case style::callback_own:
                called_ = true;
                dial::connect(io_, address_, connect_options{.timeout = timeout_},
                    asio::bind_cancellation_slot(slot, [this](error_code ec, socket_type own) {
                        if (ec && own.is_open()) wrong_ = "an own socket is open after a failure";
                        socket_ = std::move(own);
                        end(ec);
                    }));
                break;
            case style::coroutine:
            case style::coroutine_own:
                asio::co_spawn(io_, await(), asio::bind_cancellation_slot(slot, [this](std::exception_ptr) {
                    if (ends_ == 0) end(aborted);  // cancelled before the coroutine had begun
                }));
        }
    }

    void cancel() override {
        if (!over() && called_) cancelled_when_connected_ = in_kernel();
        if (!over()) cancelled_before_call_ = !called_;
        signal_.emit(asio::cancellation_type::terminal);
    }
    bool over() const override { return ends_ != 0; }

    void judge() override {
        const bool is = socket_.is_open() && is_connected(socket_.native_handle());
        if (ends_ != 1) wrong_ = "not called once";
        if (is != !ec_) wrong_ = "getpeername disagrees";
        if (socket_.is_open() && !is && pending_error(socket_.native_handle()) != 0) wrong_ = "an error is left";
        if constexpr (std::is_same_v<Protocol, tcp>) {
            if (is) close_by_reset(socket_.native_handle());
        }
        ending how = wrong;
        if (!ec_)
            how = connected;
        else if (ec_ == asio::error::connection_refused)
            how = refused;
        else if (ec_ == aborted)
            how = cancelled_before_call_    ? aborted_before
                : cancelled_when_connected_ ? aborted_after
                                            : aborted_in_flight;
        else
            wrong_ = "another error";
        if (how == connected && kind_ != peer::live) wrong_ = "connected to nobody";
        if (how == refused && kind_ != peer::refusing) wrong_ = "refused by nobody";
        if (wrong_) how = wrong, counts_.worst = wrong_;
        ++counts_.of[how];
    }

private:
    // Whether the kernel had connected it. Of a socket that dial owns, the peer tells: loopback connects at once.
    bool in_kernel() {
        if (style_ == style::callback || style_ == style::coroutine)
            return socket_.is_open() && is_connected(socket_.native_handle());
        return kind_ == peer::live;
    }

    asio::awaitable<void> await() {
        co_await asio::post(io_, asio::use_awaitable);  // something to do first: cancelled here, it never connects
        error_code ec;
        try {
            const asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
            called_ = state.cancelled() == asio::cancellation_type::none;
            if (style_ == style::coroutine)
                co_await dial::connect(socket_, address_, timeout_);
            else
                socket_ = co_await dial::connect(address_, {.timeout = timeout_});
        } catch (const boost::system::system_error& e) {
            ec = e.code();
        }
        end(ec);
    }

    void end(error_code ec) {
        ++ends_;
        ec_ = ec;
    }

    asio::io_context& io_;
    socket_type socket_;
    endpoint_type address_;
    peer kind_;
    duration timeout_;
    style style_;
    counts& counts_;
    asio::cancellation_signal signal_;
    int ends_ = 0;
    error_code ec_;
    bool called_ = false;  // dial::connect was, and not by a coroutine that was cancelled before
    bool cancelled_before_call_ = false;
    bool cancelled_when_connected_ = false;
    const char* wrong_ = nullptr;
};

TEST(connect_random_cancel, leaves_nothing_behind_and_every_socket_agrees) {
    std::mt19937 random{seed};
    const auto pick = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
    const std::size_t before = open_descriptors();
    counts seen;
    {
        asio::io_context io{1};
        const tcp_server server;
        const tcp_server server_v6{"::1"};
        const silent_server silent;
        const refusing_port refusing;
        const unix_server unix_peer;
        const full_unix_server full;
        // To a live server the handshake is over in the kernel when connect(2) returns. To this address, which dial
        // does not know for loopback, it waits for the reactor all the same: cancelled there, success is in the kernel.
        const tcp::endpoint by_reactor{asio::ip::address_v4::any(), server.endpoint().port()};
        const tcp::endpoint by_reactor_v6{asio::ip::address_v6::any(), server_v6.endpoint().port()};
        const tcp::endpoint refused_by_reactor{asio::ip::address_v4::any(), refusing.endpoint().port()};
        const unix_stream::endpoint nobody{std::string(1, '\0') + "dial-test-nobody-is-here"};

        const auto start = [&]() -> std::unique_ptr<attempt> {
            const duration timeout = pick(2) ? never : duration{1h};
            const auto how = static_cast<style>(pick(4));
            const auto to_tcp = [&](const tcp::endpoint& address, peer kind) {
                return std::make_unique<attempt_to<tcp>>(io, address, kind, timeout, how, seen);
            };
            const auto to_unix = [&](const unix_stream::endpoint& address, peer kind) {
                return std::make_unique<attempt_to<unix_stream>>(io, address, kind, timeout, how, seen);
            };
            switch (pick(9)) {
                case 0: return to_tcp(server.endpoint(), peer::live);
                case 1: return to_tcp(by_reactor, peer::live);
                case 2: return to_tcp(by_reactor_v6, peer::live);
                case 3: return to_tcp(refusing.endpoint(), peer::refusing);
                case 4: return to_tcp(refused_by_reactor, peer::refusing);
                case 5: return to_tcp(silent.endpoint(), peer::silent);
                case 6: return to_unix(unix_peer.endpoint(), peer::live);
                case 7: return to_unix(nobody, peer::refusing);
                default: return to_unix(full.endpoint(), peer::silent);
            }
        };
        for (int done = 0; done < total; done += at_once) {
            std::vector<std::unique_ptr<attempt>> attempts;
            for (int i = 0; i != at_once; ++i) attempts.push_back(start());
            io.restart();
            for (std::size_t next = 0; next != attempts.size();) {  // started in order, cancelled in order
                if (pick(3) != 0)
                    attempts[next++]->cancel();
                else
                    for (unsigned turns = pick(6); turns != 0; --turns) io.poll_one();
            }
            run(io);
            for (auto& one : attempts) one->judge();
            server.accept_all();
            server_v6.accept_all();
            unix_peer.accept_all();
        }
    }
    EXPECT_EQ(open_descriptors(), before);

    const char* const names[] = {"connected", "refused", "aborted before the call", "aborted in flight",
        "aborted after the kernel had connected"};
    std::cout << total << " connects"
              << ", seed " << seed << ":\n";
    for (int i = 0; i != wrong; ++i) {
        std::cout << "  " << seen.of[static_cast<std::size_t>(i)] << " " << names[i] << "\n";
        EXPECT_GE(seen.of[static_cast<std::size_t>(i)], 1000) << names[i];
    }
    EXPECT_EQ(seen.of[wrong], 0) << seen.worst;
}

}  // namespace
}  // namespace dial::test
