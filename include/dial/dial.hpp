// All of dial, but for <dial/tls.hpp>, which is a library of its own.
#pragma once

#include <dial/breaker.hpp>
#include <dial/caching_resolver.hpp>
#include <dial/connect.hpp>
#include <dial/connector.hpp>
#include <dial/dialer.hpp>
#ifdef DIAL_HAS_DNS_RESOLVER
#include <dial/dns_resolver.hpp>
#endif
#include <dial/error.hpp>
#include <dial/event.hpp>
#include <dial/failover.hpp>
#include <dial/history.hpp>
#include <dial/http_tunnel.hpp>
#include <dial/lease.hpp>
#include <dial/limit.hpp>
#include <dial/lookup.hpp>
#include <dial/options.hpp>
#include <dial/pool.hpp>
#include <dial/pool_event.hpp>
#include <dial/pool_options.hpp>
#include <dial/pool_stats.hpp>
#include <dial/proxy_from_env.hpp>
#include <dial/proxy_from_url.hpp>
#include <dial/report.hpp>
#include <dial/request.hpp>
#include <dial/resolve.hpp>
#include <dial/resolved.hpp>
#include <dial/resolver.hpp>
#include <dial/retry.hpp>
#include <dial/socks4a.hpp>
#include <dial/socks5.hpp>
#include <dial/target.hpp>
#include <dial/time.hpp>
#include <dial/timeout.hpp>
