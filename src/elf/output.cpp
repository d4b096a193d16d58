#include "elf/output.h"

#include <algorithm>

#include "elf/relocations.h"

namespace flense::elf {
namespace {

constexpr std::uint64_t kBlock = 1U << 20;
constexpr std::uint64_t kSymbolBlock = kBlock / kSymbolSize * kSymbolSize;

/// Symbols that label moved pieces follow them; section indices follow the section headers.
void rewrite_symbols(MutableBytes table, const Moves& moves, const SectionTable& sections) {
  for (std::uint32_t i = 0; i < symbol_count(table); ++i) {
    const Symbol symbol = load_symbol(table, i);
    const std::size_t at = std::size_t{i} * kSymbolSize;
    std::uint64_t value = symbol.value;
    if (symbol.is_address() && symbol.type != STT_SECTION) {
      if (const Move* move = moves.at(value)) {
        value = move->new_address;
        store_le(table, at + kSymbolValue, value);
        if (symbol.size > move->new_size) store_le(table, at + kSymbolLength, move->new_size);
      }
    }
    if (symbol.section == SHN_UNDEF || symbol.section >= SHN_LORESERVE) continue;
    const std::uint16_t section = sections.map_index(symbol.section, value);
    if (section == SHN_UNDEF)  // its section was dropped: an empty entry, like entry 0
      std::ranges::fill(table.subspan(at, kSymbolSize), std::byte{0});
    else
      store_le(table, at + kSymbolSection, section);
  }
}

class Writer {
 public:
  Writer(Bytes input, const Changes& changes, Sink& to)
      : input_(input), changes_(changes), to_(to) {}

  Result<void> write_input(Range range) {
    while (!range.empty()) {
      const Range* table = next_table(range);
      const std::uint64_t plain_end =
          table == nullptr ? range.end : std::max(table->begin, range.begin);
      while (range.begin < plain_end) {
        const std::uint64_t end = std::min(plain_end, range.begin + kBlock);
        TRY_DO(write_plain({range.begin, end}));
        range.begin = end;
      }
      if (table == nullptr) break;
      const std::uint64_t table_end = std::min(table->end, range.end);
      while (range.begin < table_end) {
        const std::uint64_t end = std::min(table_end, range.begin + kSymbolBlock);
        TRY_DO(write_symbols({range.begin, end}));
        range.begin = end;
      }
    }
    return {};
  }

  Result<void> write_zeros(std::uint64_t size) {
    buffer_.assign(std::min(size, kBlock), std::byte{0});
    while (size != 0) {
      const std::uint64_t now = std::min<std::uint64_t>(size, buffer_.size());
      TRY_DO(to_.write(Bytes(buffer_).first(now)));
      size -= now;
    }
    return {};
  }

 private:
  const Range* next_table(const Range& range) const {
    const auto found = std::ranges::find_if(
        changes_.symbol_tables, [&](const Range& table) { return table.intersects(range); });
    return found == changes_.symbol_tables.end() ? nullptr : &*found;
  }

  void load(const Range& range) {
    const Bytes bytes = input_.subspan(range.begin, range.size());
    buffer_.assign(bytes.begin(), bytes.end());
  }

  /// A patch may lie across a block's border: each block takes its share of the eight bytes.
  void patch(const Range& range) {
    auto patch = std::ranges::lower_bound(changes_.patches, range.begin < 7 ? 0 : range.begin - 7,
                                          {}, &Patch::offset);
    for (; patch != changes_.patches.end() && patch->offset < range.end; ++patch)
      for (std::uint64_t i = 0; i < sizeof patch->value; ++i)
        if (range.contains(patch->offset + i))
          buffer_[patch->offset + i - range.begin] =
              static_cast<std::byte>(patch->value >> (8 * i));
  }

  Result<void> write_plain(const Range& range) {
    const auto patch_at = std::ranges::lower_bound(
        changes_.patches, range.begin < 7 ? 0 : range.begin - 7, {}, &Patch::offset);
    if (patch_at == changes_.patches.end() || patch_at->offset >= range.end)
      return to_.write(input_.subspan(range.begin, range.size()));
    load(range);
    patch(range);
    return to_.write(buffer_);
  }

  Result<void> write_symbols(const Range& range) {
    load(range);
    patch(range);
    rewrite_symbols(buffer_, *changes_.moves, *changes_.sections);
    return to_.write(buffer_);
  }

  Bytes input_;
  const Changes& changes_;
  Sink& to_;
  std::vector<std::byte> buffer_;
};

}  // namespace

Extent Extent::input(std::uint64_t offset, std::uint64_t size) {
  return {.kind = Kind::kInput, .offset = offset, .size = size};
}
Extent Extent::zero(std::uint64_t size) {
  return {.kind = Kind::kZero, .size = size};
}
Extent Extent::bytes(std::vector<std::byte> literal) {
  const std::uint64_t size = literal.size();
  return {.kind = Kind::kLiteral, .size = size, .literal = std::move(literal)};
}
Extent Extent::held(Bytes elsewhere) {
  return {.kind = Kind::kHeld, .size = elsewhere.size(), .elsewhere = elsewhere};
}

void Output::add(Extent extent) {
  if (extent.size == 0) return;
  size_ += extent.size;
  Extent* last = extents_.empty() ? nullptr : &extents_.back();
  const bool continues =
      last != nullptr && extent.kind == last->kind &&
      (extent.kind == Extent::Kind::kZero ||
       (extent.kind == Extent::Kind::kInput && last->offset + last->size == extent.offset));
  if (continues)
    last->size += extent.size;
  else
    extents_.push_back(std::move(extent));
}

void Output::add_input(const Range& range, const std::vector<Replacement>& replacements) {
  std::uint64_t from = range.begin;
  for (const Replacement& replacement : replacements) {
    if (replacement.in.begin < range.begin || replacement.in.begin >= range.end) continue;
    add(Extent::input(from, replacement.in.begin - from));
    for (const Extent& extent : replacement.with) add(extent);
    from = replacement.in.end;
  }
  if (from < range.end) add(Extent::input(from, range.end - from));
}

Result<void> Output::pad_to(std::uint64_t offset) {
  if (offset < size_)
    return fail(Code::kInternal, "the layout puts {:#x} after what ends at {:#x}", offset, size_);
  add(Extent::zero(offset - size_));
  return {};
}

Result<void> Output::write(Bytes input, const Changes& changes, Sink& to) const {
  Writer writer(input, changes, to);
  for (const Extent& extent : extents_) {
    switch (extent.kind) {
      case Extent::Kind::kInput:
        TRY_DO(writer.write_input({extent.offset, extent.offset + extent.size}));
        break;
      case Extent::Kind::kLiteral:
        TRY_DO(to.write(extent.literal));
        break;
      case Extent::Kind::kHeld:
        TRY_DO(to.write(extent.elsewhere));
        break;
      case Extent::Kind::kZero:
        TRY_DO(writer.write_zeros(extent.size));
        break;
    }
  }
  return {};
}

}  // namespace flense::elf
