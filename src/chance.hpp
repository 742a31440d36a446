// Random numbers where nothing depends on their quality: to keep those who do the same apart.
#pragma once

#include <cstdint>
#include <random>

namespace dial {

inline std::minstd_rand& random_numbers() {
    thread_local std::minstd_rand numbers{std::random_device{}()};
    return numbers;
}

// At least zero and below one.
inline double chance() {
    return std::uniform_real_distribution<double>{0, 1}(random_numbers());
}

// `limit` is at least one.
inline std::uint32_t random_below(std::uint32_t limit) {
    return std::uniform_int_distribution<std::uint32_t>{0, limit - 1}(random_numbers());
}

}  // namespace dial
