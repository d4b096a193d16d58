#include <algorithm>

#include "device/entry_content.h"
#include "verify/code_entries.h"

namespace flense::verify {

namespace {

using device::Entry;
using device::EntryKind;
using device::Region;

// Of an entry's header, the fields that say how the payload is stored
// (docs/formats/cuda-fatbin.md).
constexpr std::size_t kStoredSize = 8, kPackedSize = 16, kFlags = 40, kUnpackedSize = 56;
constexpr std::uint64_t kPackedFlags = 0x2000 | 0x8000;

struct StoredRegion {
  const Region& region;
  Bytes bytes;

  Bytes entry(std::size_t index) const {
    return bytes.subspan(region.entries[index].offset, region.entries[index].size());
  }
};

std::string entry_name(const Entry& entry) {
  return fmt::format(
      "{} {}", device::to_string(entry.kind),
      device::to_string(entry.arch, entry.kind == EntryKind::kPtx ? "compute" : "sm"));
}

std::string entry_place(const CodePlace& place, std::size_t index, const Entry& entry) {
  return fmt::format("entry {} ({}) of the region at {}", index, entry_name(entry),
                     hex(place.addresses.begin));
}

bool equal_bytes(Bytes a, Bytes b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size()) == 0;
}

bool same_but_for_form(Bytes before, Bytes after, std::size_t header_size) {
  std::vector<std::byte> was(before.begin(), before.begin() + static_cast<long>(header_size));
  std::vector<std::byte> is(after.begin(), after.begin() + static_cast<long>(header_size));
  for (std::vector<std::byte>* header : {&was, &is}) {
    store_le<std::uint64_t>(*header, kStoredSize, 0);
    store_le<std::uint32_t>(*header, kPackedSize, 0);
    store_le<std::uint64_t>(*header, kUnpackedSize, 0);
    store_le<std::uint64_t>(*header, kFlags,
                            load_le<std::uint64_t>(*header, kFlags) & ~kPackedFlags);
  }
  return was == is;
}

/// The same code in another form. An entry that cannot be unpacked is not.
Result<bool> same_content(const ElfPair& pair, Bytes before, const Entry& was, Bytes after,
                          const Entry& is) {
  if (!pair.rule.recompressed || !is.zstd() || was.kind != is.kind || was.arch != is.arch ||
      was.header_size < 64 || was.header_size != is.header_size ||
      !same_but_for_form(before, after, was.header_size))
    return false;
  bool same = false;
  const Result<void> done =
      device::with_entry_content(before, was, pair.scratch, [&](Bytes one) -> Result<void> {
        return device::with_entry_content(after, is, pair.scratch,
                                          [&](Bytes other) -> Result<void> {
                                            same = equal_bytes(one, other);
                                            return {};
                                          });
      });
  if (!done && done.error().code != Code::kBadInput) return std::unexpected(done.error());
  return done && same;
}

/// For each entry before, whether it is there after; nullopt when the region after holds something
/// else, which has been told.
Result<std::optional<std::vector<bool>>> match_entries(const ElfPair& pair, const CodePlace& place,
                                                       const StoredRegion& before,
                                                       const StoredRegion& after) {
  std::vector<bool> there(before.region.entries.size(), false);
  std::size_t next = 0;
  for (std::size_t i = 0; i < there.size() && next < after.region.entries.size(); ++i) {
    bool same = equal_bytes(before.entry(i), after.entry(next));
    if (!same) {
      TRY(same, same_content(pair, before.entry(i), before.region.entries[i], after.entry(next),
                             after.region.entries[next]));
      if (same) pair.findings.count("entries of device code compressed anew");
    }
    there[i] = same;
    if (same) ++next;
  }
  if (next == after.region.entries.size()) return there;
  const Entry& stranger = after.region.entries[next];
  bool known = false;
  for (std::size_t i = 0; i < before.region.entries.size(); ++i)
    known |= equal_bytes(before.entry(i), after.entry(next));
  pair.differ("device code", entry_place(place, next, stranger),
              known ? "entries in their order" : "an entry of the original, byte for byte",
              known ? "an entry that belongs elsewhere" : "other bytes");
  return std::nullopt;
}

class RegionRule {
 public:
  RegionRule(const ElfPair& pair, const CodePlace& place, const Region& before, const Region& after,
             const LinkedCode& linked)
      : rule_(pair.rule), place_(place), before_(before), after_(after) {
    const bool in_group = place.linked || place.relocatable;
    covered_ = in_group ? linked.any && linked.covers_all : covers_targets(after, pair.rule);
  }

  /// Why the entry had to stay; empty when it may be gone.
  std::string must_stay(const Entry& entry) const {
    if (!place_.registered) return "the region is not reached by a wrapper";
    if (place_.held) return "something means a place inside the region";
    if (rule_.targets.cuda.empty())
      return rule_.vendor_may_go() && !rule_.targets.amd.empty() ? "" : kOtherVendor;
    switch (entry.kind) {
      case EntryKind::kCubin:
        return cubin(entry);
      case EntryKind::kPtx:
        if (!rule_.ptx_may_go()) return "PTX stays by level or option";
        return covered_ ? "" : "a target has no native code for certain";
      case EntryKind::kLtoIr:
        return "link-time IR stays";
      case EntryKind::kUnknown:
        break;
    }
    return "its kind is unknown";
  }

 private:
  std::string cubin(const Entry& entry) const {
    for (const device::CudaArch gpu : rule_.targets.cuda) {
      if (!can_load_cubin(entry.arch, gpu) ||
          (rule_.level == Level::kAggressive && has_better(entry.arch, gpu)))
        continue;
      return device::to_string(gpu) + " can load it";
    }
    return {};
  }
  /// At aggressive: the latest that `gpu` loads for certain is there, and this one is not it.
  bool has_better(device::CudaArch code, device::CudaArch gpu) const {
    const auto latest = [&](const Region& region) {
      unsigned out = 0;
      for (const Entry& entry : region.entries)
        if (entry.kind == EntryKind::kCubin && loads_cubin_surely(entry.arch, gpu))
          out = std::max(out, entry.arch.number);
      return out;
    };
    const unsigned there = latest(after_);
    if (place_.linked || place_.relocatable) return there != 0;
    return there != 0 && there == latest(before_) && code.number != there;
  }

  const CodeRule& rule_;
  const CodePlace& place_;
  const Region& before_;
  const Region& after_;
  bool covered_ = false;
};

}  // namespace

bool covers_targets(const Region& region, const CodeRule& rule) {
  return std::ranges::all_of(rule.targets.cuda, [&](device::CudaArch gpu) {
    return std::ranges::any_of(region.entries, [&](const Entry& entry) {
      return entry.kind == EntryKind::kCubin && loads_cubin_surely(entry.arch, gpu);
    });
  });
}

Result<Region> region_after(const ElfPair& pair, const CodePlace& place) {
  const Bytes bytes = pair.after.memory.bytes_from(place.now());
  if (bytes.empty()) return bad_input("nothing of the file is mapped at {}", hex(place.now()));
  return device::parse_region(bytes, 0);
}

Result<std::uint64_t> compare_region(const ElfPair& pair, const CodePlace& place,
                                     const LinkedCode& linked, bool& changed) {
  const Region& before = *place.region;
  const auto where = [&] { return "region at " + hex(place.addresses.begin); };
  const Result<Region> after = region_after(pair, place);
  if (!after) {
    pair.differ("device code", where(), "a region at " + hex(place.now()), after.error().message);
    return 0;
  }
  const StoredRegion was{before, pair.before.file.bytes().subspan(before.offset, before.size)};
  const StoredRegion is{*after, pair.after.memory.bytes_from(place.now()).first(after->size)};
  if (!equal_bytes(was.bytes.first(8), is.bytes.first(8)))
    pair.differ("device code", where(), "its header", "another header");
  TRY(const auto there, match_entries(pair, place, was, is));
  if (!there) return after->size;
  const RegionRule rule(pair, place, before, *after, linked);
  for (std::size_t i = 0; i < there->size(); ++i) {
    const Entry& entry = before.entries[i];
    if ((*there)[i]) {
      pair.findings.count("entries of device code that are there");
      continue;
    }
    changed = true;
    const std::string why = rule.must_stay(entry);
    if (why == kOtherVendor && pair.rule.vendor_unknown)
      pair.findings.unknown(pair.path, kVendorUnknown);
    else if (why.empty())
      pair.findings.count("entries of device code that no target needs, gone");
    else
      pair.differ("device code", entry_place(place, i, entry), "there: " + why, "gone");
  }
  if (after->entries.empty() && !before.entries.empty())
    pair.differ("device code", where(), "at least one entry", "an empty region");
  return after->size;
}

}  // namespace flense::verify
