// Forward compatibility: newer CUDA on an older driver through the image's own libcuda
// (cuda-compat-X-Y); rows of data/forward_compat.json.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "knowledge/table_set.h"

namespace flense::knowledge {

/// One cell of NVIDIA's table of packages and driver branches.
enum class CompatCell {
  kSupported,
  kNative,  ///< the branch has this CUDA itself
  kTooOld,  ///< the package is older than the driver
};

struct CompatRow {
  std::string cuda;                           ///< "12.9"
  std::map<std::uint64_t, CompatCell> cells;  ///< by driver branch
  std::string source;
};

/// Kinds of GPU as the vendor's promises tell them apart.
struct GpuClass {
  enum class Guide { kYes, kSelect, kOwnPackages, kNo, kUnnamed };
  std::string name;  ///< "data-centre", "geforce"
  Guide guide = Guide::kUnnamed;
  std::vector<std::string> words;     ///< of model names: "geforce"
  std::vector<std::string> products;  ///< spelled as GpuProduct::name
  std::vector<std::uint64_t> brands;  ///< NVML brand numbers that its GPUs may report
  std::string source;
};

struct Brand {
  std::uint64_t number = 0;
  std::string name;  ///< "tesla"
};

struct ForwardCompat {
  static ForwardCompat read(const TableSet& tables);

  std::vector<CompatRow> matrix;
  std::vector<GpuClass> classes;
  std::vector<Brand> brands;
  std::string date;
  // Container toolkits, the first of each kind: whose legacy runtime does not mount the library
  // ("1.17.4"), with the hook ("1.17.5"), whose hook looks at the note ("1.19"), and whose hook
  // goes by the note's list of drivers ("1.20").
  std::string unmounted_toolkit, hook_toolkit, note_toolkit, note_drivers_toolkit;
  std::string hook_folder;  ///< where the hook looks: "usr/local/cuda/compat"
  std::string hook_source;

  const CompatRow* row(std::string_view cuda) const;
  /// By the model's name, "NVIDIA GeForce RTX 4090" or "RTX 4090"; null for one that the table does
  /// not know.
  const GpuClass* class_of(std::string_view model) const;
  /// "unknown" for a number that the table does not have.
  std::string_view brand_name(std::uint64_t number) const;
};

}  // namespace flense::knowledge
