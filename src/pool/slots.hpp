// Things with numbers that are used again, and lists of them in any order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace dial::pooling {

using slot = std::uint32_t;
inline constexpr slot no_slot = ~slot{0};

// An id is a slot and how often it was used: that of something that is gone fits nothing.
template <class T>
class slots {
public:
    using id = std::uint64_t;

    id add(T thing) {
        slot at;
        if (free_.empty()) {
            at = static_cast<slot>(things_.size());
            things_.push_back({std::move(thing), 1, true});
        } else {
            at = free_.back();
            free_.pop_back();
            things_[at] = {std::move(thing), things_[at].age + 1, true};
        }
        return id_of(at);
    }
    void remove(slot at) {
        things_[at].taken = false;
        free_.push_back(at);
    }

    id id_of(slot at) const { return std::uint64_t{things_[at].age} << 32 | at; }
    // no_slot if it is gone.
    slot find(id which) const {
        const auto at = static_cast<slot>(which);
        return at < things_.size() && things_[at].taken && things_[at].age == which >> 32 ? at : no_slot;
    }

    T& operator[](slot at) { return things_[at].thing; }
    const T& operator[](slot at) const { return things_[at].thing; }
    bool taken(slot at) const { return things_[at].taken; }
    std::size_t size() const { return things_.size(); }  // the highest slot and one

private:
    struct entry {
        T thing;
        std::uint32_t age;
        bool taken;
    };
    std::vector<entry> things_;
    std::vector<slot> free_;
};

struct links {
    slot before = no_slot, after = no_slot;
    bool in_list = false;
};

// A list through the things themselves: each is in it once, and leaves it in no time.
template <class T, links T::*Links>
class list {
public:
    bool empty() const { return size_ == 0; }
    std::size_t size() const { return size_; }
    slot front() const { return front_; }
    slot back() const { return back_; }
    static slot before(const slots<T>& all, slot at) { return (all[at].*Links).before; }
    static slot after(const slots<T>& all, slot at) { return (all[at].*Links).after; }

    void push_front(slots<T>& all, slot at) { insert_before(all, front_, at); }
    void push_back(slots<T>& all, slot at) { insert_before(all, no_slot, at); }

    // `next` no_slot: at the end. Nothing happens to one that is in the list already.
    void insert_before(slots<T>& all, slot next, slot at) {
        links& own = all[at].*Links;
        if (own.in_list) return;
        own = {next == no_slot ? back_ : (all[next].*Links).before, next, true};
        (own.before == no_slot ? front_ : (all[own.before].*Links).after) = at;
        (next == no_slot ? back_ : (all[next].*Links).before) = at;
        ++size_;
    }
    void remove(slots<T>& all, slot at) {
        links& own = all[at].*Links;
        if (!own.in_list) return;
        (own.before == no_slot ? front_ : (all[own.before].*Links).after) = own.after;
        (own.after == no_slot ? back_ : (all[own.after].*Links).before) = own.before;
        own = {};
        --size_;
    }
    slot pop_front(slots<T>& all) {
        const slot at = front_;
        remove(all, at);
        return at;
    }

private:
    slot front_ = no_slot, back_ = no_slot;
    std::size_t size_ = 0;
};

}  // namespace dial::pooling
