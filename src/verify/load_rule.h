// Which device code a GPU can load: stated here once more, from the vendors' documents, so that a
// mistake in the rule by which code was removed is not repeated by the proof.
//
// CUDA C++ Programming Guide, "Binary Compatibility": a cubin for X.y runs on X.z with z >= y,
// never on another major. "Family-specific" and "architecture-specific" features: `f` code runs in
// its family, `a` code on its own capability alone. "PTX Compatibility": PTX for X.y is compiled
// for X.y and everything newer; with `a` and `f` as for cubins. "Application Compatibility" of
// Tegra: nothing is promised between an embedded part and a discrete one of the same major. Release
// notes of CUDA 13.0: sm_101 became sm_110. LLVM, "User Guide for AMDGPU Backend": Processors,
// Generic Processors, Target ID. Whether xnack and sramecc are on is chosen where the GPU runs, so
// code of either sign is loadable.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "device/target.h"

namespace flense::verify {

enum class Level { kSafe, kStandard, kAggressive };

/// By what the result was made, as far as it decides which code may be gone.
struct CodeRule {
  device::Targets targets;
  Level level = Level::kStandard;
  bool keep_ptx = false;      ///< no PTX may be gone
  bool drop_vendor = false;   ///< code of a vendor without a target may be gone
  bool keep_amd = false;      ///< the image makes its AMD GPUs pass for unknown ones
  bool recompressed = false;  ///< entries may be stored as zstd that were not
  /// Nothing tells the options: code of a vendor without a target may have been meant to go.
  bool vendor_unknown = false;
  bool modify = true;  ///< false: no ELF file may change

  bool ptx_may_go() const { return level != Level::kSafe && !keep_ptx; }
  bool vendor_may_go() const { return drop_vendor || level == Level::kAggressive; }
};

bool can_load_cubin(device::CudaArch code, device::CudaArch gpu);
/// Without a doubt: what lets PTX go.
bool loads_cubin_surely(device::CudaArch code, device::CudaArch gpu);
/// `processor` is that of the code, without settings; true as well for what this table lacks.
bool can_load_amd(std::string_view processor, std::string_view gpu);

}  // namespace flense::verify
