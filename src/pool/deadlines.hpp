// When something is due, for many things: a heap in which each has at most one time, and can change it.
#pragma once

#include <dial/time.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace dial::pooling {

// Keys are small numbers; memory grows with the greatest one.
class deadlines {
public:
    using key = std::uint32_t;

    // Moves it if it has a time already. max(): none.
    void set(key which, time_point when) {
        if (when == time_point::max()) return clear(which);
        if (which >= places_.size()) places_.resize(which + 1, none);
        if (places_[which] == none) {
            places_[which] = static_cast<std::uint32_t>(heap_.size());
            heap_.push_back({when, which});
        } else {
            heap_[places_[which]].when = when;
        }
        down(up(places_[which]));
    }

    void clear(key which) {
        if (which >= places_.size() || places_[which] == none) return;
        const std::uint32_t place = std::exchange(places_[which], none);
        const entry last = heap_.back();
        heap_.pop_back();
        if (place == heap_.size()) return;
        heap_[place] = last;
        places_[last.which] = place;
        down(up(place));
    }

    // max() if there is none.
    time_point earliest() const { return heap_.empty() ? time_point::max() : heap_.front().when; }
    bool any_due(time_point now) const { return !heap_.empty() && heap_.front().when <= now; }
    key first() const { return heap_.front().which; }

private:
    struct entry {
        time_point when;
        key which;
    };
    static constexpr std::uint32_t none = ~std::uint32_t{0};

    void swap(std::uint32_t a, std::uint32_t b) {
        std::swap(heap_[a], heap_[b]);
        places_[heap_[a].which] = a;
        places_[heap_[b].which] = b;
    }
    std::uint32_t up(std::uint32_t place) {
        while (place != 0 && heap_[place].when < heap_[(place - 1) / 2].when) {
            swap(place, (place - 1) / 2);
            place = (place - 1) / 2;
        }
        return place;
    }
    void down(std::uint32_t place) {
        for (;;) {
            std::uint32_t least = place;
            for (std::uint32_t child = 2 * place + 1; child <= 2 * place + 2 && child < heap_.size(); ++child)
                if (heap_[child].when < heap_[least].when) least = child;
            if (least == place) return;
            swap(place, least);
            place = least;
        }
    }

    std::vector<entry> heap_;
    std::vector<std::uint32_t> places_;  // by key
};

}  // namespace dial::pooling
