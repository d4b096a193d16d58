// Draws the closure of an image's start for the pass `unreachable`: reads the layers once more.
#pragma once

#include "base/progress.h"
#include "closure/reach.h"
#include "image/model/image.h"
#include "inventory/describe/inventory.h"
#include "inventory/scan/contents.h"
#include "slim/plan/options.h"

namespace flense::slim {

/// Usage errors as find_reach() gives them: the start cannot be followed.
Result<closure::Reach> read_closure(const image::Image& image, const inventory::Contents& contents,
                                    const inventory::Inventory& inventory,
                                    const SlimOptions& options, const Workplace& workplace);

}  // namespace flense::slim
