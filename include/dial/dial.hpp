// All of dial.
#pragma once

#include <dial/caching_resolver.hpp>
#include <dial/connect.hpp>
#include <dial/dialer.hpp>
#ifdef DIAL_HAS_DNS_RESOLVER
#include <dial/dns_resolver.hpp>
#endif
#include <dial/error.hpp>
#include <dial/event.hpp>
#include <dial/history.hpp>
#include <dial/lookup.hpp>
#include <dial/options.hpp>
#include <dial/report.hpp>
#include <dial/request.hpp>
#include <dial/resolve.hpp>
#include <dial/resolver.hpp>
#include <dial/target.hpp>
#include <dial/time.hpp>
