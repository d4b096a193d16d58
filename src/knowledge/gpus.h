// GPU products and the architectures they have; rows of data/gpu_arch.json, compiled in.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace flense::knowledge {

struct GpuProduct {
  std::string name;                  ///< "h100", "rtx4090": lower case, letters and digits only
  std::string display;               ///< "H100"
  std::string architecture;          ///< "9.0", "gfx942"
  std::string vendor;                ///< "nvidia", "amd"
  std::vector<std::string> aliases;  ///< further names, spelled as `name`
};

const std::vector<GpuProduct>& gpu_products();

/// Architecture names for one --gpu word, spelling tolerated: a product ("h100", "NVIDIA A100-SXM4-
/// 80GB" -> {"8.0"}), a preset ("ampere" -> {"8.0", "8.6"}), or an architecture ("sm_90a" ->
/// {"9.0"}; a family, "sm_100f" -> all its members). A usage error lists near matches.
Result<std::vector<std::string>> resolve_gpu_word(std::string_view word);

/// Minimum driver (Linux, "525.60.13") that natively supports a CUDA runtime "12.4"; a third number
/// selects that update ("12.4.1") where the table has it. Empty when the table has no row.
std::string driver_floor_for_cuda(std::string_view cuda_version);

/// The newest CUDA that a Linux driver ("550.54.15", or its branch "550") runs natively: "12.4".
/// Empty for a branch that the table does not know.
std::string cuda_of_driver(std::string_view driver);

}  // namespace flense::knowledge
