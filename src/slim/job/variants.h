// One image for each of several targets, in one index behind the image for all of them.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/private_directory.h"
#include "image/output/artefact.h"
#include "slim/apply/apply_image.h"
#include "slim/job/destination.h"
#include "slim/job/slimming.h"

namespace flense::slim {

struct WrittenVariant {
  std::string tag;        ///< of its own: "1-sm_90"
  std::string mirrored;   ///< its name in the mirror of its GPUs; empty without one
  image::Subject itself;  ///< its manifest
  SlimOutcome outcome;
  std::vector<image::Artefact> attached = {};  ///< what hangs on it in the registry
};

struct VariantsOutcome {
  std::string digest;       ///< of the index; empty where only a mirror was written
  std::size_t entries = 0;  ///< of the original that it holds
  std::vector<WrittenVariant> variants;
  std::vector<std::string> notices;
};

/// A layout with them, which goes where nobody named one as the output.
struct VariantsLayout {
  VariantsOutcome outcome;
  std::filesystem::path path;
  std::optional<TemporaryDirectory> scratch;

  /// As images are named: "oci:DIR:1-sm_90".
  std::string target(const WrittenVariant& variant) const {
    return "oci:" + path.string() + ":" + variant.tag;
  }
};

/// What tags and files of an image for these targets end with: "sm_90", "sm_80-sm_86".
std::string variant_name(const device::Targets& targets);

/// `slimmings` are of one image, read with its whole index, and differ by targets alone. On each
/// image hangs what `hanging` has for it.
Result<VariantsLayout> write_variants(const std::vector<Slimming>& slimmings,
                                      const std::vector<std::vector<image::Artefact>>& hanging,
                                      const Destination& to, const Workplace& workplace);

/// To the mirror and the registry that `to` names, if any.
Result<void> push_variants(const VariantsLayout& layout, const Destination& to,
                           const Workplace& workplace);

}  // namespace flense::slim
