#include <algorithm>

#include "inventory/candidates/self_checked.h"
#include "slim/plan/draft.h"

namespace flense::slim {

namespace {

std::uint64_t droppable(const inventory::PruneSummary& summary) {
  std::uint64_t total = 0;
  for (const auto& [reason, bytes] : summary.bytes)
    if (device::is_drop(reason)) total += bytes;
  return total;
}

}  // namespace

void device_code_pass(const PassContext& context, Draft& draft) {
  if (!context.options.cuts.modify_vendor) return;
  const image::MergedTree& tree = context.contents.tree();
  const inventory::SelfChecked self_checked = inventory::find_self_checked(context.contents);
  for (std::uint32_t layer = 0; layer < tree.layer_count(); ++layer) {
    for (const auto& [index, facts] : context.contents.scans()[layer]->elf) {
      if (!facts.prune) continue;
      const image::EntryRef ref{layer, index};
      const image::LayerListing::Entry entry = tree.layer(layer).at(index);
      if (entry.type != codec::MemberType::kFile || !draft.may_claim(ref, entry.path)) continue;
      const inventory::PruneSummary& summary = *facts.prune;
      for (const auto& [rule, bytes] : summary.bolder) draft.add_bolder(rule, bytes);
      const std::uint64_t wanted = droppable(summary);
      if (context.musl) {
        if (wanted > 0)
          draft.leave_alone({std::string(entry.path), wanted,
                             "the image's C library is musl, which does not zero the ends of "
                             "read-only segments"});
        continue;
      }
      if (!summary.left_alone.empty()) {
        if (wanted > 0) draft.leave_alone({std::string(entry.path), wanted, summary.left_alone});
        continue;
      }
      if (summary.output_size >= entry.size) continue;
      if (const auto checked = self_checked.find(entry.path); checked != self_checked.end()) {
        draft.leave_alone(
            {std::string(entry.path), entry.size - summary.output_size, checked->second});
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
                        .pass = kDeviceCode,
                        .path = std::string(entry.path),
                        .bytes_before = entry.size,
                        .bytes_after = summary.output_size,
                        .shares = shares});
    }
  }
}

}  // namespace flense::slim
