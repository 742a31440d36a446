// All of dial.
#pragma once

#include <dial/connect.hpp>
#include <dial/dialer.hpp>
#include <dial/error.hpp>
#include <dial/event.hpp>
#include <dial/lookup.hpp>
#include <dial/options.hpp>
#include <dial/report.hpp>
#include <dial/request.hpp>
#include <dial/resolve.hpp>
#include <dial/resolver.hpp>
#include <dial/target.hpp>
#include <dial/time.hpp>
