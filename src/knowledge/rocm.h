// ROCm: which kernel driver runs which user space, and which GPUs a piece of code runs on; rows of
// data/rocm.json. Each row carries the words by which a verdict names it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "knowledge/table_set.h"

namespace flense::knowledge {

/// A release of amdgpu and the user space that AMD supports on it.
struct RocmDriverRow {
  std::string driver;              ///< "6.1", "30.10"
  std::string rocm_min, rocm_max;  ///< both included
  std::string source;
};

/// The number that the kernel module itself carries, and the release it belongs to.
struct RocmModuleRow {
  std::string module;  ///< /sys/module/amdgpu/version: "6.10.5"
  std::string driver;  ///< "6.3"
  std::string source;
};

/// GPUs that AMD lists for some ROCm releases.
struct RocmGpuRow {
  std::string rocm_min, rocm_max;
  std::vector<std::string> gfx;
  std::string source;
};

/// GPUs that AMD supports from this release of amdgpu on.
struct RocmFirstDriverRow {
  std::string driver;
  std::vector<std::string> gfx;
  std::string source;
};

/// A generic target ("gfx9-4-generic") and the GPUs that run its code.
struct GenericTargetRow {
  std::string target;
  std::vector<std::string> gfx;
  std::string source;
};

struct Rocm {
  static Rocm read(const TableSet& tables);

  std::vector<RocmDriverRow> drivers;
  std::vector<RocmModuleRow> modules;
  std::vector<RocmGpuRow> gpus;
  std::vector<RocmFirstDriverRow> first_drivers;
  std::vector<GenericTargetRow> generic;

  /// By the module's own number; null when the table has no such module, as for a release
  /// ("30.10.1").
  const RocmModuleRow* module(std::string_view version) const;
  /// The rows of a driver release; none for one that the table does not have.
  std::vector<const RocmDriverRow*> rows_of(std::string_view driver) const;
  const RocmGpuRow* gpus_of(std::string_view rocm) const;
  /// Null for a GPU that AMD supports on every driver of the table, or that the table does not
  /// know.
  const RocmFirstDriverRow* first_driver(std::string_view gfx) const;
  const GenericTargetRow* generic_target(std::string_view target) const;
  /// The generic target that serves a GPU; null when there is none.
  const GenericTargetRow* generic_for(std::string_view gfx) const;
  /// The newest user space that any row names.
  std::string newest() const;
};

}  // namespace flense::knowledge
