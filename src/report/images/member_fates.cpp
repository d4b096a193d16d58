#include "report/images/member_fates.h"

#include <algorithm>

namespace flense::report {

namespace {

MemberFate fate_of(const slim::Edit& edit, std::uint64_t stored) {
  MemberFate out;
  out.reason = edit.pass.id();
  out.whole = edit.action == slim::Action::kDrop;
  out.given_back =
      out.whole
          ? stored
          : std::min(stored, edit.bytes_before - std::min(edit.bytes_before, edit.bytes_after));
  return out;
}

}  // namespace

MemberFates member_fates(const inventory::Contents& contents, const slim::Plan& plan,
                         const std::vector<slim::LeftAlone>& left_alone) {
  MemberFates out(contents.scans().size());
  std::map<std::string_view, std::string_view> applying_left;
  for (const slim::LeftAlone& file : left_alone) applying_left.emplace(file.path, file.why);
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
          fate = {0, false, std::string(edit.pass.id()), std::string(left->second)};
        out[layer].emplace(index, std::move(fate));
      }
    }
  }
  for (const auto* files : {&plan.left_alone, &plan.held_back})
    for (const slim::LeftAlone& file : *files)
      out[file.entry.layer].try_emplace(
          file.entry.index, MemberFate{0, false, std::string(file.pass.id()), file.why});
  return out;
}

}  // namespace flense::report
