// Numbers that are used again, and lists.
#include <pool/slots.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace dial::pooling {
namespace {

struct thing {
    int value = 0;
    links one, other;
};
using one_list = list<thing, &thing::one>;
using other_list = list<thing, &thing::other>;

slot add(slots<thing>& all, int value) {
    return all.find(all.add({value, {}, {}}));
}

std::vector<int> forwards(const slots<thing>& all, const one_list& l) {
    std::vector<int> values;
    for (slot at = l.front(); at != no_slot; at = l.after(all, at)) values.push_back(all[at].value);
    return values;
}

std::vector<int> backwards(const slots<thing>& all, const one_list& l) {
    std::vector<int> values;
    for (slot at = l.back(); at != no_slot; at = l.before(all, at)) values.push_back(all[at].value);
    return values;
}

using values = std::vector<int>;

TEST(pool_slots, an_id_finds_its_thing) {
    slots<int> all;
    const auto one = all.add(1), two = all.add(2);
    EXPECT_EQ(all[all.find(one)], 1);
    EXPECT_EQ(all[all.find(two)], 2);
    EXPECT_EQ(all.id_of(all.find(two)), two);
    EXPECT_EQ(all.size(), 2u);
}

TEST(pool_slots, the_id_of_what_is_gone_fits_nothing) {
    slots<int> all;
    const auto old = all.add(1);
    const slot at = all.find(old);
    all.remove(at);
    EXPECT_EQ(all.find(old), no_slot);
    EXPECT_FALSE(all.taken(at));
    const auto fresh = all.add(2);
    EXPECT_EQ(all.find(fresh), at) << "the place is used again";
    EXPECT_EQ(all.find(old), no_slot);
    EXPECT_NE(old, fresh);
    EXPECT_EQ(all.size(), 1u);
}

TEST(pool_slots, zero_is_nobodys_id) {
    slots<int> all;
    EXPECT_EQ(all.find(0), no_slot);
    EXPECT_NE(all.add(1), 0u);
    EXPECT_EQ(all.find(0), no_slot);
    EXPECT_EQ(all.find(99), no_slot);
}

TEST(pool_list, keeps_the_order_it_was_filled_in) {
    slots<thing> all;
    one_list l;
    EXPECT_TRUE(l.empty());
    EXPECT_EQ(l.front(), no_slot);
    const slot two = add(all, 2);
    l.push_back(all, two);
    l.push_back(all, add(all, 4));
    l.push_front(all, add(all, 1));
    l.insert_before(all, l.back(), add(all, 3));
    l.insert_before(all, no_slot, add(all, 5));
    EXPECT_EQ(forwards(all, l), (values{1, 2, 3, 4, 5}));
    EXPECT_EQ(backwards(all, l), (values{5, 4, 3, 2, 1}));
    l.remove(all, two);
    EXPECT_EQ(all[l.pop_front(all)].value, 1);
    l.remove(all, l.back());
    EXPECT_EQ(forwards(all, l), (values{3, 4}));
    EXPECT_EQ(backwards(all, l), (values{4, 3}));
    EXPECT_EQ(l.size(), 2u);
}

TEST(pool_list, nobody_is_in_it_twice_or_leaves_twice) {
    slots<thing> all;
    one_list l;
    const slot a = add(all, 1), b = add(all, 2);
    l.push_back(all, a);
    l.push_back(all, b);
    l.push_back(all, a);
    l.push_front(all, b);
    EXPECT_EQ(forwards(all, l), (values{1, 2}));
    l.remove(all, a);
    l.remove(all, a);
    EXPECT_EQ(forwards(all, l), (values{2}));
    EXPECT_EQ(l.size(), 1u);
}

TEST(pool_list, lists_through_other_links_do_not_meet) {
    slots<thing> all;
    one_list l;
    other_list m;
    const slot a = add(all, 1), b = add(all, 2);
    l.push_back(all, a);
    l.push_back(all, b);
    m.push_back(all, b);
    l.remove(all, b);
    EXPECT_EQ(m.front(), b);
    EXPECT_EQ(forwards(all, l), (values{1}));
}

TEST(pool_list, does_what_a_vector_does) {
    std::mt19937 random{1};
    slots<thing> all;
    one_list l;
    values model;
    for (int i = 0; i != 10; ++i) add(all, i);
    for (int i = 0; i != 10'000; ++i) {
        const auto at = static_cast<slot>(random() % 10);
        const int value = all[at].value;
        const auto known = std::ranges::find(model, value);
        if (random() % 2 == 0) {
            l.remove(all, at);
            if (known != model.end()) model.erase(known);
        } else if (known == model.end()) {
            const std::size_t place = random() % (model.size() + 1);
            l.insert_before(all, place == model.size() ? no_slot : static_cast<slot>(model[place]), at);
            model.insert(model.begin() + static_cast<std::ptrdiff_t>(place), value);
        }
        ASSERT_EQ(forwards(all, l), model);
        ASSERT_EQ(l.size(), model.size());
        std::ranges::reverse(model);
        ASSERT_EQ(backwards(all, l), model);
        std::ranges::reverse(model);
    }
}

}  // namespace
}  // namespace dial::pooling
