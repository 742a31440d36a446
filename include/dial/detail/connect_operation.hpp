// Runs one connect: obeys the engine, waits in Asio's reactor, completes the handler.
//
// Most connects on this machine are decided by the first call; they never get past run_connect and allocate nothing but
// the posted completion. The others move into a connect_operation, which lives until no wait of its own is left.
#pragma once

#include <dial/detail/cancel_gate.hpp>
#include <dial/detail/connect_engine.hpp>
#include <dial/detail/no_thread_cancellation.hpp>
#include <dial/detail/post_completion.hpp>
#include <dial/time.hpp>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/error.hpp>

#include <atomic>
#include <memory>
#include <mutex>
#include <new>
#include <type_traits>
#include <utility>

namespace dial::detail {

// A Target is what is being connected:
//   executor_type, get_executor()
//   verdict call(peer)         ::connect, the first time
//   void remember(peer)        called once, before the first wait
//   verdict call_again()       ::connect, on a new socket if one was used up
//   verdict ask()              how the attempt stands
//   void async_wait(handler)   until writable
//   void give_up(bool held)    on failure; held: the kernel has an attempt or a connection to take back
//   closes                     whether give_up() closes the socket, which ends a wait that is under way
//   void deliver(handler, ec)  invokes the handler
//   void post(handler, ec)     the same, posted
//   spare_calls                how many new sockets may replace one that connected to itself

// What dial puts into the slot. All three kinds of cancellation mean the same: give up, at once.
class cancel_through_gate {
public:
    explicit cancel_through_gate(gate_pointer gate) noexcept : gate_{std::move(gate)} {}

    void operator()(asio::cancellation_type kind) const {
        if ((kind & asio::cancellation_type::all) == asio::cancellation_type::none) return;
        const no_thread_cancellation guard;
        const gate_pointer gate = gate_;  // the slot may be used again as soon as the lock is free
        const std::lock_guard lock{*gate};
        gate->cancel();
    }

private:
    gate_pointer gate_;
};

// Holds one of the operation's waits; whoever drops it uncalled lets the operation go.
template <class Operation>
class wait_reference {
public:
    explicit wait_reference(Operation& operation) noexcept : operation_{&operation} { operation.enter(); }
    wait_reference(wait_reference&& other) noexcept : operation_{std::exchange(other.operation_, nullptr)} {}
    wait_reference& operator=(wait_reference&&) = delete;
    ~wait_reference() {
        if (operation_) operation_->abandon();
    }
    Operation& operator*() const noexcept { return *operation_; }
    Operation& release() noexcept { return *std::exchange(operation_, nullptr); }

private:
    Operation* operation_;
};

// The handler of an inner wait: runs where the outer handler runs, with its allocator.
template <class Operation>
struct wait_handler {
    wait_reference<Operation> operation;

    using allocator_type = typename Operation::allocator_type;
    allocator_type get_allocator() const noexcept { return (*operation).get_allocator(); }
};

// For an outer handler with an executor of its own. The reactor keeps work for one that is named, so it is only named
// where it differs from the socket's.
template <class Operation>
struct wait_handler_with_executor : wait_handler<Operation> {
    using executor_type = typename Operation::handler_executor;
    executor_type get_executor() const noexcept { return (*this->operation).get_executor(); }
};

struct no_executor {};

// Whether a handler names an executor, or runs wherever the operation does.
template <class Handler>
inline constexpr bool has_executor = !std::is_same_v<asio::associated_executor_t<Handler, no_executor>, no_executor>;

template <class Base>
struct ready_handler : Base {
    using cancellation_slot_type = asio::cancellation_slot;
    cancellation_slot_type get_cancellation_slot() const noexcept { return (*this->operation).inner_slot(); }
    void operator()(error_code ec) { this->operation.release().on_ready(ec); }
};

template <class Base>
struct timer_handler : Base {
    void operator()(error_code) { this->operation.release().on_time(); }
};

struct no_signal {};

struct no_timer {
    template <class Executor>
    explicit no_timer(const Executor&) {}
};

// Timed: has a timer, for a timeout or for the pauses of a full queue.
template <class Target, class Handler, bool Timed>
class connect_operation : public cancellable {
public:
    using handler_executor = asio::associated_executor_t<Handler, typename Target::executor_type>;
    using allocator_type = handler_allocator<Handler>;

    // Takes over where the first call has left the kernel: `first` is a wait.
    static void start(Target& target, Handler& handler, const connect_engine& engine, const connect_step& first) {
        auto slot = asio::get_associated_cancellation_slot(handler);
        gate_pointer gate;
        if (Timed || slot.is_connected()) gate = gate_pointer::make();
        if (slot.is_connected()) slot.template emplace<cancel_through_gate>(gate);

        own_allocator allocator{asio::get_associated_allocator(handler, asio::recycling_allocator<void>())};
        auto* const memory = std::allocator_traits<own_allocator>::allocate(allocator, 1);
        connect_operation* operation;
        try {
            operation = ::new (static_cast<void*>(memory)) connect_operation{target, handler, engine, std::move(gate)};
        } catch (...) {
            std::allocator_traits<own_allocator>::deallocate(allocator, memory, 1);
            throw;
        }
        if (!operation->gate_) return operation->obey(first);  // may be over, on another thread, when this returns
        operation->enter();
        operation->under_lock([&] {
            operation->gate_->open(*operation);
            operation->obey(first);
        });  // never the last to leave: a wait has begun
    }

    handler_executor get_executor() const noexcept {
        return asio::get_associated_executor(handler_, target_.get_executor());
    }
    allocator_type get_allocator() const noexcept {
        return asio::get_associated_allocator(handler_, asio::recycling_allocator<void>());
    }

    asio::cancellation_slot inner_slot() noexcept {
        if constexpr (!Target::closes) {
            if (gate_) return inner_.slot();
        }
        return {};
    }

    void enter() noexcept { waits_.fetch_add(1, std::memory_order_relaxed); }

    // A wait was destroyed uncalled: its io_context goes away, and with the last wait all the rest.
    void abandon() {
        if (waits_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
        if (gate_) {
            const std::lock_guard lock{*gate_};
            gate_->close();
        }
        destroy();
    }

    void on_ready(error_code ec) {
        const bool over = under_lock([&] {
            waits_ready_ = false;
            if (settled_) return;
            if (ec == asio::error::operation_aborted) {
                engine_.on_cancelled();  // the owner has cancelled or closed the socket itself
            } else if (ec) {
                target_.give_up(true);  // the reactor cannot wait for it
                engine_.on_verdict(failed(ec.value()));
            } else {
                engine_.on_verdict(target_.ask());
            }
            proceed();
        });
        if (over) complete();
    }

    void on_time() {
        const bool over = under_lock([&] {
            waits_time_ = false;
            if (settled_) return;
            if (waits_ready_) engine_.on_verdict(target_.ask());  // a late loop is not a late peer
            proceed();
        });
        if (over) complete();
    }

private:
    using own_allocator = typename std::allocator_traits<allocator_type>::template rebind_alloc<connect_operation>;
    using timer = std::conditional_t<Timed,
        asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>,
            typename Target::executor_type>,
        no_timer>;

    connect_operation(Target& target, Handler& handler, const connect_engine& engine, gate_pointer gate)
        : cancellable{&connect_operation::cancel}, handler_{std::move(handler)}, target_{std::move(target)},
          gate_{std::move(gate)}, engine_{engine}, timer_{target_.get_executor()} {}

    // Runs one turn of the operation and leaves it; true when that was the last wait, and nobody else can reach it.
    template <class Turn>
    bool under_lock(Turn turn) {
        const no_thread_cancellation guard;
        const gate_pointer gate = gate_;  // once the lock is free, another thread may end the operation
        const auto lock = gate ? std::unique_lock{*gate} : std::unique_lock<cancel_gate>{};
        try {
            turn();
        } catch (...) {  // no memory for a wait
            const bool held = waits_ready_;
            waits_ready_ = false;
            if (leave()) {
                target_.give_up(held);
                destroy();
                throw;
            }
            settle({.withdraw = held, .result = make_error_code(boost::system::errc::not_enough_memory)});
            return false;  // the wait that is left completes
        }
        return leave();
    }

    // Under the lock from here on, where there is one.

    bool leave() noexcept {
        if (waits_.fetch_sub(1, std::memory_order_acq_rel) != 1) return false;
        if (gate_) gate_->close();
        return true;
    }

    static void cancel(cancellable& self) {
        auto& operation = static_cast<connect_operation&>(self);
        if (operation.settled_) return;
        operation.engine_.on_cancelled();
        operation.proceed();
    }

    void proceed() {
        connect_step step = next();
        while (step.what == connect_step::action::call) {
            engine_.on_verdict(target_.call_again());
            step = next();
        }
        obey(step);
    }

    connect_step next() {
        return engine_.next(engine_.decided() ? time_point::min() : std::chrono::steady_clock::now());
    }

    void obey(const connect_step& step) {
        switch (step.what) {
            case connect_step::action::wait_ready: wait_until(step.until); return wait_ready();
            case connect_step::action::wait_time: return wait_until(step.until);
            case connect_step::action::finish: return settle(step);
            case connect_step::action::call: return;  // proceed() has made it
        }
    }

    void wait_ready() {
        if (waits_ready_) return;
        waits_ready_ = true;
        wait<ready_handler>([this](auto handler) { target_.async_wait(std::move(handler)); });
        // Without a gate the operation may be over here.
    }

    void wait_until(time_point when) {
        if constexpr (Timed) {
            if (when == time_point::max() || waits_time_) return;
            waits_time_ = true;
            timer_.expires_at(when);
            wait<timer_handler>([this](auto handler) { timer_.async_wait(std::move(handler)); });
        }
    }

    template <template <class> class Inner, class Start>
    void wait(Start start) {
        constexpr bool may_be_the_same =
            !has_executor<Handler> || std::is_same_v<handler_executor, typename Target::executor_type>;
        if constexpr (may_be_the_same) {
            if (!has_executor<Handler> || get_executor() == target_.get_executor())
                return start(Inner<wait_handler<connect_operation>>{{wait_reference{*this}}});
        }
        if constexpr (has_executor<Handler>)
            start(Inner<wait_handler_with_executor<connect_operation>>{{{wait_reference{*this}}}});
    }

    // What the handler will hear is certain; the waits that are left are called back.
    void settle(const connect_step& step) {
        settled_ = true;
        error_ = static_cast<short>(step.result.value());
        own_error_ = step.result.category() == dial_category();
        if constexpr (!Target::closes) {
            if (waits_ready_) inner_.emit(asio::cancellation_type::all);
        }
        if (step.result) target_.give_up(step.withdraw);
        if constexpr (Timed) {
            if (waits_time_) timer_.cancel();
        }
    }

    // Without the lock from here on.

    void complete() {
        const error_code result{error_, own_error_ ? dial_category() : boost::system::system_category()};
        Target target{std::move(target_)};
        Handler handler = destroy();  // the memory goes back before the handler runs, which may want it
        target.deliver(std::move(handler), result);
    }

    // The handler outlives the operation: the allocator may be part of it.
    Handler destroy() {
        own_allocator allocator{get_allocator()};
        Handler handler{std::move(handler_)};
        this->~connect_operation();
        std::allocator_traits<own_allocator>::deallocate(allocator, this, 1);
        return handler;
    }

    using signal = std::conditional_t<Target::closes, no_signal, asio::cancellation_signal>;

    Handler handler_;
    Target target_;
    [[no_unique_address]] signal inner_;  // ends the reactor's wait, where the socket stays open
    gate_pointer gate_;                   // none where one wait without a slot is all there is: nothing can meet
    // Ten thousand pending connects are ten thousand of these: packed.
    [[no_unique_address]] connect_engine engine_;
    std::atomic<unsigned char> waits_ = 0;  // at most two, and the turn that starts them
    bool own_error_ : 1 = false;            // of dial's category
    bool waits_ready_ : 1 = false;
    bool waits_time_ : 1 = false;
    bool settled_ : 1 = false;
    short error_ = 0;
    [[no_unique_address]] timer timer_;
};

// Connects `target` to `peer` and completes `handler`, never inside this call. Timed: it may need a timer; known when it is
// compiled, since each operation that a program does not need is one that it does not compile.
template <bool Timed, class Target, class Endpoint, class Handler>
void run_connect(Target target, const Endpoint& peer, Handler handler, duration timeout) {
    const no_thread_cancellation guard;
    connect_engine engine{timeout, Target::spare_calls};
    connect_step step = engine.next(time_point::min());
    bool again = false;
    while (step.what == connect_step::action::call) {
        engine.on_verdict(std::exchange(again, true) ? target.call_again() : target.call(peer));
        step = engine.next(engine.decided() ? time_point::min() : std::chrono::steady_clock::now());
    }
    if (step.what == connect_step::action::finish) {
        if (step.result) target.give_up(step.withdraw);
        return target.post(std::move(handler), step.result);
    }
    target.remember(peer);
    if constexpr (Target::closes) {
        connect_operation<Target, Handler, Timed>::start(target, handler, engine, step);
    } else {
        Target held = target;  // the caller's socket does not go away with an exception
        try {
            connect_operation<Target, Handler, Timed>::start(target, handler, engine, step);
        } catch (...) {
            held.give_up(step.what == connect_step::action::wait_ready);
            throw;
        }
    }
}

}  // namespace dial::detail
