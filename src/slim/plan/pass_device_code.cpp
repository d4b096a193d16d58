#include <algorithm>

#include "slim/plan/draft.h"

namespace flense::slim {

namespace {

std::uint64_t droppable(const inventory::PruneSummary& summary) {
  std::uint64_t total = 0;
  for (const auto& [reason, bytes] : summary.bytes)
    if (device::is_drop(reason)) total += bytes;
  return total;
}

/// Nothing was measured for targets: what goes whatever they are.
std::optional<inventory::PruneSummary> unmeasured(const inventory::ElfFacts& facts,
                                                  const image::LayerListing::Entry& entry,
                                                  const device::PruneOptions& rules) {
  const device::PruneOptions own = device::options_for_file(rules, entry.path);
  if (!device::worth_stripping({facts.debug_bytes, facts.symbol_bytes}, own)) return std::nullopt;
  inventory::PruneSummary out;
  out.removed_debug_bytes = std::min(entry.size, (own.drop_debug ? facts.debug_bytes : 0) +
                                                     (own.drop_symtab ? facts.symbol_bytes : 0));
  out.output_size = entry.size - out.removed_debug_bytes;
  return out;
}

}  // namespace

void device_code_pass(const PassContext& context, Draft& draft) {
  if (!context.options.cuts.modify_vendor) return;
  const image::MergedTree& tree = context.contents.tree();
  const CutRules& cuts = context.options.cuts;
  const device::PruneOptions rules = rewrite_rules(cuts);
  const bool measured = !cuts.targets.cuda.empty() || !cuts.targets.amd.empty();
  for (std::uint32_t layer = 0; layer < tree.layer_count(); ++layer) {
    for (const auto& [index, facts] : context.contents.scans()[layer]->elf) {
      const image::EntryRef ref{layer, index};
      const image::LayerListing::Entry entry = tree.layer(layer).at(index);
      if (entry.type != codec::MemberType::kFile || !draft.may_claim(ref, entry.path)) continue;
      const auto counted = measured ? std::nullopt : unmeasured(facts, entry, rules);
      const std::optional<inventory::PruneSummary>& found = measured ? facts.prune : counted;
      if (!found) continue;
      const inventory::PruneSummary& summary = *found;
      for (const auto& [rule, bytes] : summary.bolder) draft.add_bolder(rule, bytes);
      const std::uint64_t wanted = droppable(summary);
      if (context.musl) {
        if (wanted > 0)
          draft.leave_alone({std::string(entry.path), wanted,
                             "the image's C library is musl, which does not zero the ends of "
                             "read-only segments",
                             kDeviceCode, ref});
        continue;
      }
      if (summary.withheld > 0)
        draft.leave_alone(
            {std::string(entry.path), summary.withheld,
             summary.left_alone.empty() ? std::string(device::kFreesNoPage) : summary.left_alone,
             summary.bytes.empty() ? Pass(kDebugSections) : Pass(kDeviceCode), ref});
      if (!summary.left_alone.empty()) continue;
      if (summary.output_size >= entry.size) continue;
      if (const auto checked = context.self_checked.find(entry.path);
          checked != context.self_checked.end()) {
        draft.leave_alone({std::string(entry.path), entry.size - summary.output_size,
                           checked->second, wanted > 0 ? Pass(kDeviceCode) : Pass(kDebugSections),
                           ref});
        continue;
      }
      const std::uint64_t gain = entry.size - summary.output_size;
      const auto ptx = summary.bytes.find(device::Reason::kDropPtx);
      const RewriteShares shares =
          shares_of({.code = wanted > 0 || summary.recompressed_bytes > 0,
                     .debug = summary.removed_debug_bytes,
                     .recompressed = summary.recompressed_bytes,
                     .ptx_entries = ptx == summary.bytes.end() ? 0 : ptx->second,
                     .dropped_entries = wanted},
                    gain);
      if (summary.raised_entries > 0) draft.raise_driver_floor();
      draft.claim(ref, {.action = Action::kRewrite,
                        .pass = measured ? kDeviceCode : kDebugSections,
                        .path = std::string(entry.path),
                        .bytes_before = entry.size,
                        .bytes_after = summary.output_size,
                        .shares = shares});
    }
  }
}

}  // namespace flense::slim
