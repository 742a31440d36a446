// Lets pthread_cancel pass by.
#pragma once

#include <pthread.h>

namespace dial::detail {

// connect(2) and close(2) are places where pthread_cancel strikes. A thread that dies there would take along what an
// operation has got so far, so while dial works it lives on; it dies in the next such call of somebody else.
class no_thread_cancellation {
public:
    no_thread_cancellation() noexcept { ::pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before_); }
    ~no_thread_cancellation() { ::pthread_setcancelstate(before_, nullptr); }
    no_thread_cancellation(const no_thread_cancellation&) = delete;
    no_thread_cancellation& operator=(const no_thread_cancellation&) = delete;

private:
    int before_ = PTHREAD_CANCEL_ENABLE;
};

}  // namespace dial::detail
