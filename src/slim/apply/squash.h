// One layer out of all: the plan for it, and its execution. Layers are streamed one after the other
// into one archive; nothing is sorted, so that no layer has to be held.
#pragma once

#include <string>
#include <vector>

#include "image/layers/merged_tree.h"
#include "slim/apply/apply_image.h"
#include "slim/plan/options.h"
#include "slim/plan/plan.h"

namespace flense::slim {

/// `plan` for the merged tree: every path that a container sees stands once, under the place where
/// it really lies, in the order of layers and of members in them; hard links lead to names that
/// come before them; whiteouts and what they hide are gone.
Plan squash_plan(const image::MergedTree& tree, const Plan& plan);

/// The configuration with one history entry.
text::Json squashed_history(const text::Json& config, std::size_t layers);

/// Like apply_image() for an image of several layers; `plan` is what make_plan() made.
Result<SlimOutcome> apply_squashed(const image::Image& image, const image::MergedTree& tree,
                                   const Plan& plan, const SlimOptions& options,
                                   const std::vector<std::uint64_t>& unpacked,
                                   const DriverFloor& floor, image::ImageWriter& writer,
                                   const Workplace& workplace);

}  // namespace flense::slim
