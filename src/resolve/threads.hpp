// Threads for calls that block and cannot be cancelled.
#pragma once

#include <dial/resolver.hpp>
#include <dial/time.hpp>

#include <cstddef>
#include <deque>
#include <memory>

namespace dial {

class system_resolver::threads {
public:
    // Something to do on a thread. Whoever is no longer wanted when its turn comes, or before, is dropped.
    class job {
    public:
        virtual ~job() = default;
        virtual bool wanted() const = 0;  // may be called under the process's mutex: takes no lock
        virtual void run() = 0;
    };

    explicit threads(std::size_t most, duration idle = std::chrono::seconds{10});
    ~threads();  // what is queued is dropped; what runs goes on, and nobody waits for it
    threads(const threads&) = delete;
    threads& operator=(const threads&) = delete;

    // Runs `work` on a thread, a new one where none is free and there may be one more. Dropped where there can be none.
    void run(std::unique_ptr<job> work);

    std::size_t running() const;  // threads there are, at work or idle

private:
    struct state;

    static void* work_on(void* state);
    static bool start_thread(const std::shared_ptr<state>& state);
    void start_afresh_after_fork();
    void take_unwanted(std::deque<std::unique_ptr<job>>& dropped);

    std::shared_ptr<state> state_;
};

namespace resolve {

// The process's own, which a resolver that is empty stands for.
system_resolver& process_resolver();
system_resolver::threads& process_threads();

}  // namespace resolve
}  // namespace dial
