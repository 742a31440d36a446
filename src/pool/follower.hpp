// Asks for the addresses of the targets again and again.
#pragma once

#include <dial/detail/background_wait.hpp>
#include <dial/lookup.hpp>
#include <dial/report.hpp>
#include <dial/resolver.hpp>
#include <dial/target.hpp>
#include <dial/time.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace dial::pooling {

// What DNS says of a name now. Nothing is known of a family whose lookup failed.
struct known_addresses {
    std::optional<std::vector<boost::asio::ip::address>> v4, v6;

    // True only if there are addresses, and this one is not among them.
    bool lack(const boost::asio::ip::address& address) const;
};

// The address at which the target was reached, if it was looked up under the target's name.
std::optional<boost::asio::ip::address> followed_address(const report& story, const target& to);

// Its timer is no work (detail/background_wait.hpp), a lookup is.
class follower : public std::enable_shared_from_this<follower> {
public:
    using ask_whom = std::function<std::vector<target>()>;  // empty: it stops until it is woken
    using tell = std::function<void(const target&, const known_addresses&)>;

    follower(const boost::asio::any_io_executor& executor, const detail::work_counter& counter, resolver names,
        duration interval, ask_whom whom, tell told);
    ~follower();

    // There is something to follow. From any thread; nothing happens if it is awake.
    void wake();

private:
    struct question;

    void on_timer();
    void ask(const target& about);

    const boost::asio::any_io_executor executor_;
    const detail::work_counter counter_;
    const resolver names_;
    const duration interval_;
    const ask_whom whom_;
    const tell told_;
    std::mutex mutex_;
    bool awake_ = false;
    boost::asio::steady_timer timer_;
    detail::background_wait wait_;
    std::uint32_t number_ = 0;
};

}  // namespace dial::pooling
