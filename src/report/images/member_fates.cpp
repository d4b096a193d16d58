#include "report/images/member_fates.h"

#include <algorithm>

namespace flense::report {

namespace {

/// Cuts that take a part of a file; all others take files whole.
bool takes_part(std::string_view id) {
  return id == "device-code" || id == "device-ptx" || id == "debug-sections" ||
         id == "recompressed-code";
}

void add_shadowed(const inventory::Contents& contents, MemberFates& fates) {
  const image::MergedTree& tree = contents.tree();
  for (std::uint32_t layer = 0; layer < tree.layer_count(); ++layer) {
    const inventory::LayerScan& scan = *contents.scans()[layer];
    for (std::uint32_t index = 0; index < scan.listing->size(); ++index) {
      const std::uint64_t bytes = scan.stored_bytes(index);
      if (bytes > 0 && !tree.content_is_live({layer, index}))
        fates[layer][index] = {bytes, true, std::string(slim::kShadowedFiles), {}};
    }
  }
}

MemberFate fate_of(const slim::Edit& edit, std::uint64_t stored) {
  MemberFate out;
  out.reason = edit.pass;
  out.whole = edit.action == slim::Action::kDrop;
  out.given_back =
      out.whole
          ? stored
          : std::min(stored, edit.bytes_before - std::min(edit.bytes_before, edit.bytes_after));
  return out;
}

}  // namespace

MemberFates member_fates(const inventory::Contents& contents,
                         const inventory::Inventory& inventory) {
  MemberFates out(contents.scans().size());
  add_shadowed(contents, out);
  for (const inventory::FileCut& cut : inventory.file_cuts) {
    if (cut.id == slim::kShadowedFiles) continue;
    const auto found = contents.tree().find(cut.path);
    if (!found || !found->content) continue;
    const image::EntryRef ref = *found->content;
    const std::uint64_t stored = contents.scan(ref).stored_bytes(ref.index);
    MemberFate& fate = out[ref.layer][ref.index];
    if (!cut.held_back.empty()) {
      // One cut of a file may be held back and another not.
      if (fate.given_back == 0) fate.reason = cut.id;
      fate.held_back = cut.held_back;
      continue;
    }
    if (fate.given_back == 0) fate.reason = cut.id;
    fate.whole = !takes_part(cut.id);
    fate.given_back = fate.whole ? stored : std::min(stored, fate.given_back + cut.bytes);
  }
  return out;
}

MemberFates member_fates(const inventory::Contents& contents, const slim::Plan& plan,
                         const std::vector<slim::LeftAlone>& left_alone) {
  MemberFates out(contents.scans().size());
  std::map<std::string_view, std::string_view> applying_left;
  for (const slim::LeftAlone& file : left_alone) applying_left.emplace(file.path, file.why);
  std::map<std::string_view, std::string_view> planning_left;
  for (const slim::LeftAlone& file : plan.left_alone) planning_left.emplace(file.path, file.why);
  for (std::uint32_t layer = 0; layer < out.size(); ++layer) {
    const inventory::LayerScan& scan = *contents.scans()[layer];
    if (layer < plan.layers.size()) {
      for (const auto& [position, edit] : plan.layers[layer].edits) {
        if (position >= scan.listing->size()) continue;
        const auto index = static_cast<std::uint32_t>(position);
        MemberFate fate = fate_of(edit, scan.stored_bytes(index));
        if (fate.given_back == 0) continue;
        if (const auto left = applying_left.find(edit.path);
            !fate.whole && left != applying_left.end())
          fate = {0, false, edit.pass, std::string(left->second)};
        out[layer].emplace(index, std::move(fate));
      }
    }
    if (planning_left.empty()) continue;
    for (const auto& [index, facts] : scan.elf) {
      const auto left = planning_left.find(scan.listing->at(index).path);
      if (left != planning_left.end())
        out[layer].try_emplace(index,
                               MemberFate{0, false, "device-code", std::string(left->second)});
    }
  }
  return out;
}

}  // namespace flense::report
