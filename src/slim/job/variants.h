// One image for each of several targets, in one index behind the image for all of them.
#pragma once

#include <string>
#include <vector>

#include "slim/apply/apply_image.h"
#include "slim/job/destination.h"
#include "slim/job/slimming.h"

namespace flense::slim {

struct WrittenVariant {
  std::string tag;       ///< of its own: "1-sm_90"
  std::string mirrored;  ///< its name in the mirror of its GPUs; empty without one
  SlimOutcome outcome;
};

struct VariantsOutcome {
  std::string digest;       ///< of the index; empty where only a mirror was written
  std::size_t entries = 0;  ///< of the original that it holds
  std::vector<WrittenVariant> variants;
  std::vector<std::string> notices;
};

/// What tags and files of an image for these targets end with: "sm_90", "sm_80-sm_86".
std::string variant_name(const device::Targets& targets);

/// `slimmings` are of one image, read with its whole index, and differ by targets alone.
Result<VariantsOutcome> write_variants(const std::vector<Slimming>& slimmings,
                                       const Destination& to, const Workplace& workplace);

}  // namespace flense::slim
