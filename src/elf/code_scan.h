// Operands of machine code that address given ranges, found without disassembling: every byte
// position (x86-64) or instruction word (aarch64) is tried. May report false positives, but does
// not miss a direct operand.
#pragma once

#include <functional>
#include <vector>

#include "base/bytes.h"
#include "elf/format.h"

namespace flense::elf {

/// Called with the address of the operand (x86-64) or instruction (aarch64) and its target.
using CodeHit = std::function<void(std::uint64_t where, std::uint64_t target)>;

/// Rip-relative operands. `ranges` is sorted and disjoint, `address` that of code[0].
void scan_x86_64(Bytes code, std::uint64_t address, const std::vector<Range>& ranges,
                 const CodeHit& hit);

/// 32-bit absolute operands of code linked at a fixed address below 4 GiB (ET_EXEC).
void scan_absolute_32(Bytes code, std::uint64_t address, const std::vector<Range>& ranges,
                      const CodeHit& hit);

/// adr, adrp and literal loads. An adrp names a 4 KiB page: every range that touches the page is
/// reported, whatever the following add says.
void scan_aarch64(Bytes code, std::uint64_t address, const std::vector<Range>& ranges,
                  const CodeHit& hit);

}  // namespace flense::elf
