// Who points into an address range: the evidence for whether a region may be moved.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "elf/file.h"

namespace flense::elf {

enum class ReferenceKind {
  kRela,    ///< RELATIVE entry of SHT_RELA / DT_RELA; `where` = r_offset (the pointer's address)
  kRelr,    ///< DT_RELR; the addend is the in-place word
  kWord,    ///< ET_EXEC or unrelocated pointer-sized word known to be a pointer (wrapper fields)
  kSymbol,  ///< a .symtab or .dynsym symbol's value
  kOther,   ///< any other relocation type whose symbol or addend lands in the range
  kCode,    ///< a rip-relative (x86-64) or adrp/add (aarch64) operand by byte scan: pins
};

struct Reference {
  ReferenceKind kind = ReferenceKind::kOther;
  std::uint64_t where = 0;   ///< address of the pointer, instruction or (symbols) symbol index
  std::uint64_t target = 0;  ///< the address pointed to
};

struct AddressRange {
  std::uint64_t begin = 0, end = 0;
};

/// All references whose target lies in one of `ranges`, ordered by target. The byte scan of
/// executable sections may over-report; it never under-reports direct rip-relative operands.
/// `scan_code` false leaves kCode out, which is most of the time.
Result<std::vector<Reference>> find_references(const File& file,
                                               const std::vector<AddressRange>& ranges,
                                               bool scan_code = true);

}  // namespace flense::elf
