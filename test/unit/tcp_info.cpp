// Where Linux keeps what dial reads of struct tcp_info. A file of its own: <linux/tcp.h> and <netinet/tcp.h> cannot be
// included together.
#include <linux/tcp.h>

#include <gtest/gtest.h>

#include <cstddef>

TEST(tcp_info, the_state_comes_first_and_the_segments_at_140) {
    EXPECT_EQ(offsetof(tcp_info, tcpi_state), 0u);
    EXPECT_EQ(sizeof(tcp_info::tcpi_state), 1u);
    EXPECT_EQ(offsetof(tcp_info, tcpi_segs_in), 140u);
    EXPECT_EQ(sizeof(tcp_info::tcpi_segs_in), 4u);
}
