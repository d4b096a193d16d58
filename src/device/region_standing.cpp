#include "device/region_standing.h"

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "elf/relocations.h"

namespace flense::device {
namespace {

bool moves_with_region(elf::ReferenceKind kind) {
  return kind == elf::ReferenceKind::kRela || kind == elf::ReferenceKind::kRelr ||
         kind == elf::ReferenceKind::kWord;
}

/// Everything that classification learns about one region from the references into it.
struct Evidence {
  bool pointed_at = false;  ///< a pointer that can be rewritten holds its start
  bool pinned = false;
};

/// Index of the last element whose address is not above `address`; nullopt when all are.
template <class T, class Address>
std::optional<std::size_t> last_not_above(const std::vector<T>& list, std::uint64_t address,
                                          Address address_of) {
  const auto after = std::ranges::upper_bound(list, address, {}, address_of);
  if (after == list.begin()) return std::nullopt;
  return static_cast<std::size_t>(after - list.begin()) - 1;
}

void add_evidence(const SectionCode& section, const elf::Reference& reference,
                  std::vector<Evidence>& evidence, std::set<std::size_t>& pinned_gaps) {
  if (reference.target == section.address + section.size) {
    // A label of the section's end would no longer follow the last region.
    if (!evidence.empty()) evidence.back().pinned = true;
    return;
  }
  const auto index = last_not_above(section.regions, reference.target,
                                    [](const Region& region) { return region.address; });
  if (index && reference.target - section.regions[*index].address < section.regions[*index].size) {
    const bool start = reference.target == section.regions[*index].address;
    if (start && moves_with_region(reference.kind)) {
      evidence[*index].pointed_at = true;
    } else if (!start || reference.kind != elf::ReferenceKind::kSymbol) {
      evidence[*index].pinned = true;
    }
    return;
  }
  const std::uint64_t offset = section.offset + (reference.target - section.address);
  const auto gap =
      last_not_above(section.gaps, offset, [](const Gap& candidate) { return candidate.offset; });
  if (gap) pinned_gaps.insert(*gap);
  // The end of the region before a gap, if labelled.
  if (index && reference.target == section.regions[*index].address + section.regions[*index].size)
    evidence[*index].pinned = true;
}

/// Regions that the array behind a version 2 wrapper lists, when the file holds it; in the
/// libraries seen the array is filled at run time.
std::set<std::uint64_t> prelinked_regions(
    const FileCode& code, const std::unordered_map<std::uint64_t, std::uint64_t>& pointers) {
  std::set<std::uint64_t> targets;
  for (const Wrapper& wrapper : code.wrappers) {
    if (wrapper.version != 2 || wrapper.extra == 0) continue;
    for (std::uint64_t at = wrapper.extra;; at += 8) {
      const auto pointer = pointers.find(at);
      if (pointer == pointers.end() || !targets.insert(pointer->second).second) break;
    }
  }
  return targets;
}

}  // namespace

bool is_compactable(const SectionCode& section) {
  return section.address != 0 &&
         (section.section == ".nv_fatbin" || section.section == "__nv_relfatbin" ||
          section.section == ".hip_fatbin");
}

namespace {

/// Whether a reference to the address behind `section` may mean the section's end. It does not when
/// the next section begins there, unless a symbol of this section labels its end (`__stop_…`).
bool end_may_be_meant(const elf::File& file, const SectionCode& section) {
  constexpr std::uint32_t kSymbolTable = 2;
  constexpr std::uint32_t kDynamicSymbols = 11;
  constexpr std::uint64_t kFlagAlloc = 2;
  const std::uint64_t end = section.address + section.size;
  bool next_begins_here = false;
  for (const elf::Section& other : file.sections()) {
    if ((other.flags & kFlagAlloc) != 0 && other.size != 0 && other.address == end)
      next_begins_here = true;
    if (other.type != kSymbolTable && other.type != kDynamicSymbols) continue;
    const Bytes table = file.section_bytes(other);
    for (std::uint32_t i = 0; i < elf::symbol_count(table); ++i) {
      const elf::Symbol symbol = elf::load_symbol(table, i);
      if (symbol.value == end && symbol.section == section.section_index) return true;
    }
  }
  return !next_begins_here;
}

/// Whether the operand that the scan of code reported can form an address. In position-independent
/// x86-64 code only `lea` does; every other instruction with such an operand reads what lies there,
/// and no code reads a fat binary's bytes by a fixed address. Without this, tables of constants
/// before the section and chance hits would pin a region in every other library.
bool takes_address(const elf::File& file, const elf::Reference& reference) {
  constexpr std::uint16_t kMachineX86_64 = 62;
  constexpr std::uint16_t kTypeExecutable = 2;
  constexpr std::uint8_t kLea = 0x8d;
  constexpr std::uint8_t kRexW = 0x48;
  if (file.machine() != kMachineX86_64 || file.type() == kTypeExecutable) return true;
  const auto offset = file.offset_of(reference.where);
  if (!offset || *offset < 3 || *offset > file.bytes().size()) return true;
  const auto rex = load_le<std::uint8_t>(file.bytes(), *offset - 3);
  const auto opcode = load_le<std::uint8_t>(file.bytes(), *offset - 2);
  return opcode == kLea && (rex & 0xf8) == kRexW;
}

/// The bytes of a region that code may take the address of: its header and its first entry's.
constexpr std::uint64_t kHeadSize = 80;

}  // namespace

Result<References> references_into(const elf::File& file, const FileCode& code) {
  References out;
  std::vector<elf::AddressRange> whole;
  std::vector<elf::AddressRange> heads;
  for (const SectionCode& section : code.sections) {
    if (!is_compactable(section)) continue;
    const std::uint64_t end = section.address + section.size;
    whole.push_back({section.address, end + 1});
    for (const Region& region : section.regions)
      heads.push_back({region.address, region.address + std::min(region.size, kHeadSize)});
    if (!end_may_be_meant(file, section)) continue;
    out.ends.insert(end);
    heads.push_back({end, end + 1});
  }
  TRY(out.list, elf::find_references(file, whole, false));
  TRY(const std::vector<elf::Reference> operands, elf::find_references(file, heads));
  std::ranges::copy_if(
      operands, std::back_inserter(out.list), [&](const elf::Reference& reference) {
        return reference.kind == elf::ReferenceKind::kCode && takes_address(file, reference);
      });
  return out;
}

Classified classify(const FileCode& code, const References& references) {
  Classified out;
  out.pinned_gaps.resize(code.sections.size());
  std::vector<std::vector<Evidence>> evidence(code.sections.size());
  for (std::size_t i = 0; i < code.sections.size(); ++i)
    evidence[i].resize(code.sections[i].regions.size());

  std::unordered_map<std::uint64_t, std::uint64_t> pointers;
  for (const elf::Reference& reference : references.list) {
    if (moves_with_region(reference.kind)) pointers[reference.where] = reference.target;
    for (std::size_t i = 0; i < code.sections.size(); ++i) {
      const SectionCode& section = code.sections[i];
      if (!is_compactable(section) || reference.target < section.address ||
          reference.target - section.address > section.size)
        continue;
      if (reference.target == section.address + section.size &&
          !references.ends.contains(reference.target))
        continue;
      add_evidence(section, reference, evidence[i], out.pinned_gaps[i]);
    }
  }

  std::set<std::uint64_t> registered;
  std::set<std::uint64_t> linked;
  std::set<std::uint64_t> unseen;
  for (const Wrapper& wrapper : code.wrappers) {
    registered.insert(wrapper.data);
    if (wrapper.version == 2) linked.insert(wrapper.data);
    // The wrapper names the region, but its pointer is not among those that can be rewritten.
    const auto pointer = pointers.find(wrapper.address + 8);
    if (pointer == pointers.end() || pointer->second != wrapper.data) unseen.insert(wrapper.data);
  }
  const std::set<std::uint64_t> prelinked = prelinked_regions(code, pointers);

  out.standings.resize(code.sections.size());
  for (std::size_t i = 0; i < code.sections.size(); ++i) {
    const SectionCode& section = code.sections[i];
    for (std::size_t j = 0; j < section.regions.size(); ++j) {
      const Region& region = section.regions[j];
      RegionStanding standing;
      standing.linked = region.address != 0 && linked.contains(region.address);
      standing.relocatable =
          section.section == "__nv_relfatbin" ||
          (region.address != 0 && prelinked.contains(region.address) && !standing.linked);
      const Evidence& seen = evidence[i][j];
      if (!is_compactable(section)) {
        standing.standing = Standing::kUnregistered;
      } else if (seen.pinned || !seen.pointed_at || unseen.contains(region.address) ||
                 region.address % 8 != 0) {
        standing.standing = Standing::kPinned;
      } else {
        standing.movable = true;
        standing.standing =
            registered.contains(region.address) || prelinked.contains(region.address)
                ? Standing::kRegistered
                : Standing::kUnregistered;
      }
      out.standings[i].push_back(standing);
    }
  }
  return out;
}

}  // namespace flense::device
