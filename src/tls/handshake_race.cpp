#include <dial/detail/handshake_race.hpp>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>

#include <chrono>
#include <string>
#include <utility>

namespace dial::detail {

// In its strand, but for what the mutex is for.
struct handshake_race::entry {
    explicit entry(const asio::any_io_executor& executor) : strand{asio::make_strand(executor)} {}

    void close() {
        stopped = true;
        error_code ignored;
        if (stream) stream->lowest_layer().close(ignored);
    }

    asio::strand<asio::any_io_executor> strand;
    std::optional<handshake_race::stream> stream;
    bool stopped = false;
    time_point started = {}, ended = {};
};

handshake_race::handshake_race(asio::any_io_executor executor, std::shared_ptr<const tls_client> client, target to)
    : executor_{std::move(executor)}, client_{std::move(client)}, to_{std::move(to)} {}

handshake_race::~handshake_race() = default;

std::size_t handshake_race::start(asio::ip::tcp::socket connected, handler done) {
    const auto one = std::make_shared<entry>(executor_);
    std::size_t number = 0;
    {
        const std::lock_guard lock{mutex_};
        number = entries_.size();
        entries_.push_back(one);
    }
    error_code why;
    std::string note;
    SSL* const connection = client_->make(to_, why, note);
    if (!connection) {
        connected.close();
        asio::post(executor_, [done = std::move(done), why, note = std::move(note)] { done(why, note); });
        return number;
    }
    one->started = std::chrono::steady_clock::now();
    one->stream.emplace(std::move(connected), connection);
    // What is to be called belongs to what is waited for: it goes with the io_context.
    asio::post(one->strand, [one, done = std::move(done)]() mutable {
        one->stream->async_handshake(
            stream::client, asio::bind_executor(one->strand, [one, done = std::move(done)](error_code ec) {
                one->ended = std::chrono::steady_clock::now();
                if (one->stopped && !ec) ec = asio::error::operation_aborted;
                const std::string what = ec ? tls_client::tell(one->stream->native_handle()).note : std::string{};
                if (ec && !one->stopped) tls_client::on_failed(one->stream->native_handle());
                if (ec) one->close();
                done(ec, what);
            }));
        if (one->stopped) one->close();  // before it had begun
    });
    return number;
}

void handshake_race::stop(std::size_t which) {
    if (const auto one = find(which)) asio::dispatch(one->strand, [one] { one->close(); });
}

void handshake_race::win(std::size_t which) {
    auto one = find(which);
    const std::lock_guard lock{mutex_};
    winner_ = std::move(one);
}

std::optional<handshake_race::result> handshake_race::take() {
    const std::lock_guard lock{mutex_};
    const auto one = std::exchange(winner_, {});
    if (!one || !one->stream) return {};
    handshake_story story = tls_client::tell(one->stream->native_handle());
    return result{std::move(*one->stream), one->started, one->ended, std::move(story)};
}

std::shared_ptr<handshake_race::entry> handshake_race::find(std::size_t which) {
    const std::lock_guard lock{mutex_};
    return which < entries_.size() ? entries_[which] : nullptr;
}

}  // namespace dial::detail
