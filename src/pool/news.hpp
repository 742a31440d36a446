// What a pool's observer is still to be told, in order.
#pragma once

#include <dial/detail/pool_hub.hpp>
#include <dial/pool_event.hpp>
#include <dial/report.hpp>

#include <deque>
#include <memory>
#include <string>
#include <utility>

namespace dial::pooling {

// An event, with what it points to.
struct piece_of_news {
    pool_event event;
    std::string target;
    std::shared_ptr<const report> story;
    std::shared_ptr<const detail::failed_connect> failed;

    // Valid as long as this is.
    pool_event told() const {
        pool_event all = event;
        all.target = target;
        all.story = story ? story.get() : failed ? &failed->report : nullptr;
        return all;
    }
};

class news {
public:
    explicit news(bool heard) : heard_{heard} {}

    bool heard() const { return heard_; }
    bool empty() const { return all_.empty(); }

    // To be filled in by the caller; where nobody hears, it goes nowhere, and costs nothing.
    piece_of_news& add() { return heard_ ? all_.emplace_back() : nobody_hears_; }
    piece_of_news take() {
        piece_of_news first = std::move(all_.front());
        all_.pop_front();
        return first;
    }

private:
    const bool heard_;
    std::deque<piece_of_news> all_;
    piece_of_news nobody_hears_;
};

}  // namespace dial::pooling
