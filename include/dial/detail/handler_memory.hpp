// Memory inside an operation for the handler that it gives to another: so that a layer costs one allocation, its own.
#pragma once

#include <boost/asio/recycling_allocator.hpp>

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

namespace dial::detail {

namespace asio = boost::asio;

class handler_memory {
public:
    handler_memory() = default;
    handler_memory(const handler_memory&) = delete;
    handler_memory& operator=(const handler_memory&) = delete;

    // Nothing if it is taken, or too small.
    void* allocate(std::size_t size) noexcept {
        if (size > sizeof(block_) || taken_.exchange(true, std::memory_order_acquire)) return nullptr;
        return block_;
    }
    bool deallocate(void* memory) noexcept {
        if (memory != block_) return false;
        taken_.store(false, std::memory_order_release);
        return true;
    }

private:
    alignas(std::max_align_t) std::byte block_[96];
    std::atomic<bool> taken_ = false;
};

// Holds the operation that the memory is part of: the memory is given back after the handler has let go of it.
template <class T>
class in_place_allocator {
public:
    using value_type = T;

    explicit in_place_allocator(std::shared_ptr<handler_memory> memory) noexcept : memory_{std::move(memory)} {}
    template <class Other>
    in_place_allocator(const in_place_allocator<Other>& other) noexcept : memory_{other.memory()} {}

    T* allocate(std::size_t count) {
        if constexpr (alignof(T) <= alignof(std::max_align_t)) {
            if (count <= sizeof(handler_memory) / sizeof(T))
                if (void* const place = memory_->allocate(count * sizeof(T))) return static_cast<T*>(place);
        }
        return asio::recycling_allocator<T>{}.allocate(count);
    }
    void deallocate(T* place, std::size_t count) noexcept {
        if (!memory_->deallocate(place)) asio::recycling_allocator<T>{}.deallocate(place, count);
    }

    const std::shared_ptr<handler_memory>& memory() const noexcept { return memory_; }

    template <class Other>
    bool operator==(const in_place_allocator<Other>& other) const noexcept {
        return memory_ == other.memory();
    }

private:
    std::shared_ptr<handler_memory> memory_;
};

// void is no element: an allocator of it is only rebound.
template <>
class in_place_allocator<void> {
public:
    using value_type = void;

    explicit in_place_allocator(std::shared_ptr<handler_memory> memory) noexcept : memory_{std::move(memory)} {}
    template <class Other>
    in_place_allocator(const in_place_allocator<Other>& other) noexcept : memory_{other.memory()} {}

    const std::shared_ptr<handler_memory>& memory() const noexcept { return memory_; }

    template <class Other>
    bool operator==(const in_place_allocator<Other>& other) const noexcept {
        return memory_ == other.memory();
    }

private:
    std::shared_ptr<handler_memory> memory_;
};

}  // namespace dial::detail
