#include <pool/follower.hpp>

#include <dial/detail/start_resolve.hpp>

#include <boost/asio/error.hpp>

#include <algorithm>
#include <utility>

namespace dial::pooling {

namespace asio = boost::asio;

bool known_addresses::lack(const asio::ip::address& address) const {
    const auto& family = address.is_v4() ? v4 : v6;
    if (!family) return false;
    const bool any = (v4 && !v4->empty()) || (v6 && !v6->empty());
    return any && std::find(family->begin(), family->end(), address) == family->end();
}

std::optional<asio::ip::address> followed_address(const report& story, const target& to) {
    const report::attempt* const winner = story.winner();
    if (!winner || !winner->path.empty()) return {};
    const asio::ip::address address = winner->peer.address();
    for (const report::lookup& asked : story.lookups())
        if (asked.name == to.host() && std::ranges::find(asked.addresses, address) != asked.addresses.end())
            return address;
    return {};
}

follower::follower(const asio::any_io_executor& executor, const detail::work_counter& counter, resolver names,
    duration interval, ask_whom whom, tell told)
    : executor_{executor}, counter_{counter}, names_{std::move(names)}, interval_{interval}, whom_{std::move(whom)},
      told_{std::move(told)}, timer_{executor} {}

follower::~follower() {
    wait_.ended(number_, counter_);
}

void follower::wake() {
    const std::lock_guard lock{mutex_};
    if (std::exchange(awake_, true)) return;
    timer_.expires_at(saturating_add(std::chrono::steady_clock::now(), interval_));
    const std::uint32_t number = number_ = wait_.begin();
    timer_.async_wait([weak = weak_from_this(), number](error_code ec) {
        const auto self = weak.lock();
        if (!self) return;
        self->wait_.ended(number, self->counter_);
        if (!ec) self->on_timer();
    });
    wait_.started(number, counter_);
}

void follower::on_timer() {
    {
        const std::lock_guard lock{mutex_};
        awake_ = false;
    }
    const std::vector<target> all = whom_();
    for (const target& one : all) ask(one);
    if (!all.empty()) wake();
}

// Both families; the last answer tells.
struct follower::question {
    std::mutex mutex;
    int out = 2;
    known_addresses known;
};

void follower::ask(const target& about) {
    const auto both = std::make_shared<question>();
    for (const address_family family : {address_family::v6, address_family::v4}) {
        const auto answered = [self = shared_from_this(), both, about, family](error_code ec, const answer& brought) {
            const bool known = !ec || ec == asio::error::no_data || ec == asio::error::host_not_found;
            {
                const std::lock_guard lock{both->mutex};
                if (known)
                    (family == address_family::v4 ? both->known.v4 : both->known.v6)
                        .emplace(brought.addresses().begin(), brought.addresses().end());
                if (--both->out != 0) return;
            }
            self->told_(about, both->known);
        };
        detail::start_resolve(executor_, names_, lookup{about.host(), family}, detail::answer_completion{answered});
    }
}

}  // namespace dial::pooling
