// All of dial.
#pragma once

#include <dial/connect.hpp>
#include <dial/error.hpp>
#include <dial/options.hpp>
#include <dial/time.hpp>
