#include "slim/plan/draft.h"

#include <algorithm>

#include "base/glob.h"
#include "codec/estargz.h"

namespace flense::slim {

Draft::Draft(const inventory::Contents& contents, std::vector<std::string> keep,
             std::size_t kept_layers, VouchedFiles vouched)
    : keep_(std::move(keep)),
      kept_layers_(kept_layers),
      vouched_(std::move(vouched)),
      layers_(contents.scans().size()) {}

bool Draft::may_claim(image::EntryRef ref, std::string_view path) const {
  if (ref.layer < kept_layers_ || layers_[ref.layer].contains(ref.index)) return false;
  // Each layer has its own, also below the next one's; it goes when the layer changes.
  if (codec::is_estargz_file(path)) return false;
  return std::ranges::none_of(keep_,
                              [&](const std::string& glob) { return glob_covers(glob, path); });
}

bool Draft::claim(image::EntryRef ref, Edit edit) {
  // No container sees what later layers hide.
  const bool removes = edit.action == Action::kDrop;
  const bool changes = edit.action == Action::kRewrite || edit.action == Action::kLink ||
                       edit.action == Action::kSymlink;
  if (edit.pass != kShadowedFiles && (removes || changes)) {
    if (const std::string why = vouched_.why(ref, edit.path, removes); !why.empty()) {
      // Another pass may have wanted it, too.
      const bool told = std::ranges::find(left_alone_, ref, &LeftAlone::entry) != left_alone_.end();
      if (edit.bytes_before > edit.bytes_after && !told)
        leave_alone({edit.path, edit.bytes_before - edit.bytes_after, why, edit.pass, ref});
      return false;
    }
  }
  layers_[ref.layer].insert_or_assign(ref.index, std::move(edit));
  return true;
}

void Draft::withdraw(image::EntryRef ref) {
  layers_[ref.layer].erase(ref.index);
}

const Edit* Draft::edit_at(image::EntryRef ref) const {
  const auto found = layers_[ref.layer].find(ref.index);
  return found == layers_[ref.layer].end() ? nullptr : &found->second;
}

Plan Draft::finish() && {
  Plan plan;
  // Another pass may have taken them.
  std::erase_if(held_back_, [&](const LeftAlone& file) {
    const Edit* edit = edit_at(file.entry);
    return edit != nullptr && edit->action != Action::kRewrite;
  });
  plan.held_back = std::move(held_back_);
  std::map<Pass, PassTotal> totals;
  const auto total = [&](Pass pass) -> PassTotal& {
    return totals.try_emplace(pass, PassTotal{pass, 0, 0, breaks_sharing_.contains(pass)})
        .first->second;
  };
  for (std::map<std::uint64_t, Edit>& edits : layers_) {
    for (const auto& [position, edit] : edits) {
      edit.for_each_share([&](Pass pass, std::uint64_t bytes) {
        PassTotal& sum = total(pass);
        ++sum.files;
        sum.bytes += bytes;
      });
    }
    plan.layers.push_back({{}, std::move(edits), 0});
  }
  for (const auto& [pass, sum] : totals) plan.passes.push_back(sum);
  std::ranges::stable_sort(
      plan.passes, [](const PassTotal& a, const PassTotal& b) { return a.bytes > b.bytes; });
  plan.left_alone = std::move(left_alone_);
  std::ranges::stable_sort(
      plan.left_alone, [](const LeftAlone& a, const LeftAlone& b) { return a.bytes > b.bytes; });
  plan.bolder = std::move(bolder_);
  plan.raises_driver_floor = raises_driver_floor_;
  return plan;
}

}  // namespace flense::slim
