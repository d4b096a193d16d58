// flense slim A B C: several images in one run. A layer that they share is read, cut and compressed
// once; the results lie beside each other and share it again.
#pragma once

#include "cli/slim/request.h"

namespace flense::cli {

Result<int> slim_fleet(const std::vector<SlimJob>& jobs, const SlimRequest& request,
                       const slim::Workplace& workplace, Io& io);

}  // namespace flense::cli
