// What fork(2) does to locks: a lock that another thread holds at that moment is held in the child for ever.
#pragma once

#include <mutex>

namespace dial::resolve {

// The one lock of everything in this room that belongs to the process and not to an io_context. fork waits for it, so
// that it is free in the child. Never held while something slow is done.
std::mutex& process_mutex();

// How often this process, or one that it descends from, has forked. Who keeps threads compares: in the child there are none.
unsigned fork_generation();

}  // namespace dial::resolve
