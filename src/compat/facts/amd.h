// Shared by the rules for AMD: target ids, and the ROCm of an image. LLVM, "User Guide for AMDGPU
// Backend": Target ID.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "compat/facts/software.h"
#include "knowledge/knowledge.h"

namespace flense::compat {

/// "gfx90a:sramecc+:xnack-".
struct AmdTarget {
  std::string processor;              ///< "gfx90a", "gfx9-4-generic"
  std::vector<std::string> features;  ///< "sramecc+", "xnack-"
};
AmdTarget parse_amd_target(std::string_view text);

enum class AmdMatch { kNo, kDepends, kYes };
/// Does code for `code` run on the GPU? kDepends: on a setting (xnack, sramecc) that only the
/// machine knows. `xnack`: the image asks for it by HSA_XNACK=1.
AmdMatch amd_match(const AmdTarget& code, const AmdTarget& gpu, bool xnack,
                   const knowledge::Rocm& tables);

/// The ROCm user space of the image, major and minor: the framework's own before the base image's.
/// Without a version where nothing tells.
Seen image_rocm(const needs::Needs& image, const std::optional<TorchBuild>& torch);

}  // namespace flense::compat
