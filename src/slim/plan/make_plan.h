// From what an image holds to what slim would do with it. Reads nothing, writes nothing.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "image/model/image.h"
#include "inventory/describe/inventory.h"
#include "inventory/scan/contents.h"
#include "slim/plan/options.h"
#include "slim/plan/plan.h"

namespace flense::slim {

/// What the user must know of a plan that takes ROCm code out of files.
inline constexpr std::string_view kRocmNotice =
    "ROCm code is pruned by the formats alone: what flense leaves of it has not run on AMD "
    "hardware, so try it there before you rely on it";

/// What was asked for, with what the image's environment asks to keep.
CutRules rules_for(const image::Image& image, CutRules asked);

/// `options.cuts` are those of rules_for(), and `contents` must have been read with
/// rewrite_rules(options.cuts). Without targets nothing is known of device code, and debug sections
/// are counted as they stand. `reach` is what read_closure() gave, null without --closure.
Result<Plan> make_plan(const image::Image& image, const inventory::Contents& contents,
                       const inventory::Inventory& inventory, const SlimOptions& options,
                       const closure::Reach* reach = nullptr);

/// Links and start-up files that the plan would break; one sentence each
/// (slim/plan/broken_links.h).
std::vector<std::string> verify_plan(const image::Image& image, const inventory::Contents& contents,
                                     const Plan& plan);

}  // namespace flense::slim
