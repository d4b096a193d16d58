#include "elf/relocations.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

#include "base/checked.h"

namespace flense::elf {
namespace {

constexpr std::uint32_t kSectionAndroidRel = 0x60000001;
constexpr std::uint32_t kSectionAndroidRela = 0x60000002;
constexpr std::uint32_t kSectionAndroidRelr = 0x6fffff00;

/// Turns ranges that may repeat or overlap in step into a sorted disjoint list.
Result<std::vector<Range>> merge_tables(std::vector<Range> ranges, std::uint64_t step,
                                        std::string_view what) {
  std::ranges::sort(ranges, {}, &Range::begin);
  std::vector<Range> merged;
  for (Range range : ranges) {
    range.end -= range.size() % step;
    if (range.empty()) continue;
    if (merged.empty() || range.begin >= merged.back().end) {
      merged.push_back(range);
      continue;
    }
    if ((range.begin - merged.back().begin) % step != 0)
      return bad_input("two {} tables overlap at file offset {:#x}", what, range.begin);
    merged.back().end = std::max(merged.back().end, range.end);
  }
  return merged;
}

/// The file range of a table given by address and size tags; nothing when absent.
Result<void> add_dynamic_table(const File& file, std::int64_t address_tag, std::int64_t size_tag,
                               std::vector<Range>& out) {
  const auto address = file.dynamic_value(address_tag);
  const auto size = file.dynamic_value(size_tag);
  if (!address || !size || *size == 0) return {};
  const auto offset = file.offset_of(*address);
  if (!offset || !range_fits(*offset, *size, file.bytes().size()))
    return bad_input("the relocation table at address {:#x}, {} bytes, lies outside the file",
                     *address, *size);
  out.push_back({*offset, *offset + *size});
  return {};
}

bool applies_to_debug(const File& file, const Section& table) {
  return table.info < file.sections().size() && table.info != 0 &&
         (file.sections()[table.info].flags & SHF_ALLOC) == 0;
}

}  // namespace

Result<RelocationTables> find_relocation_tables(const File& file) {
  RelocationTables tables;
  for (const Section& section : file.sections()) {
    if (section.size == 0) continue;
    const Range range{section.offset, section.offset + section.size};
    const bool loaded = (section.flags & SHF_ALLOC) != 0;
    switch (section.type) {
      case SHT_RELA:
        if (loaded)
          tables.rela.push_back(range);
        else if (!applies_to_debug(file, section))
          tables.has_link_time = true;
        break;
      case SHT_REL:
        if (loaded)
          tables.has_rel = true;
        else if (!applies_to_debug(file, section))
          tables.has_link_time = true;
        break;
      case SHT_RELR:
        tables.relr.push_back(range);
        break;
      case kSectionAndroidRel:
      case kSectionAndroidRela:
      case kSectionAndroidRelr:
        tables.has_rel = true;
        break;
      default:
        break;
    }
  }
  if (file.dynamic_value(DT_REL)) tables.has_rel = true;
  TRY_DO(add_dynamic_table(file, DT_RELA, DT_RELASZ, tables.rela));
  if (file.dynamic_value(DT_PLTREL) == std::optional<std::uint64_t>(DT_REL))
    tables.has_rel = true;
  else
    TRY_DO(add_dynamic_table(file, DT_JMPREL, DT_PLTRELSZ, tables.rela));
  TRY_DO(add_dynamic_table(file, DT_RELR, DT_RELRSZ, tables.relr));
  TRY(tables.rela, merge_tables(std::move(tables.rela), kRelaSize, "RELA"));
  TRY(tables.relr, merge_tables(std::move(tables.relr), sizeof(std::uint64_t), "RELR"));
  return tables;
}

void for_each_rela(const File& file, const std::vector<Range>& tables,
                   const std::function<void(const Rela&)>& visit) {
  for (const Range& table : tables) {
    for (std::uint64_t at = table.begin; at + kRelaSize <= table.end; at += kRelaSize) {
      const auto info = load_le<std::uint64_t>(file.bytes(), at + 8);
      visit({at, load_le<std::uint64_t>(file.bytes(), at), static_cast<std::uint32_t>(info),
             static_cast<std::uint32_t>(info >> 32),
             load_le<std::uint64_t>(file.bytes(), at + 16)});
    }
  }
}

void for_each_relr(const File& file, const std::vector<Range>& tables,
                   const std::function<void(std::uint64_t)>& visit) {
  constexpr std::uint64_t kWord = sizeof(std::uint64_t);
  for (const Range& table : tables) {
    // gABI proposal "RELR": an even entry is an address, an odd one a bitmap of the 63 words after
    // the last one covered.
    std::uint64_t next = 0;
    for (std::uint64_t at = table.begin; at + kWord <= table.end; at += kWord) {
      const auto entry = load_le<std::uint64_t>(file.bytes(), at);
      if ((entry & 1) == 0) {
        visit(entry);
        next = entry + kWord;
        continue;
      }
      for (std::uint64_t bits = entry >> 1; bits != 0; bits &= bits - 1)
        visit(next + static_cast<std::uint64_t>(std::countr_zero(bits)) * kWord);
      next += 63 * kWord;
    }
  }
}

bool is_relative(std::uint16_t machine, std::uint32_t type) {
  if (machine == EM_X86_64) return type == R_X86_64_RELATIVE || type == R_X86_64_RELATIVE64;
  return machine == EM_AARCH64 && type == R_AARCH64_RELATIVE;
}

bool is_thread_local(std::uint16_t machine, std::uint32_t type) {
  if (machine == EM_X86_64)
    return type == R_X86_64_DTPMOD64 || type == R_X86_64_DTPOFF64 || type == R_X86_64_TPOFF64 ||
           type == R_X86_64_TLSDESC;
  return machine == EM_AARCH64 && (type == R_AARCH64_TLS_DTPMOD || type == R_AARCH64_TLS_DTPREL ||
                                   type == R_AARCH64_TLS_TPREL || type == R_AARCH64_TLSDESC);
}

Symbol load_symbol(Bytes table, std::uint32_t index) {
  const std::size_t at = std::size_t{index} * kSymbolSize;
  Symbol symbol;
  symbol.index = index;
  symbol.type = load_le<std::uint8_t>(table, at + kSymbolInfo) & 0xfU;
  symbol.section = load_le<std::uint16_t>(table, at + kSymbolSection);
  symbol.value = load_le<std::uint64_t>(table, at + kSymbolValue);
  symbol.size = load_le<std::uint64_t>(table, at + kSymbolLength);
  return symbol;
}

std::uint32_t symbol_count(Bytes table) {
  return static_cast<std::uint32_t>(
      std::min<std::size_t>(table.size() / kSymbolSize, std::numeric_limits<std::uint32_t>::max()));
}

AddressMap::AddressMap(const File& file) : bytes_(file.bytes()) {
  for (const Segment& segment : file.segments())
    if (segment.type == PT_LOAD && segment.file_size != 0) loads_.push_back(segment);
  std::ranges::sort(loads_, {},
                    [](const Segment& load) { return std::pair(load.address, load.offset); });
}

std::optional<std::uint64_t> AddressMap::offset_of(std::uint64_t address) const {
  const auto after = std::ranges::upper_bound(loads_, address, {}, &Segment::address);
  if (after == loads_.begin()) return std::nullopt;
  const Segment& load = *std::prev(after);
  const std::uint64_t delta = address - load.address;
  if (delta >= load.file_size || load.offset + delta >= bytes_.size()) return std::nullopt;
  return load.offset + delta;
}

std::optional<std::uint64_t> AddressMap::word_at(std::uint64_t address) const {
  const auto offset = offset_of(address);
  if (!offset || !range_fits(*offset, sizeof(std::uint64_t), bytes_.size())) return std::nullopt;
  return load_le<std::uint64_t>(bytes_, *offset);
}

}  // namespace flense::elf
