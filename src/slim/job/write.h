// The last step: the result is written, or put in the place of the input.
#pragma once

#include "slim/apply/apply_image.h"
#include "slim/job/destination.h"
#include "slim/job/slimming.h"

namespace flense::slim {

/// `contents` is that of the image; squashing and file systems go by it.
Result<SlimOutcome> write_image(const image::OutputSpec& spec, const image::Image& image,
                                const inventory::Contents& contents, const Plan& plan,
                                const SlimOptions& options, const DriverFloor& floor,
                                const Workplace& workplace, LayerPool* pool = nullptr);

/// `pool` holds what earlier images of this run were written to.
Result<SlimOutcome> write_result(const Slimming& slimming, const Destination& to,
                                 const Workplace& workplace, LayerPool* pool = nullptr);

/// An ELF file alone, as its plan and outcome would be in an image.
struct SlimmedFile {
  Plan plan;
  SlimOutcome outcome;
  std::uint64_t before = 0, after = 0;  ///< bytes
};
Result<SlimmedFile> slim_one_file(const std::string& file, const Destination& to,
                                  const CutRules& cuts, const Workplace& workplace);

}  // namespace flense::slim
