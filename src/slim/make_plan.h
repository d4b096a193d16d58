// From what an image holds to what slim would do with it. Reads nothing, writes nothing.
#pragma once

#include <string>
#include <vector>

#include "image/image.h"
#include "inventory/contents.h"
#include "inventory/inventory.h"
#include "slim/options.h"
#include "slim/plan.h"

namespace flense::slim {

/// `contents` must have been read with prune_options(options, image).
Result<Plan> make_plan(const image::Image& image, const inventory::Contents& contents,
                       const inventory::Inventory& inventory, const SlimOptions& options);

/// What the scan needs to know to judge every ELF file. An image that sets CUDA_FORCE_PTX_JIT keeps
/// its PTX.
device::PruneOptions prune_options(const SlimOptions& options, const image::Image& image);

/// Links and start-up files that the plan would break; one sentence each (slim/closure.h).
std::vector<std::string> verify_plan(const image::Image& image, const inventory::Contents& contents,
                                     const Plan& plan);

}  // namespace flense::slim
