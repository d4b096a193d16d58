// AMD device code of an ELF file: the offload bundles of its `.hip_fatbin` sections and the
// wrappers by which the HIP runtime finds them.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "device/amd_bundle.h"
#include "device/fatbin.h"
#include "elf/file.h"

namespace flense::device {

struct AmdCode {
  std::vector<AmdBundle> bundles;  ///< in file order, offsets from the file's start
  std::uint64_t section_bytes = 0;
  /// The same bundles as regions without entries, section by section, with the gaps between them
  /// and the wrappers: what is asked about regions (who reaches them, may they move) is asked about
  /// bundles in the same way.
  FileCode places;
};

/// Bad input: sections that overlap, or more bundles than read_amd_bundles takes.
Result<AmdCode> find_amd_code(const elf::File& file);

}  // namespace flense::device
