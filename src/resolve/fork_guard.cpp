#include <resolve/fork_guard.hpp>

#include <pthread.h>

namespace dial::resolve {
namespace {

struct guard {
    std::mutex mutex;
    unsigned generation = 0;  // under the mutex

    guard() {
        ::pthread_atfork([] { get().mutex.lock(); }, [] { get().mutex.unlock(); },
            [] {
                ++get().generation;
                get().mutex.unlock();
            });
    }

    static guard& get() {
        static guard& instance = *new guard;  // never destroyed: lookups go on while the process ends
        return instance;
    }
};

}  // namespace

std::mutex& process_mutex() {
    return guard::get().mutex;
}

unsigned fork_generation() {
    return guard::get().generation;
}

}  // namespace dial::resolve
