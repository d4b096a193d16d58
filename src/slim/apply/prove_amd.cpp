// The proof of an edit of offload bundles: reads the output anew and compares what it holds.
#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "codec/sha256.h"
#include "device/amd_repack.h"
#include "device/amd_target.h"
#include "slim/apply/rewrite_elf.h"

namespace flense::slim {

namespace {

using device::AmdBundle;
using device::AmdCode;

/// Without the entries that `keep` does not have.
std::vector<device::AmdRow> kept_rows(const device::AmdTable& table,
                                      const std::vector<bool>& keep) {
  std::vector<device::AmdRow> out;
  std::size_t entry = 0;
  for (const device::AmdRow& row : table.rows)
    if (device::amd_target_of_entry(row.id).empty() || keep[entry++]) out.push_back(row);
  return out;
}

bool same_rows(const device::PlainBundle& was, const std::vector<bool>& keep,
               const device::PlainBundle& is) {
  const auto same = [&](const device::AmdRow& before, const device::AmdRow& after) {
    return before.id == after.id && as_text(was.bytes.subspan(before.offset, before.size)) ==
                                        as_text(is.bytes.subspan(after.offset, after.size));
  };
  return std::ranges::equal(kept_rows(was.table, keep), is.table.rows, same);
}

/// Whether the bundle of the output holds the kept entries of the input's, and nothing else.
Result<bool> holds_what_is_kept(std::string_view stored, const AmdBundle& bundle,
                                const std::vector<bool>& keep, std::string_view stored_after,
                                const AmdBundle& after, const std::filesystem::path& scratch) {
  bool same = false;
  const auto compare = [&](const device::PlainBundle& was) {
    return device::with_plain_bundle(as_bytes(stored_after), after, scratch,
                                     device::BundleHash::kCompare,
                                     [&](const device::PlainBundle& is) -> Result<void> {
                                       same = same_rows(was, keep, is);
                                       return {};
                                     });
  };
  TRY_DO(device::with_plain_bundle(as_bytes(stored), bundle, scratch, device::BundleHash::kSkip,
                                   compare));
  return same;
}

/// What the plan keeps of one bundle of the input.
struct Kept {
  std::vector<bool> entries;  ///< by entry
  bool all = true;
};

std::vector<Kept> kept_of(const AmdCode& code, const device::PrunePlan& plan) {
  std::vector<Kept> out(code.bundles.size());
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i].entries.assign(code.bundles[i].entries.size(), true);
  for (const device::AmdDecision& decision : plan.amd) {
    if (!device::is_drop(decision.reason)) continue;
    out[decision.bundle].entries[decision.entry] = false;
    out[decision.bundle].all = false;
  }
  return out;
}

/// A bundle that lost entries holds code for the targets, or one last entry, or what nobody knows.
Result<void> check_targets(const AmdBundle& bundle, const device::Targets& targets) {
  for (const device::AmdEntry& entry : bundle.entries) {
    const bool serves = std::ranges::any_of(targets.amd, [&](const std::string& gpu) {
      return device::amd_code_runs_on(entry.target, gpu);
    });
    const std::string processor = entry.target.substr(0, entry.target.find(':'));
    const bool strange = processor == "unknown" || (processor.ends_with("-generic") &&
                                                    device::amd_generic_members(processor).empty());
    if (!serves && !strange && bundle.entries.size() > 1)
      return bad_input("the bundle at {:#x} still holds code for {}", bundle.offset, entry.target);
  }
  return {};
}

std::map<std::uint64_t, std::size_t> bundles_by_address(const AmdCode& code) {
  std::map<std::uint64_t, std::size_t> out;
  std::size_t index = 0;
  for (const device::SectionCode& section : code.places.sections)
    for (const device::Region& region : section.regions) out[region.address] = index++;
  return out;
}

}  // namespace

Result<void> prove_amd_pruned(const elf::File& input, const AmdCode& input_code,
                              const device::PrunePlan& plan, const device::Targets& targets,
                              const elf::File& output, const std::filesystem::path& scratch) {
  TRY(const AmdCode output_code, device::find_amd_code(output));
  const auto& wrappers_before = input_code.places.wrappers;
  const auto& wrappers_after = output_code.places.wrappers;
  if (wrappers_before.size() != wrappers_after.size())
    return bad_input("{} HIP wrappers became {}", wrappers_before.size(), wrappers_after.size());
  if (input_code.bundles.size() != output_code.bundles.size())
    return bad_input("{} bundles became {}", input_code.bundles.size(), output_code.bundles.size());
  const std::vector<Kept> kept = kept_of(input_code, plan);
  const auto before_by_address = bundles_by_address(input_code);
  const auto after_by_address = bundles_by_address(output_code);

  std::map<std::size_t, std::size_t> paired;
  for (std::size_t i = 0; i < wrappers_before.size(); ++i) {
    if (wrappers_before[i].address != wrappers_after[i].address)
      return bad_input("HIP wrapper {} moved", i);
    const auto before = before_by_address.find(wrappers_before[i].data);
    if (before == before_by_address.end()) continue;
    const auto after = after_by_address.find(wrappers_after[i].data);
    if (after == after_by_address.end())
      return bad_input("HIP wrapper {} at {:#x} no longer points at a bundle", i,
                       wrappers_after[i].address);
    const auto known = paired.try_emplace(before->second, after->second);
    if (known.first->second != after->second)
      return bad_input("HIP wrappers of one bundle point at two");
  }

  const auto stored = [](const elf::File& file, const AmdBundle& bundle) {
    return as_text(file.bytes().subspan(bundle.offset, bundle.size));
  };
  std::map<std::string, int> unpaired;
  std::vector<bool> reached(output_code.bundles.size(), false);
  for (const auto& [before, after] : paired) reached[after] = true;
  for (std::size_t i = 0; i < input_code.bundles.size(); ++i) {
    const AmdBundle& old_bundle = input_code.bundles[i];
    const auto pair = paired.find(i);
    if (pair == paired.end()) {
      if (!kept[i].all) return bad_input("the bundle at {:#x} changed", old_bundle.offset);
      ++unpaired[codec::sha256_digest(as_bytes(stored(input, old_bundle)))];
      continue;
    }
    const AmdBundle& new_bundle = output_code.bundles[pair->second];
    if (kept[i].all) {
      if (stored(input, old_bundle) != stored(output, new_bundle))
        return bad_input("the bundle at {:#x} differs in the output", old_bundle.offset);
      continue;
    }
    if (new_bundle.compressed != old_bundle.compressed)
      return bad_input("the bundle at {:#x} changed its form", old_bundle.offset);
    TRY(const bool same, holds_what_is_kept(stored(input, old_bundle), old_bundle, kept[i].entries,
                                            stored(output, new_bundle), new_bundle, scratch));
    if (!same)
      return bad_input("the bundle at {:#x} does not hold in the output at {:#x} what is kept",
                       old_bundle.offset, new_bundle.offset);
    TRY_DO(check_targets(new_bundle, targets));
  }
  for (std::size_t i = 0; i < reached.size(); ++i)
    if (!reached[i] &&
        --unpaired[codec::sha256_digest(as_bytes(stored(output, output_code.bundles[i])))] < 0)
      return bad_input("the output has a bundle at {:#x} that the input does not have",
                       output_code.bundles[i].offset);
  return {};
}

}  // namespace flense::slim
