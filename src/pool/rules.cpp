#include <pool/rules.hpp>

namespace dial::pooling {

pool_rules rules_of(const pool_options& options) {
    pool_rules rules;
    rules.max_per_target = options.max_per_target();
    rules.max_total = options.max_total();
    rules.min_idle = options.min_idle();
    rules.max_idle = options.max_idle();
    rules.max_connecting = options.max_connecting();
    rules.max_waiting = options.max_waiting();
    rules.idle_timeout = options.idle_timeout();
    rules.max_lifetime = options.max_lifetime();
    rules.lifetime_jitter = options.lifetime_jitter();
    if (options.check()) {
        rules.check_after = options.check_after();
        rules.keep_alive = options.keep_alive();
    }
    rules.inspect = !options.watch_idle();
    rules.oldest_first = options.reuse() == reuse_order::oldest_first;
    return rules;
}

error_code error_of(wait_end why, const detail::failed_connect* failed) {
    switch (why) {  // no default: the compiler names the case we forget
        case wait_end::connect_failed: return failed ? failed->error : error_code{error::pool_unreachable};
        case wait_end::full: return error::pool_full;
        case wait_end::unreachable: return error::pool_unreachable;
        case wait_end::too_late: return error::timeout;
        case wait_end::too_many: return error::too_many_waiters;
        case wait_end::closed: return error::pool_closed;
    }
    return error::pool_closed;
}

}  // namespace dial::pooling
