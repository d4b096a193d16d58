// Values of RUN --mount and --device.
#pragma once

#include <string>

#include "lint/dockerfile/dockerfile.h"
#include "lint/dockerfile/lex.h"

namespace flense::lint {

/// Why BuildKit refuses the mount; empty: it does not, or a value is not known.
std::string mount_problem(const Flag& flag, const Scope& scope, char escape);
std::string device_problem(const Flag& flag);

}  // namespace flense::lint
