// flense slim --variants: an image for each of several GPUs, in one index behind the original. The
// original is read once, and what is the same for all of them is written once.
#pragma once

#include "cli/slim/request.h"

namespace flense::cli {

Result<int> slim_variants(const std::vector<SlimJob>& jobs, const SlimRequest& request,
                          const slim::Workplace& workplace, Io& io);

}  // namespace flense::cli
