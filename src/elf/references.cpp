#include "elf/references.h"

#include <algorithm>
#include <tuple>

#include "elf/code_scan.h"
#include "elf/format.h"
#include "elf/relocations.h"
#include "elf/wrappers.h"

namespace flense::elf {
namespace {

/// Hits of the byte scans are chance for the most part. Real files stay far below this number; a
/// file above it is left alone, because a hit that is not reported would let a region move.
constexpr std::size_t kMaxScanHits = 4U << 20;

/// Data that the program reads, not a table of the linker.
bool may_hold_pointers(const Section& section) {
  return (section.flags & SHF_ALLOC) != 0 && (section.flags & SHF_EXECINSTR) == 0 &&
         (section.type == SHT_PROGBITS || section.type == SHT_INIT_ARRAY ||
          section.type == SHT_FINI_ARRAY || section.type == SHT_PREINIT_ARRAY);
}

class Finder {
 public:
  Finder(const File& file, std::vector<Range> ranges)
      : file_(file), map_(file), ranges_(std::move(ranges)) {}

  Result<void> relocations() {
    TRY(const RelocationTables tables, find_relocation_tables(file_));
    const Bytes symbols = dynamic_symbols();
    for_each_rela(file_, tables.rela, [&](const Rela& rela) {
      if (is_relative(file_.machine(), rela.type)) {
        add(ReferenceKind::kRela, rela.where, rela.addend);
        return;
      }
      if (is_thread_local(file_.machine(), rela.type)) return;
      std::uint64_t target = rela.addend;
      if (rela.symbol != 0) {
        if (rela.symbol >= symbol_count(symbols)) return;
        const Symbol symbol = load_symbol(symbols, rela.symbol);
        if (!symbol.is_address()) return;
        target += symbol.value;
      }
      add(ReferenceKind::kOther, rela.where, target);
    });
    for_each_relr(file_, tables.relr, [&](std::uint64_t where) {
      if (const auto word = map_.word_at(where)) add(ReferenceKind::kRelr, where, *word);
    });
    return {};
  }

  void symbols() {
    for (const Section& section : file_.sections()) {
      if (section.type != SHT_SYMTAB && section.type != SHT_DYNSYM) continue;
      const Bytes table = file_.section_bytes(section);
      for (std::uint32_t i = 0; i < symbol_count(table); ++i) {
        const Symbol symbol = load_symbol(table, i);
        if (symbol.is_address() && symbol.type != STT_SECTION)
          add(ReferenceKind::kSymbol, i, symbol.value);
      }
    }
  }

  /// A file linked at a fixed address keeps its pointers in place, without relocations: those of
  /// the wrappers are known; any other word of the data that looks like one counts as well.
  void fixed_words() {
    if (file_.type() != ET_EXEC) return;
    std::vector<std::uint64_t> known;
    for (const std::uint64_t where : wrapper_words(file_)) {
      known.push_back(where);
      if (const auto word = map_.word_at(where)) add(ReferenceKind::kWord, where, *word);
    }
    std::ranges::sort(known);
    for (const Section& section : file_.sections()) {
      if (!may_hold_pointers(section)) continue;
      const Bytes bytes = file_.section_bytes(section);
      for (std::size_t at = (8 - section.address % 8) % 8; at + 8 <= bytes.size(); at += 8) {
        const auto word = load_le<std::uint64_t>(bytes, at);
        if (word < ranges_.front().begin || word >= ranges_.back().end) continue;
        const std::uint64_t where = section.address + at;
        if (!in_ranges(where) && !std::ranges::binary_search(known, where))
          add_scanned(ReferenceKind::kOther, where, word);
      }
    }
  }

  void code() {
    bool sections = false;
    for (const Section& section : file_.sections()) {
      if ((section.flags & SHF_EXECINSTR) == 0 || (section.flags & SHF_ALLOC) == 0) continue;
      sections = true;
      scan(file_.section_bytes(section), section.address);
    }
    if (sections) return;
    for (const Segment& segment : file_.segments()) {
      if (segment.type == PT_LOAD && (segment.flags & PF_X) != 0 &&
          range_fits(segment.offset, segment.file_size, file_.bytes().size()))
        scan(file_.bytes().subspan(segment.offset, segment.file_size), segment.address);
    }
  }

  Result<std::vector<Reference>> take() {
    if (scanned_ > kMaxScanHits)
      return bad_input("code and data may address device code in {} places", scanned_);
    std::ranges::sort(found_, [](const Reference& a, const Reference& b) {
      return std::tuple(a.target, a.kind, a.where) < std::tuple(b.target, b.kind, b.where);
    });
    return std::move(found_);
  }

 private:
  Bytes dynamic_symbols() const {
    for (const Section& section : file_.sections())
      if (section.type == SHT_DYNSYM) return file_.section_bytes(section);
    return {};
  }

  bool in_ranges(std::uint64_t address) const {
    const auto after = std::ranges::upper_bound(ranges_, address, {}, &Range::begin);
    return after != ranges_.begin() && std::prev(after)->contains(address);
  }

  void add(ReferenceKind kind, std::uint64_t where, std::uint64_t target) {
    if (target < ranges_.front().begin || target >= ranges_.back().end) return;
    if (in_ranges(target)) found_.push_back({kind, where, target});
  }
  void add_scanned(ReferenceKind kind, std::uint64_t where, std::uint64_t target) {
    if (!in_ranges(target)) return;
    if (scanned_++ < kMaxScanHits) found_.push_back({kind, where, target});
  }

  void scan(Bytes bytes, std::uint64_t address) {
    const CodeHit hit = [&](std::uint64_t where, std::uint64_t target) {
      add_scanned(ReferenceKind::kCode, where, target);
    };
    if (file_.machine() == EM_AARCH64) scan_aarch64(bytes, address, ranges_, hit);
    if (file_.machine() != EM_X86_64) return;
    scan_x86_64(bytes, address, ranges_, hit);
    if (file_.type() == ET_EXEC) scan_absolute_32(bytes, address, ranges_, hit);
  }

  const File& file_;
  AddressMap map_;
  std::vector<Range> ranges_;
  std::vector<Reference> found_;
  std::size_t scanned_ = 0;
};

}  // namespace

Result<std::vector<Reference>> find_references(const File& file,
                                               const std::vector<AddressRange>& ranges,
                                               bool scan_code) {
  std::vector<Range> wanted;
  for (const AddressRange& range : ranges)
    if (range.begin < range.end) wanted.push_back({range.begin, range.end});
  if (wanted.empty()) return std::vector<Reference>();
  // Adjacent ranges are not merged: the scans report an operand once for each range it may refer
  // to.
  std::ranges::sort(wanted, {}, &Range::begin);
  std::vector<Range> disjoint;
  for (const Range& range : wanted) {
    if (!disjoint.empty() && range.begin < disjoint.back().end)
      disjoint.back().end = std::max(disjoint.back().end, range.end);
    else
      disjoint.push_back(range);
  }
  Finder finder(file, std::move(disjoint));
  TRY_DO(finder.relocations());
  finder.symbols();
  finder.fixed_words();
  if (scan_code) finder.code();
  return finder.take();
}

}  // namespace flense::elf
