#include "slim/apply/rewrite_elf.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "codec/sha256.h"
#include "device/entry_content.h"
#include "elf/edit.h"
#include "elf/file.h"

namespace flense::slim {

namespace {

using device::FileCode;
using device::Region;

Bytes entry_bytes(Bytes file, const Region& region, const device::Entry& entry) {
  return file.subspan(region.offset + entry.offset, entry.size());
}

/// The kept entries of one input region, in order.
struct KeptRegion {
  const Region* region = nullptr;
  std::vector<const device::Entry*> kept;
};

std::vector<KeptRegion> kept_regions(const FileCode& code, const device::PrunePlan& plan) {
  std::vector<KeptRegion> out;
  std::map<std::pair<std::size_t, std::size_t>, std::size_t> index;
  for (std::size_t s = 0; s < code.sections.size(); ++s) {
    for (std::size_t r = 0; r < code.sections[s].regions.size(); ++r) {
      index[{s, r}] = out.size();
      out.push_back({&code.sections[s].regions[r], {}});
    }
  }
  for (const device::EntryDecision& decision : plan.decisions) {
    if (device::is_drop(decision.reason)) continue;
    KeptRegion& region = out[index.at({decision.section, decision.region})];
    region.kept.push_back(&region.region->entries[decision.entry]);
  }
  return out;
}

/// What the entries that were packed anew add up to, as far as they were compared.
struct Comparison {
  const std::filesystem::path& scratch;
  device::RecompressTotals packed_anew = {};
};

Result<void> compare_region(const elf::File& input, const KeptRegion& before,
                            const elf::File& output, const Region& after, Comparison& comparison) {
  if (before.kept.size() != after.entries.size())
    return bad_input("the region at {:#x} keeps {} entries, the output has {} at {:#x}",
                     before.region->offset, before.kept.size(), after.entries.size(), after.offset);
  for (std::size_t i = 0; i < after.entries.size(); ++i) {
    const Bytes old_bytes = entry_bytes(input.bytes(), *before.region, *before.kept[i]);
    const Bytes new_bytes = entry_bytes(output.bytes(), after, after.entries[i]);
    if (as_text(old_bytes) == as_text(new_bytes)) continue;
    const device::Entry& entry = after.entries[i];
    const Result<void> same =
        device::same_entry(old_bytes, *before.kept[i], new_bytes, entry, comparison.scratch);
    if (!same && same.error().code != Code::kBadInput) return same;
    if (!same || !entry.zstd() || new_bytes.size() >= old_bytes.size())
      return bad_input("entry {} of the region at {:#x} differs in the output at {:#x}{}", i,
                       before.region->offset, after.offset,
                       same ? "" : ": " + same.error().message);
    ++comparison.packed_anew.entries;
    comparison.packed_anew.before += old_bytes.size();
    comparison.packed_anew.after += new_bytes.size();
  }
  return {};
}

/// One digest over the entries of a region: how regions that no wrapper reaches are paired.
std::string region_digest(Bytes file, const Region& region,
                          const std::vector<const device::Entry*>& entries) {
  codec::Sha256 hash;
  for (const device::Entry* entry : entries) hash.update(entry_bytes(file, region, *entry));
  return hash.hex();
}

/// Nothing of the region went, and it is where it was.
bool is_as_before(const elf::File& input, const KeptRegion& before, const elf::File& output,
                  const Region& after) {
  const auto stored = [](const elf::File& file, const Region& region) {
    return file.bytes().subspan(region.offset, region.size);
  };
  return before.kept.size() == before.region->entries.size() &&
         as_text(stored(input, *before.region)) == as_text(stored(output, after));
}

std::map<std::uint64_t, const Region*> regions_by_address(const FileCode& code) {
  std::map<std::uint64_t, const Region*> out;
  for (const device::SectionCode& section : code.sections)
    for (const Region& region : section.regions) out[region.address] = &region;
  return out;
}

}  // namespace

RewriteOptions rewrite_options(const CutRules& cuts, const Workplace& workplace) {
  RewriteOptions out;
  out.prune = rewrite_rules(cuts, workplace);
  out.scratch_directory = workplace.scratch_directory;
  return out;
}

Result<void> prove_pruned(const elf::File& input, const FileCode& input_code,
                          const device::PrunePlan& plan, const elf::File& output,
                          const std::filesystem::path& scratch) {
  TRY(const FileCode output_code, device::find_device_code(output));
  if (input_code.wrappers.size() != output_code.wrappers.size())
    return bad_input("{} wrappers became {}", input_code.wrappers.size(),
                     output_code.wrappers.size());
  const std::vector<KeptRegion> kept = kept_regions(input_code, plan);
  std::map<std::uint64_t, const KeptRegion*> kept_by_address;
  for (const KeptRegion& region : kept) kept_by_address[region.region->address] = &region;
  const auto after_by_address = regions_by_address(output_code);

  Comparison comparison{scratch};
  std::map<const KeptRegion*, const Region*> paired;
  for (std::size_t i = 0; i < input_code.wrappers.size(); ++i) {
    const device::Wrapper& before = input_code.wrappers[i];
    const device::Wrapper& after = output_code.wrappers[i];
    if (before.address != after.address || before.version != after.version)
      return bad_input("wrapper {} moved or changed", i);
    const auto old_region = kept_by_address.find(before.data);
    if (old_region == kept_by_address.end()) continue;
    const auto new_region = after_by_address.find(after.data);
    if (new_region == after_by_address.end())
      return bad_input("wrapper {} at {:#x} no longer points at a region", i, after.address);
    // Several wrappers may point at one region.
    const auto [pair, fresh] = paired.try_emplace(old_region->second, new_region->second);
    if (pair->second != new_region->second)
      return bad_input("wrappers of the region at {:#x} point at two",
                       old_region->second->region->offset);
    if (fresh)
      TRY_DO(compare_region(input, *old_region->second, output, *new_region->second, comparison));
  }
  const device::RecompressTotals& seen = comparison.packed_anew;
  if (seen.entries != plan.recompressed.entries || seen.before != plan.recompressed.before ||
      seen.after != plan.recompressed.after)
    return bad_input("{} entries were packed anew, the output has {}", plan.recompressed.entries,
                     seen.entries);

  std::map<std::string, int> unpaired;
  std::size_t total_before = 0, total_after = 0;
  std::vector<const Region*> reached;
  reached.reserve(kept.size());
  for (const auto& pair : paired) reached.push_back(pair.second);
  for (const KeptRegion& region : kept) {
    total_before += region.kept.size();
    if (paired.contains(&region)) continue;
    const std::uint64_t address = region.region->address;
    const auto there = address == 0 ? after_by_address.end() : after_by_address.find(address);
    if (there != after_by_address.end() && is_as_before(input, region, output, *there->second))
      reached.push_back(there->second);
    else
      ++unpaired[region_digest(input.bytes(), *region.region, region.kept)];
  }
  std::ranges::sort(reached);
  for (const device::SectionCode& section : output_code.sections) {
    for (const Region& region : section.regions) {
      total_after += region.entries.size();
      if (std::ranges::binary_search(reached, &region)) continue;
      std::vector<const device::Entry*> entries;
      entries.reserve(region.entries.size());
      for (const device::Entry& entry : region.entries) entries.push_back(&entry);
      if (--unpaired[region_digest(output.bytes(), region, entries)] < 0)
        return bad_input("the output has a region at {:#x} that the input does not have",
                         region.offset);
    }
  }
  if (total_before != total_after)
    return bad_input("{} entries are kept, the output has {}", total_before, total_after);
  return {};
}

namespace {

/// A full disk is no verdict about the file: the same input gives the same output, or none.
bool is_no_verdict(const Error& error) {
  return error.code == Code::kEnvironment || error.code == Code::kInterrupted;
}

bool is_empty(const elf::EditPlan& edit) {
  return edit.sections.empty() && !edit.drop_debug && !edit.drop_symtab;
}

}  // namespace

Result<RewrittenElf> rewrite_elf(Bytes bytes, const std::string& name,
                                 const RewriteOptions& options) {
  RewrittenElf out;
  const device::PruneOptions rules = device::options_for_file(options.prune, name);
  const auto leave = [](const std::string& why, std::uint64_t withheld = 0) {
    RewrittenElf left;
    left.left_alone = why;
    left.withheld = withheld;
    return left;
  };
  const Result<elf::File> file = elf::File::parse(bytes, name);
  if (!file) return leave(file.error().message);

  FileCode code;
  device::AmdCode amd;
  device::PrunePlan plan;
  if (options.device_code) {
    Result<FileCode> found = device::find_device_code(*file);
    if (!found) return leave(found.error().message);
    code = std::move(*found);
    Result<device::AmdCode> bundles = device::find_amd_code(*file);
    if (!bundles) return leave(bundles.error().message);
    amd = std::move(*bundles);
  }
  if (code.any() || amd.places.any()) {
    Result<device::PrunePlan> planned = device::plan_prune(*file, code, amd, rules);
    if (!planned && is_no_verdict(planned.error())) return std::unexpected(planned.error());
    if (!planned) return leave(planned.error().message);
    plan = std::move(*planned);
    out.withheld = plan.withheld;
    out.left_alone = plan.left_alone;
    if (out.left_alone.empty() && out.withheld > 0) out.left_alone = device::kFreesNoPage;
  } else if (device::worth_stripping(elf::strippable(*file), rules)) {
    plan.edit.drop_debug = rules.drop_debug;
    plan.edit.drop_symtab = rules.drop_symtab;
  }
  if (is_empty(plan.edit)) return out;

  const Result<elf::EditResult> measured = elf::measure(*file, plan.edit);
  if (!measured) {
    const elf::Strippable waste = elf::strippable(*file);
    return leave(measured.error().message,
                 (rules.drop_debug ? waste.debug : 0) + (rules.drop_symtab ? waste.symbols : 0));
  }
  if (measured->output_size >= bytes.size()) return leave(out.left_alone, out.withheld);
  const std::uint64_t gain = bytes.size() - measured->output_size;

  TRY(const UniqueFd scratch, open_scratch(options.scratch_directory));
  FdSink sink(scratch.get(), "scratch file");
  TRY(const elf::EditResult applied, elf::apply(*file, plan.edit, sink));
  TRY(out.content, MappedFile::map(scratch.get(), name));
  if (out.content.bytes().size() != measured->output_size)
    return leave(fmt::format("the edit announced {} bytes and wrote {}", measured->output_size,
                             out.content.bytes().size()),
                 gain);
  const Result<elf::File> reparsed = elf::File::parse(out.content.bytes(), name);
  if (!reparsed) return leave("the edited file does not parse: " + reparsed.error().message, gain);
  Result<void> proof;
  if (code.any()) proof = prove_pruned(*file, code, plan, *reparsed, options.scratch_directory);
  if (proof && amd.places.any())
    proof = prove_amd_pruned(*file, amd, plan, rules.targets, *reparsed, options.scratch_directory);
  if (!proof && is_no_verdict(proof.error())) return std::unexpected(proof.error());
  if (!proof) return leave("the edited file did not prove itself: " + proof.error().message, gain);
  out.changed = true;
  out.measure.code = applied.device_bytes_removed > 0;
  out.measure.debug = applied.debug_bytes_removed;
  out.measure.recompressed = plan.recompressed.saved();
  for (const auto& [reason, entries] : plan.bytes) {
    if (device::is_drop(reason)) out.measure.dropped_entries += entries;
    if (reason == device::Reason::kDropPtx) out.measure.ptx_entries += entries;
  }
  out.raises_driver_floor = plan.recompressed.raised > 0;
  return out;
}

}  // namespace flense::slim
