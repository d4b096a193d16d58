// Executes a plan on a wheel: an archive in, an archive out, for installers as the original was.
#pragma once

#include <filesystem>
#include <string>

#include "slim/apply/apply_layer.h"
#include "slim/plan/options.h"
#include "slim/plan/plan.h"

namespace flense::slim {

/// "1sm90": says for what a wheel was cut, so that nobody takes it for the original. Behind the
/// build tag that the wheel has.
std::string build_tag(const std::string& present, const CutRules& cuts);

struct WheelOutcome {
  LayerOutcome layer;
  std::string name;     ///< of the file
  std::string project;  ///< as indexes name it (PEP 503)
  std::string version;
  std::string requires_python;  ///< as METADATA says; may be empty
  std::string digest_before, digest_after;
  std::uint64_t stored_before = 0, stored_after = 0;
};

/// Writes the wheel at `path` into `directory`, where nobody else sees it yet. One that nothing is
/// cut from is copied and keeps its name.
Result<WheelOutcome> apply_wheel(const std::string& path, const LayerPlan& plan,
                                 const CutRules& cuts, const std::filesystem::path& directory,
                                 const Workplace& workplace);

}  // namespace flense::slim
