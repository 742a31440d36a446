// Stands between a pending operation and the handler in its cancellation slot.
//
// The two live and die apart: the slot's handler stays until the slot is used again, the operation until it completes,
// and the signal may be emitted on one thread while another completes the operation. Both hold the gate; its lock is
// the operation's lock.
#pragma once

#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/recycling_allocator.hpp>

#include <atomic>
#include <memory>
#include <utility>

namespace dial::detail {

namespace asio = boost::asio;

class cancel_gate;

// What a gate leads to, while it is pending.
struct cancellable {
    void (*on_cancel)(cancellable& self);  // under the lock
};

// Counts who holds a gate. Half the size of a shared_ptr, of which each pending connect has two.
class gate_pointer {
public:
    gate_pointer() noexcept = default;
    static gate_pointer make();
    gate_pointer(const gate_pointer& other) noexcept;
    gate_pointer(gate_pointer&& other) noexcept : gate_{std::exchange(other.gate_, nullptr)} {}
    gate_pointer& operator=(gate_pointer other) noexcept {
        std::swap(gate_, other.gate_);
        return *this;
    }
    ~gate_pointer();

    explicit operator bool() const noexcept { return gate_ != nullptr; }
    cancel_gate* operator->() const noexcept { return gate_; }
    cancel_gate& operator*() const noexcept { return *gate_; }

private:
    cancel_gate* gate_ = nullptr;
};

class cancel_gate {
public:
    // Waits for a turn that makes a few system calls at the most.
    void lock() noexcept {
        while (locked_.exchange(true, std::memory_order_acquire)) locked_.wait(true, std::memory_order_relaxed);
    }
    void unlock() noexcept {
        locked_.store(false, std::memory_order_release);
        locked_.notify_one();
    }

    // Under the lock.
    void open(cancellable& operation) noexcept { operation_ = &operation; }
    void close() noexcept { operation_ = nullptr; }
    void cancel() {
        if (operation_) operation_->on_cancel(*operation_);
    }

private:
    friend gate_pointer;

    std::atomic<int> holders_ = 1;
    std::atomic<bool> locked_ = false;
    cancellable* operation_ = nullptr;
};

inline gate_pointer gate_pointer::make() {
    gate_pointer made;
    asio::recycling_allocator<cancel_gate> memory;
    made.gate_ = ::new (static_cast<void*>(memory.allocate(1))) cancel_gate;
    return made;
}

inline gate_pointer::gate_pointer(const gate_pointer& other) noexcept : gate_{other.gate_} {
    if (gate_) gate_->holders_.fetch_add(1, std::memory_order_relaxed);
}

inline gate_pointer::~gate_pointer() {
    if (!gate_ || gate_->holders_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    std::destroy_at(gate_);
    asio::recycling_allocator<cancel_gate>{}.deallocate(gate_, 1);
}

}  // namespace dial::detail
