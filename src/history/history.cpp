#include <dial/history.hpp>

#include <history/core.hpp>

namespace dial {

history::history(std::size_t max_prefixes) : core_{std::make_shared<core>(max_prefixes)} {}

std::size_t history::size() const {
    return core_->size(std::chrono::steady_clock::now());
}

void history::clear() {
    core_->clear();
}

}  // namespace dial
