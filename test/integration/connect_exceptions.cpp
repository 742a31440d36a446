// What is left behind when an operation ends by an exception, or by its owner taking the descriptor.
#include <dial/connect.hpp>

#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <unistd.h>
#include <boost/asio/bind_allocator.hpp>
#include <support/loopback.hpp>

#include <cstddef>
#include <new>

namespace dial::test {
namespace {

using asio::ip::tcp;
using namespace std::chrono_literals;

// Has memory for the first `left` requests; counts what is not given back.
struct short_memory {
    int left = 0;
    int held = 0;
};

template <class T>
struct short_allocator {
    using value_type = T;
    short_memory* memory;

    explicit short_allocator(short_memory& m) : memory{&m} {}
    template <class U>
    short_allocator(const short_allocator<U>& other) : memory{other.memory} {}

    T* allocate(std::size_t n) {
        if (memory->left-- <= 0) throw std::bad_alloc{};
        ++memory->held;
        return std::allocator<T>{}.allocate(n);
    }
    void deallocate(T* p, std::size_t n) {
        --memory->held;
        std::allocator<T>{}.deallocate(p, n);
    }
    template <class U>
    bool operator==(const short_allocator<U>& other) const {
        return memory == other.memory;
    }
};

struct connect_without_memory : testing::TestWithParam<int> {
    asio::io_context io;
    silent_server silent;
    tcp_server server;
    tcp::socket socket{io};
    short_memory memory{.left = GetParam()};
    outcome is;

    auto handler() { return asio::bind_allocator(short_allocator<void>{memory}, record(is)); }

    // Thrown to the caller or told to the handler; either way nothing is pending, and the socket may connect.
    void expect_nothing_left(bool thrown) {
        run(io);
        EXPECT_EQ(is.calls, thrown ? 0 : 1);
        EXPECT_EQ(memory.held, 0);
        ASSERT_TRUE(socket.is_open());
        EXPECT_EQ(tcp_state(socket.native_handle()), TCP_CLOSE);
        outcome next;
        dial::connect(socket, server.endpoint(), record(next));
        io.restart();
        run(io);
        expect(next, success);
    }
};

TEST_P(connect_without_memory, withdraws_the_attempt_of_a_callers_socket) {
    bool thrown = false;
    try {
        dial::connect(socket, silent.endpoint(), handler());
    } catch (const std::bad_alloc&) {
        thrown = true;
    }
    EXPECT_EQ(thrown, GetParam() < 2);  // the operation, and its one wait
    if (!thrown) socket.cancel();
    expect_nothing_left(thrown);
}

TEST_P(connect_without_memory, withdraws_the_attempt_of_a_callers_socket_under_a_timeout) {
    bool thrown = false;
    try {
        dial::connect(socket, silent.endpoint(), 1h, handler());
    } catch (const std::bad_alloc&) {
        thrown = true;
    }
    EXPECT_EQ(thrown, GetParam() < 2);  // without memory for its second wait, the first one reports it
    if (!thrown && GetParam() > 2) socket.cancel();
    expect_nothing_left(thrown);
    if (GetParam() == 2) {
        EXPECT_EQ(is.ec, boost::system::errc::not_enough_memory);
    }
}

TEST_P(connect_without_memory, closes_a_socket_of_dials_own) {
    const std::size_t before = open_descriptors();
    bool thrown = false;
    error_code told;
    int calls = 0;
    try {
        dial::connect(io, silent.endpoint(), {.timeout = 50ms},
            asio::bind_allocator(short_allocator<void>{memory}, [&](error_code ec, tcp::socket own) {
                ++calls;
                told = ec;
                EXPECT_FALSE(own.is_open());
            }));
    } catch (const std::bad_alloc&) {
        thrown = true;
    }
    run(io);
    EXPECT_EQ(calls, thrown ? 0 : 1);
    EXPECT_EQ(told.failed(), !thrown);
    EXPECT_EQ(memory.held, 0);
    EXPECT_EQ(open_descriptors(), before);
}

INSTANTIATE_TEST_SUITE_P(after, connect_without_memory, testing::Values(0, 1, 2, 3));

TEST(connect_and_release, leaves_a_socket_alone_that_its_owner_took_back) {
    asio::io_context io;
    tcp_server server;
    tcp::socket socket{io};
    outcome is;
    // Not recognised as loopback: the kernel connects at once, and the operation waits for the reactor to tell.
    dial::connect(socket, tcp::endpoint{asio::ip::address_v4::any(), server.endpoint().port()}, record(is));
    const descriptor taken{socket.release()};
    run(io);
    expect(is, aborted);
    EXPECT_TRUE(is_connected(taken.get()));
}

}  // namespace
}  // namespace dial::test
