#include "verify/elf_compare.h"

#include <algorithm>
#include <cstring>

#include "verify/code_entries.h"
#include "verify/elf_headers.h"

namespace flense::verify {

namespace {

/// The least alignment that a moved region has of the one before.
constexpr std::uint64_t kTablePage = 4096;
constexpr std::uint64_t kMostRegionAlignment = 64, kMostBundleAlignment = 4096;

std::uint64_t alignment_of(std::uint64_t address) {
  return address & (~address + 1);
}

class CodeComparison {
 public:
  CodeComparison(const ElfPair& pair, const CodePlaces& places) : pair_(pair), places_(places) {}

  Result<void> run() {
    const LinkedCode linked = linked_code();
    for (const CodePlace& place : places_.places) TRY_DO(one(place, linked));
    for (const elf::Range& range : places_.opaque)
      same_bytes(range, "bytes that are no device code");
    check_code_references(pair_, changed_);
    nothing_else();
    return {};
  }

 private:
  LinkedCode linked_code() const {
    LinkedCode out;
    out.covers_all = true;
    for (const CodePlace& place : places_.places) {
      if (!place.linked || place.region == nullptr) continue;
      out.any = true;
      const auto after = region_after(pair_, place);
      out.covers_all = out.covers_all && after && covers_targets(*after, pair_.rule);
    }
    return out;
  }

  Result<void> one(const CodePlace& place, const LinkedCode& linked) {
    const bool moved = place.now() != place.addresses.begin;
    const std::string where = "region at " + hex(place.addresses.begin);
    if (place.held || !place.pointed_at) {
      if (moved) pair_.differ("device code", where, "in its place", "at " + hex(place.now()));
      same_bytes(place.addresses, "device code that must not change");
      return {};
    }
    const std::uint64_t most =
        place.bundle != nullptr ? kMostBundleAlignment : kMostRegionAlignment;
    if (alignment_of(place.now()) < std::min(most, alignment_of(place.addresses.begin)))
      pair_.differ("device code", where, "aligned as it was", "at " + hex(place.now()));
    if (!places_.in_sections(place.now()))
      pair_.differ("device code", where, "in its section", "at " + hex(place.now()));
    bool lost = false;
    std::uint64_t size = 0;
    if (place.region != nullptr) {
      TRY(size, compare_region(pair_, place, linked, lost));
    } else {
      TRY(size, compare_bundle(pair_, place, lost));
    }
    if (!in_named_section(place.addresses.begin, {place.now(), place.now() + size}))
      pair_.differ("section", where, "within a section of its name", "outside of it");
    if (lost || moved) changed_.push_back(&place);
    taken_.push_back({place.now(), place.now() + size});
    return {};
  }

  /// Tools, and flense itself, find device code by section.
  bool in_named_section(std::uint64_t before, const elf::Range& after) const {
    const auto holds = [](const elf::Section& section, const elf::Range& range) {
      return (section.flags & SHF_ALLOC) != 0 && section.address <= range.begin &&
             range.end <= section.address + section.size;
    };
    const std::vector<elf::Section>& were = pair_.before.file.sections();
    const auto was = std::ranges::find_if(
        were, [&](const elf::Section& one) { return holds(one, {before, before + 1}); });
    return was == were.end() ||
           std::ranges::any_of(pair_.after.file.sections(), [&](const elf::Section& one) {
             return one.name == was->name && holds(one, after);
           });
  }

  void same_bytes(const elf::Range& range, const char* what) {
    const Bytes was = pair_.before.memory.bytes_from(range.begin);
    const Bytes is = pair_.after.memory.bytes_from(range.begin);
    if (was.size() < range.size() || is.size() < range.size() ||
        std::memcmp(was.data(), is.data(), range.size()) != 0)
      pair_.differ("device code", fmt::format("{} at {}", what, hex(range.begin)), "the same bytes",
                   "other bytes");
    taken_.push_back(range);
  }

  /// Between what was followed there are zeros.
  void nothing_else() {
    taken_.push_back(pair_.after.header_table());
    std::ranges::sort(taken_, {}, &elf::Range::begin);
    for (std::size_t i = 1; i < taken_.size(); ++i)
      if (!taken_[i].empty() && taken_[i].begin < taken_[i - 1].end)
        pair_.differ("device code", "at " + hex(taken_[i].begin), "one thing in one place", "two");
    for (const elf::Range& section : places_.sections) {
      std::uint64_t at = section.begin;
      for (const elf::Range& range : taken_) {
        if (range.end <= at || range.begin >= section.end) continue;
        rest_is_zero({at, std::max(at, range.begin)});
        at = std::max(at, range.end);
      }
      rest_is_zero({at, std::max(at, section.end)});
    }
  }

  void rest_is_zero(const elf::Range& range) {
    const std::uint64_t other = pair_.after.memory.first_other_than_zero(range);
    if (other < range.end)
      pair_.differ("device code", "byte at " + hex(other), "zero: nothing is left there",
                   pair_.after.memory.at(other) == nullptr ? "not mapped" : "something else");
  }

  const ElfPair& pair_;
  const CodePlaces& places_;
  std::vector<const CodePlace*> changed_;
  std::vector<elf::Range> taken_;
};

/// Mapped bytes that are compared in another way.
class Excused {
 public:
  Excused(const ElfPair& pair, const CodePlaces& places)
      : pair_(pair), ranges_(places.pointer_words) {
    code_ = places.sections;
    ranges_.insert(ranges_.end(), code_.begin(), code_.end());
    ranges_.push_back(pair.before.header_table());
    if (const auto header = pair.before.file.address_of(0))
      ranges_.push_back({*header, *header + elf::kFileHeaderSize});
    // Entry by entry, since they name sections by number.
    for (const elf::Section& section : pair.before.file.sections())
      if (section.type == SHT_DYNSYM && (section.flags & SHF_ALLOC) != 0)
        ranges_.push_back({section.address, section.address + section.size});
    std::erase_if(ranges_, [](const elf::Range& range) { return range.empty(); });
    std::ranges::sort(ranges_, {}, &elf::Range::begin);
    // What overlaps becomes one, so that the lookup finds it.
    std::vector<elf::Range> merged;
    for (const elf::Range& range : ranges_) {
      if (!merged.empty() && range.begin <= merged.back().end)
        merged.back().end = std::max(merged.back().end, range.end);
      else
        merged.push_back(range);
    }
    ranges_ = std::move(merged);
  }

  /// Where what excuses `address` ends; 0 when nothing does.
  std::uint64_t end_of(std::uint64_t address) const {
    const auto next = std::ranges::upper_bound(ranges_, address, {}, &elf::Range::begin);
    if (next != ranges_.begin() && std::prev(next)->contains(address)) return std::prev(next)->end;
    return pair_.after.header_table().contains(address) && is_free(address) ? address + 1 : 0;
  }
  /// The header table may stand where nothing was: zeros, or what patchelf left in no section.
  bool is_free(std::uint64_t address) const {
    const MappedRun* was = pair_.before.memory.at(address);
    if (was == nullptr || was->zero || was->bytes[address - was->addresses.begin] == std::byte{0})
      return true;
    const std::vector<elf::Section>& sections = pair_.before.file.sections();
    return !sections.empty() && std::ranges::none_of(sections, [&](const elf::Section& section) {
      return (section.flags & SHF_ALLOC) != 0 && section.name != ".phdrs" &&
             elf::Range{section.address, section.address + section.size}.contains(address);
    });
  }
  bool in_code(std::uint64_t address) const {
    return std::ranges::any_of(code_,
                               [&](const elf::Range& range) { return range.contains(address); });
  }

 private:
  const ElfPair& pair_;
  std::vector<elf::Range> ranges_, code_;
};

void compare_mapped(const ElfPair& pair, const CodePlaces& places) {
  const Excused excused(pair, places);
  const MemoryImage& before = pair.before.memory;
  const MemoryImage& after = pair.after.memory;
  std::size_t told = 0;
  constexpr std::size_t kMostTold = 20;
  compare_memory(before, after, [&](const MemoryDifference& one) -> std::uint64_t {
    using Kind = MemoryDifference::Kind;
    if (one.kind == Kind::kFlags) {
      const MappedRun* was = before.at(one.address);
      const MappedRun* is = after.at(one.address);
      // What takes the place of freed pages cannot be executed: it need not be.
      if (!(is->zero && is->flags == (was->flags & ~std::uint32_t{PF_X})) && told++ < kMostTold)
        pair.differ("memory protection", "at " + hex(one.address), hex(was->flags), hex(is->flags));
      return one.end;
    }
    if (one.kind == Kind::kByte)
      if (const std::uint64_t end = excused.end_of(one.address); end != 0) return end;
    if (one.kind == Kind::kUnmapped && !excused.in_code(one.address) &&
        before.is_zero({one.address, one.end}) && before.at(one.address)->zero == false)
      return one.end;
    if (told++ < kMostTold)
      pair.differ("mapped byte", "at " + hex(one.address), "as it was",
                  one.kind == Kind::kUnmapped ? "not mapped" : "another");
    // One line for each run of eight bytes.
    return one.kind == Kind::kUnmapped ? one.end : one.address + 8;
  });
  compare_memory(after, before, [&](const MemoryDifference& one) -> std::uint64_t {
    if (one.kind != MemoryDifference::Kind::kUnmapped) return one.end;
    const elf::Range table = pair.after.header_table();
    const std::uint64_t middle = std::clamp(table.begin, one.address, one.end);
    const std::uint64_t end = std::clamp(table.end, one.address, one.end);
    const bool beside =
        one.address + kTablePage < table.begin || one.end > table.end + kTablePage || table.empty();
    // A table is bytes of the file: memory behind those of a read-only segment cannot be cleared.
    const bool no_bytes = after.at(one.address)->zero;
    if (beside || no_bytes || !after.is_zero({one.address, middle}) ||
        !after.is_zero({end, one.end}))
      pair.differ("mapped byte", "at " + hex(one.address), "not mapped", "mapped");
    return one.end;
  });
}

Result<ElfSide> side_of(const elf::File& file) {
  TRY(MemoryImage memory, MemoryImage::of(file));
  return ElfSide{file, std::move(memory)};
}

Result<void> compare_parsed(const ElfPair& pair) {
  TRY(const device::FileCode code, device::find_device_code(pair.before.file));
  TRY(const device::AmdCode amd, device::find_amd_code(pair.before.file));
  TRY(const CodePlaces places, follow_pointers(pair, code, amd));
  compare_headers(pair);
  compare_segments(pair);
  compare_mapped(pair, places);
  compare_sections(pair, places);
  compare_unnamed_bytes(pair);
  return CodeComparison(pair, places).run();
}

}  // namespace

std::string hex(std::uint64_t value) {
  return fmt::format("{:#x}", value);
}

elf::Range ElfSide::header_table() const {
  const auto address = file.address_of(file.program_header_offset());
  if (!address) return {};
  return {*address, *address + file.segments().size() * elf::kProgramHeaderSize};
}

Result<void> compare_elf(Bytes before, Bytes after, const std::string& path, const CodeRule& rule,
                         const std::filesystem::path& scratch, Findings& findings) {
  const auto other = [&](const std::string& found) -> Result<void> {
    findings.differ({path, "content", "", "the original's bytes, or an edit of them", found});
    return {};
  };
  if (!rule.modify) return other("other bytes, though no ELF file may change");
  const Result<elf::File> was = elf::File::parse(before, path);
  if (!was) return other("other bytes");
  const Result<elf::File> is = elf::File::parse(after, path);
  if (!is) return other(is.error().message);
  if (was->type() != ET_DYN && was->type() != ET_EXEC)
    return other("other bytes of a file that is not linked");
  const Result<ElfSide> old_side = side_of(*was);
  const Result<ElfSide> new_side = side_of(*is);
  if (!old_side || !new_side)
    return other((old_side ? new_side.error() : old_side.error()).message);
  const ElfPair pair{*old_side, *new_side, rule, scratch, path, findings};
  const Result<void> done = compare_parsed(pair);
  if (done) {
    findings.count("ELF files edited and proved");
    return {};
  }
  if (done.error().code != Code::kBadInput) return done;
  findings.unknown(path,
                   "it differs from the original and cannot be read: " + done.error().message);
  return {};
}

}  // namespace flense::verify
