// The tables that fill pointers at load time: RELA and RELR, as the loader finds them (DT_*) and as
// the section headers show them, and the symbols they and debuggers use.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/result.h"
#include "elf/file.h"
#include "elf/format.h"

namespace flense::elf {

/// File ranges of the tables; each list is sorted and free of overlap.
struct RelocationTables {
  std::vector<Range> rela, relr;
  bool has_rel = false;        ///< REL or packed tables, which flense does not read
  bool has_link_time = false;  ///< relocations kept from linking (--emit-relocs)
};

/// Errors: a table outside the file, or two tables that overlap out of step.
Result<RelocationTables> find_relocation_tables(const File& file);

struct Rela {
  std::uint64_t entry_offset = 0;  ///< of the entry in the file
  std::uint64_t where = 0;         ///< r_offset: the address that is filled
  std::uint32_t type = 0, symbol = 0;
  std::uint64_t addend = 0;
};
void for_each_rela(const File& file, const std::vector<Range>& tables,
                   const std::function<void(const Rela&)>& visit);

/// Calls `visit(where)` with each address that a RELR table relocates.
void for_each_relr(const File& file, const std::vector<Range>& tables,
                   const std::function<void(std::uint64_t)>& visit);

/// `address` plus the load base.
bool is_relative(std::uint16_t machine, std::uint32_t type);
/// The symbol's value is an offset into thread-local storage, not an address.
bool is_thread_local(std::uint16_t machine, std::uint32_t type);

struct Symbol {
  std::uint32_t index = 0;
  std::uint8_t type = 0;  ///< STT_*
  std::uint16_t section = 0;
  std::uint64_t value = 0, size = 0;
  /// An address in the file, not undefined, absolute or thread-local.
  bool is_address() const {
    return section != SHN_UNDEF && section != SHN_ABS && section != SHN_COMMON && type != STT_TLS &&
           type != STT_FILE;
  }
};
Symbol load_symbol(Bytes table, std::uint32_t index);
std::uint32_t symbol_count(Bytes table);

/// Constant-time lookup of file offsets, for callers that ask for every relocation.
class AddressMap {
 public:
  explicit AddressMap(const File& file);
  std::optional<std::uint64_t> offset_of(std::uint64_t address) const;
  /// The eight bytes at `address`, when they lie in the file image.
  std::optional<std::uint64_t> word_at(std::uint64_t address) const;

 private:
  Bytes bytes_;
  std::vector<Segment> loads_;
};

}  // namespace flense::elf
