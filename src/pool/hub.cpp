#include <pool/hub_core.hpp>

#include <utility>

namespace dial::detail {

pool_hub::pool_hub(const asio::any_io_executor& executor, pool_options options)
    : executor_{executor}, counter_{executor}, options_{std::move(options)}, core_{std::make_unique<core>(*this)} {}

pool_hub::~pool_hub() = default;

loan pool_hub::try_acquire(const target& to) {
    loan got = core_->reserve(to).got;
    if (got && (options_.min_idle() != 0 || options_.observer())) turn();  // to open another, to tell
    return got;
}

reserved_loan pool_hub::reserve(const target& to) {
    return options_.observer() ? reserved_loan{} : core_->reserve(to);
}

bool pool_hub::confirm(const reserved_loan& reserved) {
    if (!core_->confirm(reserved)) return false;
    if (options_.min_idle() != 0) turn();  // to open another
    return true;
}

std::uint64_t pool_hub::wait(std::weak_ptr<pool_waiter> who, const target& to, time_point now, time_point deadline) {
    return core_->wait(std::move(who), to, now, deadline);
}

bool pool_hub::leave(std::uint64_t number) {
    return core_->leave(number);
}

void pool_hub::warm_up(const target& to) {
    core_->warm_up(to);
    turn();
}

void pool_hub::reset(const target& to) {
    core_->reset(to);
    turn();
}

void pool_hub::reset() {
    core_->reset();
    turn();
}

void pool_hub::close() {
    core_->close();
    turn();
}

void pool_hub::wait_until_closed(duration patience, done_handler handler) {
    const auto waits = std::make_shared<closing>(executor_, std::move(handler));
    waits->start(patience);
    core_->add(waits);
    turn();
}

pool_stats pool_hub::stats() const {
    return core_->stats();
}

void pool_hub::turn() {
    core_->turn();
}

void pool_hub::on_opened(pool_connection& connection, report story) {
    if (!core_->on_opened(connection, std::move(story))) return connection.close();
    turn();
}

void pool_hub::on_open_failed(pool_connection& connection, error_code error, report story) {
    core_->on_open_failed(connection, error, std::move(story));
    turn();
}

void pool_hub::on_checked(pool_connection& connection, bool alive) {
    core_->on_checked(connection, alive);
    turn();
}

void pool_hub::on_readable(pool_connection& connection) {
    core_->on_readable(connection);
    turn();
}

void pool_hub::on_returned(pool_connection& connection, std::uint32_t number, bool reusable) {
    reusable = reusable && connection.is_usable();
    core_->on_returned(connection, number, reusable);
}

void pool_hub::on_taken(pool_connection& connection, std::uint32_t number) {
    core_->on_taken(connection, number);
    turn();
}

std::vector<target> pool_hub::followed() const {
    return core_->followed();
}

void pool_hub::on_addresses(const target& of, const pooling::known_addresses& now) {
    core_->on_addresses(of, now);
    turn();
}

}  // namespace dial::detail
