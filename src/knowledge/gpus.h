// GPU products and the architectures they have; rows of data/gpu_arch.json.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "knowledge/table_set.h"

namespace flense::knowledge {

struct GpuProduct {
  std::string name;                  ///< "h100", "rtx4090": lower case, letters and digits only
  std::string display;               ///< "H100"
  std::string architecture;          ///< "9.0", "gfx942"
  std::string vendor;                ///< "nvidia", "amd"
  std::vector<std::string> aliases;  ///< further names, spelled as `name`
  std::string cpu;                   ///< "aarch64" of a GPU that is only beside such a processor
};

/// A word for several architectures: "ampere", "100f".
struct NamedGpus {
  std::string name;
  std::vector<std::string> architectures;
};

struct Gpus {
  static Gpus read(const TableSet& tables);

  std::vector<GpuProduct> products;
  std::vector<NamedGpus> presets;
  std::vector<NamedGpus> families;         ///< of family-specific code
  std::vector<std::string> architectures;  ///< "9.0", "gfx942"
  /// Of NVIDIA's, those that the newest CUDA still builds for: only they can get further members.
  std::set<std::string, std::less<>> growing_majors;

  /// By its name or an alias, spelled as these; null when there is no such product.
  const GpuProduct* named(std::string_view name) const;
  /// Architecture names for one --gpu word, spelling tolerated: a product ("h100", "NVIDIA
  /// A100-SXM4-80GB" -> {"8.0"}), a preset ("ampere" -> {"8.0", "8.6"}), or an architecture
  /// ("sm_90a" -> {"9.0"}; a family, "sm_100f" -> all its members; also one that no row names, of
  /// a major that grows or is newer than all). A usage error lists near matches.
  Result<std::vector<std::string>> resolve(std::string_view word) const;
  /// Whether a row names the architecture ("10.7").
  bool knows(std::string_view architecture) const;
};

}  // namespace flense::knowledge
