// How a dialer is configured: shared by its copies and by the dials that are under way.
#pragma once

#include <dial/dialer.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace dial::detail {

struct dialer_settings {
    dial::options options = {};
    resolver names = {};
    std::function<error_code(int fd, const asio::ip::tcp::endpoint&)> before_connect = {};
    std::function<void(const event&)> observer = {};
    std::vector<asio::ip::address> sources_v4 = {}, sources_v6 = {};
    std::shared_ptr<history::core> remembered = {};
    mutable std::atomic<std::uint64_t> dials = 0;               // that were observed
    mutable std::atomic<std::size_t> turn_v4 = 0, turn_v6 = 0;  // whose turn it is, counted on for each attempt
};

}  // namespace dial::detail
