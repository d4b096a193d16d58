// NVIDIA's drivers and CUDA toolkits: rows of data/cuda_driver.json. Each row carries `source`, the
// words by which a verdict names it: table, row, state, and the confidence where it is not high.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "knowledge/table_set.h"

namespace flense::knowledge {

struct ToolkitRow {
  std::string cuda;  ///< "12.4"
  std::uint64_t update = 0;
  std::string driver;  ///< the Linux driver it was made for: "550.54.14"
  std::string source;
};

/// Least driver for every minor of one CUDA major ("minor-version compatibility").
struct MinorVersionRow {
  std::uint64_t cuda_major = 0;
  std::string driver;
  std::string source;
};

struct BranchRow {
  std::uint64_t branch = 0;
  std::string cuda;  ///< newest that it supports itself
  std::string type;  ///< "LTSB", "PB", "NFB", …
  std::string end;   ///< of life, "2026-06"; empty when not told
  std::string source;
};

struct ModuleKindRow {
  std::string kind;                         ///< "open", "proprietary"
  std::vector<std::string> does_not_drive;  ///< code names or products: "Blackwell", "GH200"
  std::string source;
};

/// A release of Linux for Tegra, whose driver line is its own.
struct TegraRow {
  std::string release;  ///< "36.4", all of 36.4.x
  std::string driver;   ///< of its kernel module, "540.4.0"; empty where it is not told
  std::string cuda;     ///< that its driver supports itself
  std::string source;
};

/// What a driver must know to read a format of device code.
struct FormatRow {
  std::string format;  ///< "zstd-fatbin"
  std::string cuda;
  std::string source;
};

struct Drivers {
  static Drivers read(const TableSet& tables);

  std::vector<ToolkitRow> toolkits;
  std::vector<MinorVersionRow> minor_versions;
  std::vector<BranchRow> branches;
  std::vector<ModuleKindRow> module_kinds;
  std::vector<TegraRow> tegra;
  std::vector<FormatRow> formats;
  std::string date;  ///< of the table: "2026-11"

  // Null where the table has no such row. Of several rows the first counts: the user's own.
  const BranchRow* branch(std::uint64_t number) const;
  /// The nearest branch below `number`.
  const BranchRow* branch_below(std::uint64_t number) const;
  const BranchRow* newest_branch() const;
  const MinorVersionRow* minor_version(std::uint64_t cuda_major) const;
  /// The first release of a CUDA version.
  const ToolkitRow* toolkit(std::string_view cuda) const;
  const ToolkitRow* newest_toolkit() const;
  const FormatRow* format(std::string_view name) const;
  /// Least driver ("525.60.13") that natively supports a CUDA runtime "12.4"; a third number
  /// selects that update ("12.4.1") where the table has it. Empty when the table has no row.
  std::string floor_for_cuda(std::string_view version) const;
  /// The newest CUDA that a Linux driver ("550.54.15", or its branch "550") runs natively: "12.4".
  /// Empty for a branch that the table does not know.
  std::string cuda_of(std::string_view driver) const;
};

/// "cuda_driver.json, branches, 550 (2026-11)" and the confidence where the row or else its section
/// says another than high.
std::string row_source(const TableSet& tables, std::string_view table, std::string_view section,
                       std::string_view row_name, const text::Json& row);

}  // namespace flense::knowledge
