// What the options of a pool mean to its core, and what the core's words mean to its users.
#pragma once

#include <dial/detail/pool_hub.hpp>
#include <dial/pool_options.hpp>

#include <pool/engine.hpp>

namespace dial::pooling {

pool_rules rules_of(const pool_options& options);

// `failed`: the connect, where it is about one.
error_code error_of(wait_end why, const detail::failed_connect* failed);

}  // namespace dial::pooling
