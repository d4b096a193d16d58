// The second step: what becomes of an image that was read.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "slim/job/input.h"
#include "slim/job/traces.h"
#include "slim/plan/labels.h"
#include "slim/plan/plan.h"

namespace flense::slim {

/// The input with a layer on top that this run made.
struct ExtendedInput {
  std::unique_ptr<const image::Image> image;
  inventory::Contents contents;
};

struct Slimming {
  Input input;
  SlimOptions options;  ///< the input's, with what traces met
  Plan plan;
  std::vector<std::string> broken;  ///< links that the plan would break
  DriverFloor driver_floor;
  std::optional<ExtendedInput> extended;  ///< with --pyc compile; no edit touches the layer

  /// What is written.
  const image::Image& image() const { return extended ? *extended->image : *input.image; }
  const inventory::Contents& contents() const {
    return extended ? extended->contents : input.contents;
  }
};

/// `verified`: the result will be run, which proves more than the files alone.
Result<Slimming> plan_slimming(Input input, Traced traced, bool verified,
                               const Workplace& workplace);

}  // namespace flense::slim
