#include <resolve/fork_guard.hpp>
#include <resolve/threads.hpp>

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <iterator>
#include <mutex>
#include <utility>
#include <vector>

namespace dial {
namespace {

constexpr std::size_t least_to_look_through = 64;

}  // namespace

// All under the process's mutex. Each thread holds it, so that it outlives the resolver.
struct system_resolver::threads::state {
    state(std::size_t m, duration i) : most{std::max<std::size_t>(m, 1)}, idle_time{i} {}

    const std::size_t most;
    const duration idle_time;
    const unsigned generation = resolve::fork_generation();
    std::condition_variable news;
    std::deque<std::unique_ptr<job>> queue;
    std::size_t running = 0;  // threads
    std::size_t idle = 0;     // of these
    bool closed = false;
    std::size_t look_through_at = least_to_look_through;  // how long the queue is when take_unwanted() looks
};

system_resolver::threads::threads(std::size_t most, duration idle) {
    const std::lock_guard lock{resolve::process_mutex()};
    state_ = std::make_shared<state>(most, idle);
}

system_resolver::threads::~threads() {
    std::deque<std::unique_ptr<job>> dropped;  // without the lock: dropping one tells its dial
    const std::lock_guard lock{resolve::process_mutex()};
    start_afresh_after_fork();
    state_->closed = true;
    dropped.swap(state_->queue);
    state_->news.notify_all();
}

// The child of a fork has no threads, and whatever they had under way is lost: kept as they left it, not to be touched
// again.
void system_resolver::threads::start_afresh_after_fork() {
    if (state_->generation == resolve::fork_generation()) return;
    static auto& lost = *new std::vector<std::shared_ptr<state>>;
    lost.push_back(state_);
    state_ = std::make_shared<state>(lost.back()->most, lost.back()->idle_time);
}

// While calls hang, others may come and give up, more than there is memory for. To look through a queue that has doubled
// since the last time costs little for each.
void system_resolver::threads::take_unwanted(std::deque<std::unique_ptr<job>>& dropped) {
    auto& queue = state_->queue;
    if (queue.size() < state_->look_through_at) return;
    const auto unwanted =
        std::stable_partition(queue.begin(), queue.end(), [](const auto& each) { return each->wanted(); });
    std::move(unwanted, queue.end(), std::back_inserter(dropped));
    queue.erase(unwanted, queue.end());
    state_->look_through_at = std::max(2 * queue.size(), least_to_look_through);
}

void system_resolver::threads::run(std::unique_ptr<job> work) {
    std::deque<std::unique_ptr<job>> dropped;  // without the lock
    const std::lock_guard lock{resolve::process_mutex()};
    start_afresh_after_fork();
    take_unwanted(dropped);
    state_->queue.push_back(std::move(work));
    if (state_->idle >= state_->queue.size()) {
        state_->news.notify_one();
    } else if (state_->running < state_->most && !start_thread(state_) && state_->running == 0) {
        dropped.push_back(std::move(state_->queue.back()));
        state_->queue.pop_back();
    }
}

std::size_t system_resolver::threads::running() const {
    const std::lock_guard lock{resolve::process_mutex()};
    return state_->running;
}

// Detached, so that the end of the process does not wait; without signals, which belong to the program's own threads.
bool system_resolver::threads::start_thread(const std::shared_ptr<state>& state) {
    auto* const own = new std::shared_ptr<struct state>{state};
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    const bool started = ::pthread_create(&thread, nullptr, &work_on, own) == 0;
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (!started) {
        delete own;
        return false;
    }
    ::pthread_detach(thread);
    ++state->running;
    return true;
}

void* system_resolver::threads::work_on(void* argument) {
    auto* const own = static_cast<std::shared_ptr<state>*>(argument);
    const std::shared_ptr<state> state = *own;
    delete own;
    ::pthread_setname_np(::pthread_self(), "dial-resolve");

    std::unique_lock lock{resolve::process_mutex()};
    for (;;) {
        if (state->queue.empty()) {
            ++state->idle;
            const bool work =
                state->news.wait_for(lock, state->idle_time, [&] { return state->closed || !state->queue.empty(); });
            --state->idle;
            if (!work || state->queue.empty()) break;
        }
        std::unique_ptr<job> next = std::move(state->queue.front());
        state->queue.pop_front();
        lock.unlock();
        try {
            if (next->wanted()) next->run();
        } catch (...) {}  // no memory; what the job holds is dropped, and counts as a failed lookup
        next.reset();
        lock.lock();
    }
    --state->running;
    return nullptr;
}

}  // namespace dial
