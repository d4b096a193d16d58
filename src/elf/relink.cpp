#include "elf/relink.h"

#include <algorithm>
#include <optional>
#include <string>

#include "elf/relocations.h"
#include "elf/wrappers.h"

namespace flense::elf {
namespace {

/// Collects patches; the first refusal is kept, since the visitors cannot return early.
class Relinker {
 public:
  Relinker(const File& file, const Moves& moves, const std::vector<Range>& freed)
      : file_(file), moves_(moves), freed_(freed), map_(file) {}

  Result<std::vector<Patch>> run() {
    TRY(const RelocationTables tables, find_relocation_tables(file_));
    if (tables.has_rel) return bad_input("it has REL or packed relocations");
    if (tables.has_link_time && !moves_.empty())
      return bad_input("it keeps link-time relocations (--emit-relocs)");
    read_dynamic_symbols();
    for_each_rela(file_, tables.rela, [this](const Rela& rela) { visit(rela); });
    for_each_relr(file_, tables.relr, [this](std::uint64_t where) {
      check_place(where);
      // A word outside the file image is zero before relocation: it points to the load base.
      if (const auto word = map_.word_at(where)) follow_word(where, *word);
    });
    if (file_.type() == ET_EXEC) {
      for (const std::uint64_t where : wrapper_words(file_))
        if (const auto word = map_.word_at(where)) follow_word(where, *word);
    }
    if (!refusal_.empty()) return bad_input("{}", refusal_);
    std::ranges::sort(patches_, {}, &Patch::offset);
    const auto twice = std::ranges::unique(patches_);
    patches_.erase(twice.begin(), twice.end());
    for (std::size_t i = 1; i < patches_.size(); ++i)
      if (patches_[i].offset - patches_[i - 1].offset < sizeof(std::uint64_t))
        return bad_input("two relocations fill overlapping words at file offset {:#x}",
                         patches_[i].offset);
    return std::move(patches_);
  }

 private:
  void refuse(std::string reason) {
    if (refusal_.empty()) refusal_ = std::move(reason);
  }

  void read_dynamic_symbols() {
    for (const Section& section : file_.sections()) {
      if (section.type != SHT_DYNSYM) continue;
      symbols_ = file_.section_bytes(section);
      const auto table = file_.dynamic_value(DT_SYMTAB);
      if (table && *table != section.address)
        refuse("the loader's symbol table is not the one of the section headers");
    }
    for (std::uint32_t i = 0; i < symbol_count(symbols_); ++i) {
      const Symbol symbol = load_symbol(symbols_, i);
      if (!symbol.is_address() || symbol.type == STT_SECTION || moves_.keeps(symbol.value))
        continue;
      if (moves_.at(symbol.value) == nullptr)
        refuse(fmt::format("the exported symbol {} labels device code at {:#x} that would go", i,
                           symbol.value));
    }
  }

  /// Nothing may be written at load time where bytes move or leave.
  void check_place(std::uint64_t where) {
    bool gone = moves_.edits(where);
    const auto after = std::ranges::upper_bound(freed_, where, {}, &Range::begin);
    if (after != freed_.begin()) gone = gone || std::prev(after)->contains(where);
    if (gone) refuse(fmt::format("a relocation fills a word inside device code, at {:#x}", where));
  }

  /// The new address of a pointer's target, when it changes.
  std::optional<std::uint64_t> follow(std::uint64_t where, std::uint64_t target) {
    if (moves_.keeps(target)) return std::nullopt;
    const Move* move = moves_.at(target);
    if (move == nullptr) {
      refuse(fmt::format("the pointer at {:#x} reaches into device code at {:#x} that would move",
                         where, target));
      return std::nullopt;
    }
    if (move->new_address == target) return std::nullopt;
    return move->new_address;
  }

  void follow_word(std::uint64_t where, std::uint64_t word) {
    if (const auto target = follow(where, word))
      patches_.push_back({*map_.offset_of(where), *target});
  }

  void visit(const Rela& rela) {
    check_place(rela.where);
    if (is_relative(file_.machine(), rela.type)) {
      if (const auto target = follow(rela.where, rela.addend)) {
        patches_.push_back({rela.entry_offset + 16, *target});
        if (map_.word_at(rela.where) == rela.addend)
          patches_.push_back({*map_.offset_of(rela.where), *target});
      }
      return;
    }
    if (is_thread_local(file_.machine(), rela.type)) return;
    std::uint64_t target = rela.addend;
    if (rela.symbol != 0) {
      if (rela.symbol >= symbol_count(symbols_)) {
        refuse(fmt::format("a relocation names symbol {}, there are {}", rela.symbol,
                           symbol_count(symbols_)));
        return;
      }
      const Symbol symbol = load_symbol(symbols_, rela.symbol);
      if (!symbol.is_address()) return;
      // A pointer to the label of a piece follows the label.
      if (rela.addend == 0 && symbol.type != STT_SECTION && moves_.at(symbol.value) != nullptr)
        return;
      target += symbol.value;
    }
    if (!moves_.keeps(target))
      refuse(fmt::format("the relocation at {:#x} reaches device code at {:#x} by a symbol",
                         rela.where, target));
  }

  const File& file_;
  const Moves& moves_;
  const std::vector<Range>& freed_;
  AddressMap map_;
  Bytes symbols_;
  std::vector<Patch> patches_;
  std::string refusal_;
};

}  // namespace

Result<std::vector<Patch>> relink(const File& file, const Moves& moves,
                                  const std::vector<Range>& freed) {
  if (moves.empty() && freed.empty()) return std::vector<Patch>();
  return Relinker(file, moves, freed).run();
}

}  // namespace flense::elf
