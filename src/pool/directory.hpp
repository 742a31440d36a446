// The targets of a pool, by what they are and by the core's ids.
#pragma once

#include <dial/detail/pool_hub.hpp>
#include <dial/target.hpp>

#include <pool/engine.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace dial::pooling {

class directory {
public:
    struct entry {
        target_id id;
        target to;
        std::uint64_t number;  // in the order in which they came
        std::shared_ptr<const detail::failed_connect> last;
    };

    template <class MakeId>
    entry& get(const target& to, MakeId&& make_id) {
        if (newest_ && newest_->to == to) return *newest_;
        auto& found = by_target_[to];
        if (!found) {
            found = std::make_unique<entry>(entry{make_id(), to, ++count_, {}});
            by_id_[found->id] = found.get();
        }
        return *(newest_ = found.get());
    }
    entry* find(const target& to) const {
        if (newest_ && newest_->to == to) return newest_;
        const auto found = by_target_.find(to);
        return found == by_target_.end() ? nullptr : found->second.get();
    }
    entry& at(target_id id) const { return *by_id_.at(id); }
    void remove(target_id id) {
        const auto found = by_id_.find(id);
        if (newest_ == found->second) newest_ = nullptr;
        const target to = found->second->to;
        by_id_.erase(found);
        by_target_.erase(to);
    }

    // In the order in which they came.
    template <class Function>
    void each(Function&& visit) const {
        std::vector<entry*> all;
        all.reserve(by_id_.size());
        for (const auto& [id, one] : by_id_) all.push_back(one);
        std::sort(all.begin(), all.end(), [](const entry* a, const entry* b) { return a->number < b->number; });
        for (entry* const one : all) visit(*one);
    }

private:
    struct hash {
        std::size_t operator()(const target& t) const {
            const auto text = std::hash<std::string>{};
            return text(t.is_unix() ? t.path() : t.host()) ^ (t.service().empty() ? 0 : text(t.service()) << 1) ^
                std::size_t{t.port()} * 0x9e3779b97f4a7c15u;
        }
    };

    std::unordered_map<target, std::unique_ptr<entry>, hash> by_target_;
    std::unordered_map<target_id, entry*> by_id_;
    entry* newest_ = nullptr;  // most pools have one
    std::uint64_t count_ = 0;
};

}  // namespace dial::pooling
