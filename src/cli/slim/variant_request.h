// What a command line of flense slim says about variants.
#pragma once

#include <vector>

#include "cli/slim/request.h"

namespace flense::cli {

/// Usage errors for what an index of variants is not.
Result<void> check_variants(const SlimRequest& request);

/// A job more, unless one before is for the same GPUs.
Result<void> add_variant(SlimJob job, std::vector<SlimJob>& jobs);

}  // namespace flense::cli
