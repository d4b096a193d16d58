// flense slim A.whl B.whl: wheels for a folder or an index that images are built from.
#pragma once

#include "cli/slim/request.h"

namespace flense::cli {

Result<int> slim_wheels(const std::vector<SlimJob>& jobs, const SlimRequest& request,
                        const slim::Workplace& workplace, Io& io);

}  // namespace flense::cli
