#include <dial/detail/pool_hub.hpp>

#include <utility>

namespace dial::detail {

loan& loan::operator=(loan&& other) noexcept {
    if (this == &other) return *this;
    give_back(true);
    from_ = std::move(other.from_);
    connection_ = std::move(other.connection_);
    number_ = other.number_;
    reused_ = other.reused_;
    return *this;
}

void loan::give_back(bool reusable) noexcept {
    if (!connection_) return;
    const auto to = std::exchange(from_, {});
    const auto connection = std::exchange(connection_, {});
    to->on_returned(*connection, number_, reusable);
}

std::shared_ptr<pool_connection> loan::take() noexcept {
    const auto from = std::exchange(from_, {});
    auto connection = std::exchange(connection_, {});
    from->on_taken(*connection, number_);
    return connection;
}

void loan::forget() noexcept {
    from_.reset();
    connection_.reset();
}

}  // namespace dial::detail
