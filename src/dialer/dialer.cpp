#include <dial/dialer.hpp>
#include <dialer/settings.hpp>

#include <algorithm>
#include <iterator>
#include <utility>

namespace dial {

dialer::dialer(executor_type executor, dial::options options, resolver names)
    : executor_{std::move(executor)}, settings_{std::make_shared<detail::dialer_settings>()} {
    settings_->options = options;
    settings_->names = std::move(names);
}

dialer& dialer::before_connect(std::function<error_code(int fd, const asio::ip::tcp::endpoint&)> hook) {
    settings_->before_connect = std::move(hook);
    return *this;
}

dialer& dialer::observe(std::function<void(const event&)> observer) {
    settings_->observer = std::move(observer);
    return *this;
}

dialer& dialer::sources(std::vector<asio::ip::address> addresses) {
    const auto is_v4 = [](const asio::ip::address& a) { return a.is_v4(); };
    settings_->sources_v4.clear();
    settings_->sources_v6.clear();
    std::ranges::partition_copy(
        addresses, std::back_inserter(settings_->sources_v4), std::back_inserter(settings_->sources_v6), is_v4);
    return *this;
}

dialer& dialer::remember(dial::history known) {
    settings_->remembered = known.shared();
    return *this;
}

local_dialer::local_dialer(executor_type executor, dial::options options)
    : executor_{std::move(executor)}, settings_{std::make_shared<detail::dialer_settings>()} {
    settings_->options = options;
}

local_dialer& local_dialer::observe(std::function<void(const event&)> observer) {
    settings_->observer = std::move(observer);
    return *this;
}

}  // namespace dial
