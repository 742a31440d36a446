// The handshakes of the attempts of one dial: the first that succeeds wins the race. Compiled.
#pragma once

#include <dial/detail/attempt_check.hpp>
#include <dial/detail/tls_client.hpp>
#include <dial/target.hpp>
#include <dial/time.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace dial::detail {

class handshake_race final : public attempt_check, public std::enable_shared_from_this<handshake_race> {
public:
    using stream = asio::ssl::stream<asio::ip::tcp::socket>;

    struct result {
        stream connected;
        time_point started, ended;
        handshake_story story;
    };

    handshake_race(asio::any_io_executor executor, std::shared_ptr<const tls_client> client, target to);
    ~handshake_race() override;

    std::size_t start(asio::ip::tcp::socket connected, handler done) override;
    void stop(std::size_t which) override;
    void win(std::size_t which) override;

    // The winner's; none if there was no race.
    std::optional<result> take();

private:
    struct entry;

    std::shared_ptr<entry> find(std::size_t which);

    const asio::any_io_executor executor_;
    const std::shared_ptr<const tls_client> client_;
    const target to_;
    std::mutex mutex_;
    std::vector<std::shared_ptr<entry>> entries_;
    std::shared_ptr<entry> winner_;
};

}  // namespace dial::detail
