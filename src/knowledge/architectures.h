// CUDA architectures by compute capability, and PTX by its ISA version: rows of data/gpu_arch.json.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "knowledge/table_set.h"

namespace flense::knowledge {

struct ArchitectureRow {
  std::string architecture;  ///< "9.0"
  std::string codename;      ///< "Hopper"
  std::string cpu;           ///< "aarch64" where it is only beside such a processor
  // Empty or 0 where the table does not tell, or there is no such bound.
  std::string first_cuda, last_cuda;      ///< toolkits that compile for it
  std::string renamed_to, renamed_after;  ///< "11.0": what toolkits after "12.9" call it
  std::string least_driver;               ///< "520.61.05", or the branch alone, "580"
  std::string least_driver_confidence;    ///< "high", "medium", "low"
  std::uint64_t last_driver_branch = 0;   ///< the last that drives it
  std::string source;
};

struct PtxRow {
  std::string isa;   ///< "8.4", the .version directive
  std::string cuda;  ///< the first whose driver compiles it
  std::string source;
};

/// PCI devices of chips that newer drivers have dropped: only a driver that has them tells their
/// names.
struct OldChips {
  std::uint64_t first = 0, last = 0;
  std::string codename;
};

struct Architectures {
  static Architectures read(const TableSet& tables);

  std::vector<ArchitectureRow> rows;
  std::vector<PtxRow> ptx;
  std::vector<OldChips> old_chips;
  std::string date;

  const ArchitectureRow* find(std::string_view architecture) const;
  /// Of "10de:102d", one of old_chips; null for others.
  const ArchitectureRow* of_old_chip(std::string_view pci_id) const;
  /// The newest PTX that a driver of this CUDA compiles; null below every row.
  const PtxRow* ptx_of_cuda(std::string_view cuda) const;
  /// The row of an ISA version, or the next newer one; null for what is newer than the table.
  const PtxRow* ptx_of_isa(std::string_view isa) const;
  const PtxRow* newest_ptx() const;
};

}  // namespace flense::knowledge
