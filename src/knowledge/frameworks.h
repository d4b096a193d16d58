// What the published builds of GPU frameworks hold and need; rows of data/framework_builds.json.
// Versions of a row are from `from` to `to`, both included; an empty bound is none.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "knowledge/table_set.h"

namespace flense::knowledge {

struct FrameworkBuild {
  std::string package, from, to;
  std::string variant;                  ///< "cu124", "rocm"; empty: of all
  std::string platform;                 ///< "amd64", "arm64"; empty: of all
  std::vector<std::string> cubin, ptx;  ///< compute capabilities: "9.0", "10.0f"
  std::vector<std::string> gfx;         ///< AMD targets
  std::string confidence;               ///< "high", "medium", "low"
  std::string source;
};

/// The CUDA variant of wheels that do not name it.
struct DefaultVariantRow {
  std::string from, to, variant, confidence, source;
  std::string python;  ///< the least that a release of the row has wheels for; empty: not known
  std::string last_python;  ///< the last one; empty: not known, or none that is in use is newer
};

struct CudnnRow {
  std::string package, from, to;
  std::uint64_t major = 0;
  std::string source;
};

/// The CUDA that wheels which bring none take from the system; of a major alone ("12") every minor.
struct NeededCudaRow {
  std::string package, from, to, cuda, source;
};

/// Packages that hold the same module: only one of them may be installed. The first is the one that
/// uses the GPU.
struct VariantSetRow {
  std::vector<std::string> packages;
  std::string effect, document, source;
  bool by_cuda = false;  ///< all for GPUs, each for another CUDA or ROCm
  /// Of other packages, the variant that each requires.
  std::map<std::string, std::string, std::less<>> required;
  /// Of a variant, those that it does the work of.
  std::map<std::string, std::set<std::string>, std::less<>> holds;
};

struct FrameworkLibcRow {
  std::string package, from, to, variant, glibc, source;
};

/// A package that computes on the processor only.
struct CpuOnlyRow {
  std::string package;
  std::string suffix;  ///< of the local version: "cpu"; empty: every version
  bool aside = false;  ///< often installed beside what uses the GPU
  std::string fix, source;
};

struct Frameworks {
  static Frameworks read(const TableSet& tables);

  std::vector<FrameworkBuild> builds;
  std::vector<DefaultVariantRow> defaults;
  std::vector<CudnnRow> cudnn;
  std::vector<NeededCudaRow> cuda;
  std::vector<VariantSetRow> variants;
  std::vector<FrameworkLibcRow> libc;
  std::vector<CpuOnlyRow> cpu_only;
  std::vector<std::string> core_libraries;  ///< ends of paths
  /// Without these a package cannot be imported; what they run on a GPU may be a part of it.
  std::vector<std::string> imported_libraries;  ///< ends of paths
  /// Stems of libraries that frameworks link for one feature, which most programs never use.
  std::vector<std::string> feature_libraries;

  // Null where the table has no such row.
  const FrameworkBuild* build(std::string_view package, std::string_view version,
                              std::string_view variant, std::string_view platform) const;
  const DefaultVariantRow* default_variant(std::string_view torch) const;
  const CudnnRow* cudnn_of(std::string_view package, std::string_view version) const;
  const NeededCudaRow* cuda_of(std::string_view package, std::string_view version) const;
  const FrameworkLibcRow* libc_of(std::string_view package, std::string_view version,
                                  std::string_view variant) const;
  bool is_core_library(std::string_view path) const;
  bool is_imported_library(std::string_view path) const;
  bool is_feature_library(std::string_view path) const;
};

/// The local part of a Python version: "cu124" of "2.6.0+cu124".
std::string local_version(std::string_view version);
/// The CUDA version of a variant: "12.4" of "cu124", "13.0" of "cu130"; empty for anything else.
std::string cuda_of_variant(std::string_view variant);

}  // namespace flense::knowledge
