// The facts of one ELF file that the inventory keeps.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "base/bytes.h"
#include "inventory/scan/layer_scan.h"

namespace flense::inventory {

/// nullopt when the bytes only begin like an ELF file (32-bit, big-endian, damaged): such a file is
/// data to us. With `prune` the file is also planned for those targets, and by each of `further`.
std::optional<ElfFacts> read_elf_facts(Bytes bytes, const std::string& name,
                                       const device::PruneOptions* prune,
                                       std::span<const device::PruneOptions> further = {});

/// Device code of a file that begins with an offload bundle; nullopt when nothing in it can be
/// read.
std::optional<BareCode> read_bare_code(Bytes bytes);

}  // namespace flense::inventory
