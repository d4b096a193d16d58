// Processor levels and instructions that images and frameworks need; rows of data/cpu_isa.json.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "knowledge/table_set.h"

namespace flense::knowledge {

struct CpuLevelRow {
  std::string level;  ///< "x86-64-v3"
  std::string since;  ///< the first processors that have it
};

/// The level that a distribution is built for.
struct CpuBaselineRow {
  std::string name, version;  ///< "Red Hat Enterprise Linux", "9"
  std::string level, source;
};

/// A flag of /proc/cpuinfo that a Python package needs on x86-64.
struct CpuFlagRow {
  std::string package, since;  ///< package versions from `since` on
  std::string flag, source;
};

struct CpuIsa {
  static CpuIsa read(const TableSet& tables);

  std::vector<CpuLevelRow> levels;
  std::vector<CpuBaselineRow> baselines;
  std::vector<CpuFlagRow> flags;

  /// Empty for an unknown level.
  std::string first_processors(std::string_view level) const;
  /// By PRETTY_NAME; null for one built for every x86-64, or unknown.
  const CpuBaselineRow* baseline(std::string_view pretty_name) const;
};

/// 1 for "x86-64", 3 for "x86-64-v3"; 0 for anything else.
unsigned cpu_level_number(std::string_view level);

}  // namespace flense::knowledge
