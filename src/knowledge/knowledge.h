// All tables as typed values, read once and handed down; what a verdict may lean on.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "base/result.h"
#include "knowledge/architectures.h"
#include "knowledge/budgets.h"
#include "knowledge/build_facts.h"
#include "knowledge/container_toolkit.h"
#include "knowledge/cpu_isa.h"
#include "knowledge/drivers.h"
#include "knowledge/explained.h"
#include "knowledge/forward_compat.h"
#include "knowledge/frameworks.h"
#include "knowledge/glibc.h"
#include "knowledge/gpus.h"
#include "knowledge/images.h"
#include "knowledge/instances.h"
#include "knowledge/launch_facts.h"
#include "knowledge/redistribution.h"
#include "knowledge/releases.h"
#include "knowledge/rocm.h"
#include "knowledge/table_set.h"

namespace flense::knowledge {

struct Knowledge {
  /// With `names` what other tables fill stays empty: a millisecond counts where a container
  /// starts.
  static Result<Knowledge> load(const OwnTables& own = {},
                                std::span<const std::string_view> names = {});

  TableSet tables;
  Drivers drivers;
  Architectures architectures;
  ForwardCompat forward_compat;
  Rocm rocm;
  Glibc glibc;
  CpuIsa cpu_isa;
  Frameworks frameworks;
  Redistribution redistribution;
  BuildFacts build;
  Images images;
  LaunchFacts launch;
  Releases releases;
  Explained explained;
  Gpus gpus;
  Instances instances;
  ContainerToolkit container_toolkit;
  std::vector<PlatformBudget> budgets;
};

/// What machines are told by.
inline constexpr auto kHostTables = std::to_array<std::string_view>(
    {"amd_pci_ids", "container_toolkit", "cuda_driver", "gpu_arch", "instances"});

/// What compat judges by: a third of the text.
inline constexpr auto kVerdictTables =
    std::to_array<std::string_view>({"cpu_isa", "cuda_driver", "forward_compat", "framework_builds",
                                     "glibc", "gpu_arch", "redistribution", "rocm"});

}  // namespace flense::knowledge
