// What a handler may be and bring along: its executor, allocator and slot are used, in every phase of a connect.
#include <dial/connect.hpp>

#include <gtest/gtest.h>
#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <support/loopback.hpp>
#include <support/sanitizers.hpp>

#include <atomic>
#include <cstdlib>
#include <deque>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>

#if DIAL_TEST_ASAN || DIAL_TEST_TSAN
#define DIAL_TEST_OWN_MALLOC  // the sanitizer's
#endif

namespace {
std::atomic<std::size_t> allocations{0};
}

#ifndef DIAL_TEST_OWN_MALLOC  // counts what C++ and Asio (which prefers aligned_alloc) ask of the heap
extern "C" void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
    allocations.fetch_add(1, std::memory_order_relaxed);
    void* memory = nullptr;
    return ::posix_memalign(&memory, alignment < sizeof(void*) ? sizeof(void*) : alignment, size) == 0 ? memory
                                                                                                       : nullptr;
}
[[gnu::noinline]] void* operator new(std::size_t size) {
    allocations.fetch_add(1, std::memory_order_relaxed);
    if (void* memory = std::malloc(size)) return memory;
    throw std::bad_alloc{};
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
    std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}
#endif

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;
using unix_stream = asio::local::stream_protocol;

class connect_handlers : public testing::Test {
protected:
    asio::io_context io;
    tcp_server server;
    refusing_port refusing;
    silent_server silent;
    full_unix_server full;
    std::deque<tcp::socket> tcp_sockets;  // a socket stays where it is until its handler was called
    std::deque<unix_stream::socket> unix_sockets;

    // To the server by way of the reactor: dial does not look at once how a connect to this address stands.
    tcp::endpoint by_reactor() const { return {asio::ip::address_v4::any(), server.endpoint().port()}; }

    // Connects with `make_token()` in every phase that a connect can end in; `between(name)` runs after each call.
    template <class MakeToken, class Between>
    void in_each_phase(MakeToken make_token, Between between) {
        const auto executor = io.get_executor();
        const auto start = [&](const char* name, auto& socket, const auto& peer, duration timeout) {
            SCOPED_TRACE(name);
            dial::connect(socket, peer, timeout, make_token());
            between();
        };
        const auto start_own = [&](const char* name, const auto& peer, duration timeout) {
            SCOPED_TRACE(name);
            dial::connect(executor, peer, connect_options{.timeout = timeout}, make_token());
            between();
        };
        for (const duration timeout : {never, duration{1h}}) {
            start("connected at once", tcp_sockets.emplace_back(io), server.endpoint(), timeout);
            start("refused at once", tcp_sockets.emplace_back(io), refusing.endpoint(), timeout);
            start("connected by the reactor", tcp_sockets.emplace_back(io), by_reactor(), timeout);
            start_own("own, connected at once", server.endpoint(), timeout);
            start_own("own, refused at once", refusing.endpoint(), timeout);
            start_own("own, connected by the reactor", by_reactor(), timeout);
        }
        start("a limit of zero", tcp_sockets.emplace_back(io), silent.endpoint(), 0ns);
        start("timed out", tcp_sockets.emplace_back(io), silent.endpoint(), 2ms);
        start("timed out in a full queue", unix_sockets.emplace_back(io), full.endpoint(), 2ms);
        start_own("own, a limit of zero", silent.endpoint(), 0ns);
        start_own("own, timed out", silent.endpoint(), 2ms);
    }
    static constexpr int phases = 17;
};

// Neither copyable nor default-constructible, and callable only as what a handler is called as: an rvalue.
class single_use {
public:
    explicit single_use(int& calls) : calls_{&calls, [](int* count) { ++*count; }} {}
    void operator()(error_code) && { calls_.reset(); }
    void operator()(error_code, tcp::socket) && { calls_.reset(); }
    void operator()(error_code) & = delete;
    void operator()(error_code, tcp::socket) & = delete;

private:
    std::unique_ptr<int, void (*)(int*)> calls_;
};
static_assert(!std::is_copy_constructible_v<single_use> && !std::is_default_constructible_v<single_use>);

TEST_F(connect_handlers, may_be_move_only_and_not_default_constructible) {
    int calls = 0;
    in_each_phase([&] { return single_use{calls}; }, [&] { run(io); });
    EXPECT_EQ(calls, phases);
}

TEST_F(connect_handlers, are_never_called_inside_the_initiating_call) {
    int calls = 0, expected = 0;
    asio::post(io, [&] {  // also where the io_context would run a handler inline, were it only dispatched
        in_each_phase([&] { return [&](error_code, auto&&...) { ++calls; }; }, [&] { EXPECT_EQ(calls, 0); });
        ++expected;
    });
    run_ready(io);
    EXPECT_EQ(expected, 1);
}

TEST_F(connect_handlers, run_on_their_strand) {
    auto strand = asio::make_strand(io);
    int calls = 0;
    const auto make_token = [&] {
        return asio::bind_executor(strand, [&](error_code, auto&&...) {
            ++calls;
            EXPECT_TRUE(strand.running_in_this_thread());
        });
    };
    in_each_phase(make_token, [&] { run(io); });
    EXPECT_EQ(calls, phases);
}

TEST_F(connect_handlers, run_on_their_own_io_context_and_keep_it_at_work) {
    asio::io_context other;
    std::atomic<int> calls = 0;
    const auto make_token = [&] {
        return asio::bind_executor(other, [&](error_code, auto&&...) {
            ++calls;
            EXPECT_TRUE(other.get_executor().running_in_this_thread());
            EXPECT_FALSE(io.get_executor().running_in_this_thread());
        });
    };
    const auto between = [&] {
        const int before = calls;
        other.restart();
        std::thread sockets{[&] {
            const auto work = asio::make_work_guard(io);
            io.restart();
            while (calls == before && !other.stopped()) io.run_one_for(1ms);
        }};
        run(other);  // returns only with the handler called: until then it has work
        sockets.join();
        EXPECT_EQ(calls, before + 1);
    };
    in_each_phase(make_token, between);
    EXPECT_EQ(calls, phases);
}

TEST_F(connect_handlers, may_be_type_erased) {
    int calls = 0;
    auto strand = asio::make_strand(io);
    const auto handler = [&](error_code, auto&&...) {
        ++calls;
        EXPECT_TRUE(strand.running_in_this_thread());
    };
    tcp::socket a{io}, b{io};
    using erased = asio::any_completion_handler<void(error_code)>;
    using erased_own = asio::any_completion_handler<void(error_code, tcp::socket)>;
    dial::connect(a, server.endpoint(), erased{asio::bind_executor(strand, handler)});
    dial::connect(b, by_reactor(), 1h, erased{asio::bind_executor(strand, handler)});
    dial::connect(io, by_reactor(), erased_own{asio::bind_executor(strand, handler)});
    run(io);
    EXPECT_EQ(calls, 3);
}

TEST_F(connect_handlers, bring_the_slot_through_type_erasure) {
    asio::cancellation_signal signal;
    outcome is;
    tcp::socket socket{io};
    dial::connect(socket, silent.endpoint(), asio::any_completion_handler<void(error_code)>{record(is, signal)});
    run_ready(io);
    signal.emit(asio::cancellation_type::terminal);
    run(io);
    expect(is, aborted);
}

TEST_F(connect_handlers, keep_their_io_context_at_work_while_pending) {
    outcome is;
    asio::cancellation_signal signal;
    tcp::socket socket{io};
    dial::connect(socket, silent.endpoint(), record(is, signal));
    io.run_for(10ms);
    EXPECT_FALSE(io.stopped());
    unix_stream::socket in_queue{io};
    outcome second;
    dial::connect(in_queue, full.endpoint(), record(second));
    signal.emit(asio::cancellation_type::terminal);
    io.restart();
    io.run_for(10ms);
    EXPECT_FALSE(io.stopped());
    expect(is, aborted);
    EXPECT_TRUE(full.accept());
    run(io);
    expect(second, success);
}

TEST_F(connect_handlers, that_throw_throw_from_run_and_nothing_is_lost) {
    const tcp::socket starts_the_reactor{io};
    const std::size_t before = open_descriptors();
    int thrown = 0;
    const auto make_token = [&] {
        return [guard = std::make_unique<int>()](error_code, auto&&...) { throw std::runtime_error{"the handler's"}; };
    };
    in_each_phase(make_token, [&] {
        try {
            run(io);
            ADD_FAILURE() << "nothing was thrown";
        } catch (const std::runtime_error&) {
            ++thrown;
        }
        run(io);  // what is left: not much
    });
    EXPECT_EQ(thrown, phases);
    tcp_sockets.clear();
    unix_sockets.clear();
    EXPECT_EQ(open_descriptors(), before);
}

// --- Memory ---

struct ledger {
    std::size_t live = 0, total = 0;
};

template <class T>
struct counting_allocator {
    using value_type = T;
    ledger* book;

    explicit counting_allocator(ledger& l) : book{&l} {}
    template <class U>
    counting_allocator(const counting_allocator<U>& other) : book{other.book} {}

    T* allocate(std::size_t n) {
        ++book->live, ++book->total;
        return std::allocator<T>{}.allocate(n);
    }
    void deallocate(T* memory, std::size_t n) {
        --book->live;
        std::allocator<T>{}.deallocate(memory, n);
    }
    template <class U>
    bool operator==(const counting_allocator<U>& other) const {
        return book == other.book;
    }
};

TEST_F(connect_handlers, have_all_memory_of_their_allocator_back_before_they_run) {
    ledger book;
    int calls = 0;
    const auto make_token = [&] {
        book = {};
        return asio::bind_allocator(counting_allocator<void>{book}, [&](error_code, auto&&...) {
            ++calls;
            EXPECT_EQ(book.live, 0u);
            EXPECT_GT(book.total, 0u);
        });
    };
    in_each_phase(make_token, [&] {
        EXPECT_GT(book.live, 0u);
        run(io);
    });
    EXPECT_EQ(calls, phases);
}

TEST_F(connect_handlers, that_are_destroyed_uncalled_have_all_memory_back) {
    ledger book;
    {
        asio::io_context short_lived;
        auto token = asio::bind_allocator(counting_allocator<void>{book}, [](error_code, auto&&...) {});
        dial::connect(short_lived, silent.endpoint(), token);
        dial::connect(short_lived, silent.endpoint(), connect_options{.timeout = 1h}, token);
        dial::connect(short_lived, server.endpoint(), token);
        EXPECT_GE(book.live, 3u);
    }
    EXPECT_EQ(book.live, 0u);
}

// Connects again and again, each time from the handler of the last: a few times to warm up, then 100 times.
class in_a_row {
public:
    in_a_row(tcp::socket& socket, tcp::endpoint peer, std::optional<duration> timeout, std::size_t& counted)
        : socket_{&socket}, peer_{peer}, timeout_{timeout}, counted_{&counted} {}

    void operator()(error_code ec = {}) {
        ASSERT_FALSE(ec) << ec.message();
        if (socket_->is_open()) {
            close_by_reset(socket_->native_handle());
            socket_->close();
        }
        if (left_ == 100) *counted_ = allocations;
        if (left_ == 0)
            *counted_ = allocations - *counted_;
        else {
            --left_;
            auto& socket = *socket_;
            const auto peer = peer_;
            if (const auto timeout = timeout_)
                dial::connect(socket, peer, *timeout, std::move(*this));
            else
                dial::connect(socket, peer, std::move(*this));
        }
    }

private:
    tcp::socket* socket_;
    tcp::endpoint peer_;
    std::optional<duration> timeout_;
    std::size_t* counted_;
    int left_ = 110;
};

#ifdef DIAL_TEST_OWN_MALLOC
#define DIAL_TEST_COUNTS_ALLOCATIONS GTEST_SKIP() << "the sanitizer has an allocator of its own"
#else
#define DIAL_TEST_COUNTS_ALLOCATIONS
#endif

// Allocations of 100 connects in a row, by callbacks.
std::size_t count_callbacks(asio::io_context& io, const tcp_server& server, tcp::endpoint peer,
    std::optional<duration> timeout) {
    tcp::socket socket{io};
    std::size_t counted = 0;
    in_a_row{socket, peer, timeout, counted}();
    run(io);
    server.accept_all();
    return counted;
}

// The same, awaited in a coroutine that can be cancelled.
template <class Connect>
std::size_t count_awaited(asio::io_context& io, const tcp_server& server, Connect connect) {
    std::size_t counted = 0;
    const auto loop = [&]() -> asio::awaitable<void> {
        for (int i = 0; i != 10; ++i) co_await connect();
        const std::size_t before = allocations;
        for (int i = 0; i != 100; ++i) co_await connect();
        counted = allocations - before;
    };
    asio::cancellation_signal signal;
    asio::co_spawn(
        io, loop(), asio::bind_cancellation_slot(signal.slot(), [](std::exception_ptr e) { EXPECT_FALSE(e); }));
    run(io);
    server.accept_all();
    return counted;
}

TEST_F(connect_handlers, cost_no_heap_allocation_in_the_steady_state) {
    DIAL_TEST_COUNTS_ALLOCATIONS;
    EXPECT_EQ(count_callbacks(io, server, server.endpoint(), {}), 0u);
    EXPECT_EQ(count_callbacks(io, server, server.endpoint(), 1h), 0u);
    tcp::socket socket{io};
    const auto awaited = [&](auto... timeout) {
        return count_awaited(io, server, [&, timeout...]() -> asio::awaitable<void> {
            co_await dial::connect(socket, server.endpoint(), timeout...);
            close_by_reset(socket.native_handle());
            socket.close();
        });
    };
    EXPECT_EQ(awaited(), 0u);
    EXPECT_EQ(awaited(1h), 0u);
    const auto awaited_own = [&](connect_options options) {
        return count_awaited(io, server, [&, options]() -> asio::awaitable<void> {
            auto own = co_await dial::connect(server.endpoint(), options);
            close_by_reset(own.native_handle());
        });
    };
    EXPECT_EQ(awaited_own({}), 0u);
    EXPECT_EQ(awaited_own({.timeout = 1h}), 0u);
}

TEST_F(connect_handlers, cost_few_heap_allocations_where_the_reactor_waits) {
    DIAL_TEST_COUNTS_ALLOCATIONS;  // the operation, its gate, Asio's wait and timer; Asio keeps two blocks for reuse
    EXPECT_EQ(count_callbacks(io, server, by_reactor(), {}), 0u);
    EXPECT_LE(count_callbacks(io, server, by_reactor(), 1h), 300u);
    const auto awaited_own = [&](connect_options options) {
        return count_awaited(io, server, [&, options]() -> asio::awaitable<void> {
            auto own = co_await dial::connect(by_reactor(), options);
            close_by_reset(own.native_handle());
        });
    };
    EXPECT_LE(awaited_own({}), 100u);
    EXPECT_LE(awaited_own({.timeout = 1h}), 200u);
}

}  // namespace
}  // namespace dial::test
