#include "verify/code_places.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "elf/relocations.h"

namespace flense::verify {

namespace {

bool made_for_device_code(const device::SectionCode& section) {
  return section.address != 0 &&
         (section.section == ".nv_fatbin" || section.section == "__nv_relfatbin" ||
          section.section == ".hip_fatbin");
}

void add_places(const device::FileCode& code, const device::AmdCode* amd, CodePlaces& out) {
  std::size_t bundle = 0;
  for (const device::SectionCode& section : code.sections) {
    if (made_for_device_code(section)) {
      out.sections.push_back({section.address, section.address + section.size});
      for (const device::Gap& gap : section.gaps) {
        const std::uint64_t at = section.address + (gap.offset - section.offset);
        if (!gap.zero) out.opaque.push_back({at, at + gap.size});
      }
    }
    for (const device::Region& region : section.regions) {
      CodePlace place;
      place.addresses = {region.address, region.address + region.size};
      if (amd == nullptr)
        place.region = &region;
      else
        place.bundle = &amd->bundles.at(bundle++);
      place.relocatable = section.section == "__nv_relfatbin";
      if (made_for_device_code(section)) out.places.push_back(place);
    }
  }
}

class PointerWalk {
 public:
  PointerWalk(const ElfPair& pair, CodePlaces& out) : pair_(pair), out_(out) {}

  void relocations(const elf::RelocationTables& tables);
  void wrapper_words(const std::vector<device::Wrapper>& wrappers);
  void registrations(const std::vector<device::Wrapper>& wrappers);
  void symbols();

 private:
  void pointer(std::uint64_t word, std::uint64_t target, std::optional<std::uint64_t> now);
  void follow_in_place(std::uint64_t where, std::uint64_t was, std::uint64_t now);
  void hold(std::uint64_t target) {
    if (CodePlace* place = out_.holding(target); place != nullptr) place->held = true;
  }

  const ElfPair& pair_;
  CodePlaces& out_;
  std::map<std::uint64_t, std::uint64_t> targets_;  ///< by the address of the pointer
};

void PointerWalk::pointer(std::uint64_t word, std::uint64_t target,
                          std::optional<std::uint64_t> now) {
  CodePlace* place = out_.holding(target);
  if (place == nullptr) return;
  if (place->addresses.begin != target) {
    place->held = true;
    return;
  }
  place->pointed_at = true;
  out_.pointer_words.push_back({word, word + 8});
  const auto where = [&] { return "pointer at " + hex(word); };
  if (!now) {
    pair_.differ("wrapper pointer", where(), "to device code", "not mapped");
  } else if (!place->moved_to) {
    place->moved_to = now;
  } else if (*place->moved_to != *now) {
    pair_.differ("wrapper pointer", where(), hex(*place->moved_to), hex(*now));
  }
}

/// A word that held the same as the relocation's addend follows it.
void PointerWalk::follow_in_place(std::uint64_t where, std::uint64_t was, std::uint64_t now) {
  const auto before = pair_.before.memory.word(where);
  if (!before || *before != was || out_.holding(was) == nullptr) return;
  const auto after = pair_.after.memory.word(where);
  if (after && *after == now) {
    out_.pointer_words.push_back({where, where + 8});
  } else {
    pair_.differ("wrapper pointer", "word at " + hex(where), hex(now),
                 after ? hex(*after) : "none");
  }
}

void PointerWalk::relocations(const elf::RelocationTables& tables) {
  const elf::File& file = pair_.before.file;
  const elf::Section* symbols = file.find_section(".dynsym");
  const Bytes table = symbols == nullptr ? Bytes{} : file.section_bytes(*symbols);
  elf::for_each_rela(file, tables.rela, [&](const elf::Rela& rela) {
    if (elf::is_relative(file.machine(), rela.type)) {
      targets_[rela.where] = rela.addend;
      const auto entry = file.address_of(rela.entry_offset);
      if (!entry || out_.holding(rela.addend) == nullptr) return;
      const auto now = pair_.after.memory.word(*entry + 16);
      pointer(*entry + 16, rela.addend, now);
      if (now && *now != rela.addend) follow_in_place(rela.where, rela.addend, *now);
    } else if (!elf::is_thread_local(file.machine(), rela.type)) {
      const std::uint64_t value =
          rela.symbol < elf::symbol_count(table) ? elf::load_symbol(table, rela.symbol).value : 0;
      hold(value + rela.addend);
    }
    hold(rela.where);
  });
  elf::for_each_relr(file, tables.relr, [&](std::uint64_t where) {
    const auto was = pair_.before.memory.word(where);
    if (!was) return;
    targets_[where] = *was;
    if (out_.holding(*was) != nullptr) pointer(where, *was, pair_.after.memory.word(where));
  });
}

/// In programs at fixed addresses nothing fills these words.
void PointerWalk::wrapper_words(const std::vector<device::Wrapper>& wrappers) {
  for (const device::Wrapper& wrapper : wrappers) {
    const std::uint64_t word = wrapper.address + 8;
    if (targets_.contains(word)) continue;
    targets_[word] = wrapper.data;
    pointer(word, wrapper.data, pair_.after.memory.word(word));
  }
}

void PointerWalk::registrations(const std::vector<device::Wrapper>& wrappers) {
  for (const device::Wrapper& wrapper : wrappers) {
    if (CodePlace* place = out_.holding(wrapper.data);
        place != nullptr && place->addresses.begin == wrapper.data) {
      place->registered = true;
      place->linked |= wrapper.version == 2;
    }
    if (wrapper.version != 2 || wrapper.extra == 0) continue;
    for (std::uint64_t at = wrapper.extra;; at += 8) {
      const auto target = targets_.find(at);
      CodePlace* place = target == targets_.end() ? nullptr : out_.holding(target->second);
      if (place == nullptr || place->addresses.begin != target->second) break;
      place->registered = place->relocatable = true;
    }
  }
}

/// What a symbol labels inside a place cannot follow it.
void PointerWalk::symbols() {
  for (const elf::Section& section : pair_.before.file.sections()) {
    if (section.type != SHT_SYMTAB && section.type != SHT_DYNSYM) continue;
    const Bytes table = pair_.before.file.section_bytes(section);
    for (std::uint32_t i = 0; i < elf::symbol_count(table); ++i) {
      const elf::Symbol symbol = elf::load_symbol(table, i);
      const CodePlace* place = symbol.is_address() ? out_.holding(symbol.value) : nullptr;
      if (place != nullptr && place->addresses.begin != symbol.value) hold(symbol.value);
    }
  }
}

}  // namespace

CodePlace* CodePlaces::holding(std::uint64_t address) {
  return const_cast<CodePlace*>(std::as_const(*this).holding(address));
}

const CodePlace* CodePlaces::holding(std::uint64_t address) const {
  const auto next = std::ranges::upper_bound(
      places, address, {}, [](const CodePlace& place) { return place.addresses.begin; });
  if (next == places.begin()) return nullptr;
  const CodePlace& place = *std::prev(next);
  return place.addresses.contains(address) ? &place : nullptr;
}

bool CodePlaces::in_sections(std::uint64_t address) const {
  return std::ranges::any_of(sections,
                             [&](const elf::Range& range) { return range.contains(address); });
}

Result<CodePlaces> follow_pointers(const ElfPair& pair, const device::FileCode& code,
                                   const device::AmdCode& amd) {
  CodePlaces out;
  add_places(code, nullptr, out);
  add_places(amd.places, &amd, out);
  std::ranges::sort(out.places, {}, [](const CodePlace& place) { return place.addresses.begin; });
  TRY(const elf::RelocationTables tables, elf::find_relocation_tables(pair.before.file));
  if (tables.has_rel && !out.places.empty())
    return bad_input("{}: relocations of a form that is not read", pair.path);
  PointerWalk walk(pair, out);
  walk.relocations(tables);
  walk.wrapper_words(code.wrappers);
  walk.wrapper_words(amd.places.wrappers);
  walk.registrations(code.wrappers);
  walk.registrations(amd.places.wrappers);
  walk.symbols();
  std::ranges::sort(out.pointer_words, {}, &elf::Range::begin);
  return out;
}

namespace {

/// What code takes the address of is the header of a region, or of its first entry.
constexpr std::uint64_t kHead = 80;

class AddressUses {
 public:
  AddressUses(const ElfPair& pair, const std::vector<const CodePlace*>& changed)
      : pair_(pair), changed_(changed) {}

  void scan(Bytes code, std::uint64_t address) const {
    const std::uint16_t machine = pair_.before.file.machine();
    if (machine == EM_AARCH64) return pages(code, address);
    relative(code, address);
    if (pair_.before.file.type() == ET_EXEC) absolute(code, address);
  }

 private:
  const CodePlace* head_at(std::uint64_t target) const {
    const auto next = std::ranges::upper_bound(
        changed_, target, {}, [](const CodePlace* place) { return place->addresses.begin; });
    if (next == changed_.begin()) return nullptr;
    const CodePlace* place = *std::prev(next);
    return target - place->addresses.begin < std::min(kHead, place->addresses.size()) ? place
                                                                                      : nullptr;
  }
  void report(std::uint64_t where, const CodePlace& place) const {
    pair_.differ("device code", "region at " + hex(place.addresses.begin),
                 "as it was: code at " + hex(where) + " takes its address", "moved or changed");
  }
  /// lea r64, [rip + displacement] with REX.W.
  void relative(Bytes code, std::uint64_t address) const {
    for (std::size_t at = 1; at + 6 <= code.size(); ++at) {
      const auto* found =
          static_cast<const std::byte*>(std::memchr(code.data() + at, 0x8d, code.size() - 5 - at));
      if (found == nullptr) return;
      at = static_cast<std::size_t>(found - code.data());
      if ((code[at - 1] & std::byte{0xf8}) != std::byte{0x48} ||
          (code[at + 1] & std::byte{0xc7}) != std::byte{0x05})
        continue;
      const auto shift = static_cast<std::int64_t>(load_le<std::int32_t>(code, at + 2));
      const std::uint64_t target = address + at + 6 + static_cast<std::uint64_t>(shift);
      if (const CodePlace* place = head_at(target); place != nullptr) report(address + at, *place);
    }
  }
  void absolute(Bytes code, std::uint64_t address) const {
    for (std::size_t at = 0; at + 4 <= code.size(); ++at) {
      const std::uint64_t value = load_le<std::uint32_t>(code, at);
      const CodePlace* place = head_at(value);
      if (place != nullptr && place->addresses.begin == value) report(address + at, *place);
    }
  }
  void pages(Bytes code, std::uint64_t address) const {
    for (std::size_t at = 0; at + 4 <= code.size(); at += 4) {
      const auto word = load_le<std::uint32_t>(code, at);
      if ((word & 0x9f000000U) != 0x90000000U) continue;
      const std::uint64_t raw = (std::uint64_t{word >> 5 & 0x7ffffU} << 2) | (word >> 29 & 3U);
      const std::uint64_t pages_away = (raw ^ 0x100000U) - 0x100000U;
      const std::uint64_t page = ((address + at) & ~std::uint64_t{4095}) + (pages_away << 12);
      const auto first = std::ranges::lower_bound(
          changed_, page, {}, [](const CodePlace* place) { return place->addresses.begin; });
      if (first != changed_.end() && (*first)->addresses.begin < page + 4096)
        report(address + at, **first);
    }
  }

  const ElfPair& pair_;
  const std::vector<const CodePlace*>& changed_;
};

}  // namespace

void check_code_references(const ElfPair& pair, const std::vector<const CodePlace*>& changed) {
  if (changed.empty()) return;
  const AddressUses uses(pair, changed);
  for (const elf::Section& section : pair.before.file.sections())
    if ((section.flags & SHF_EXECINSTR) != 0 && section.type == SHT_PROGBITS)
      uses.scan(pair.before.file.section_bytes(section), section.address);
}

}  // namespace flense::verify
