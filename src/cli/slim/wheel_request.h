// What a command line of flense slim says about wheels.
#pragma once

#include "cli/slim/request.h"

namespace flense::cli {

/// Whether a target is a wheel; then all have to be.
bool names_wheels(const SlimRequest& request);

/// Usage errors for what wheels are not, …
Result<void> check_wheels(const SlimRequest& request);
/// … and for what only wheels are.
Result<void> check_no_wheels(const SlimRequest& request);

}  // namespace flense::cli
