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
/// machine knows. `xnack`: '+' or '-' where the image asks for it by HSA_XNACK, else 0.
AmdMatch amd_match(const AmdTarget& code, const AmdTarget& gpu, char xnack,
                   const knowledge::Rocm& tables);
/// The processor alone: any setting counts.
bool is_same_processor(const AmdTarget& code, const AmdTarget& gpu, const knowledge::Rocm& tables);

/// MI200 and newer: a process has xnack as HSA_XNACK says. Older ones have it from the kernel
/// module (ROCm, "GPU memory: page migration").
bool takes_xnack_from_process(std::string_view processor);

/// The ROCm user space of the image, major and minor: the framework's own before the base image's.
/// Without a version where nothing tells.
Seen image_rocm(const needs::Needs& image, const std::optional<TorchBuild>& torch);

}  // namespace flense::compat
