#include <unordered_map>
#include <vector>

#include "slim/draft.h"

namespace flense::slim {

namespace {

using PathIndex = std::unordered_map<std::string_view, std::uint32_t>;

bool is_drop(const Edit* edit) {
  return edit != nullptr && edit->action == Action::kDrop;
}

/// Links whose first name lies in a lower layer: that name must stay.
void protect_lower_targets(const image::MergedTree& tree, Draft& draft) {
  std::unordered_map<std::string_view, std::uint32_t> wanted;  // path -> lowest layer that links
  for (std::uint32_t layer = 0; layer < tree.layer_count(); ++layer) {
    const image::LayerListing& listing = tree.layer(layer);
    PathIndex here;
    for (std::uint32_t index = 0; index < listing.size(); ++index) {
      const image::LayerListing::Entry entry = listing.at(index);
      if (entry.type == codec::MemberType::kFile) here[entry.path] = index;
      if (entry.type == codec::MemberType::kHardLink && !here.contains(entry.link) &&
          !is_drop(draft.edit_at({layer, index})))
        wanted[entry.link] = layer;
    }
  }
  if (wanted.empty()) return;
  for (std::uint32_t layer = 0; layer < tree.layer_count(); ++layer) {
    const image::LayerListing& listing = tree.layer(layer);
    for (std::uint32_t index = 0; index < listing.size(); ++index) {
      const auto found = wanted.find(listing.at(index).path);
      if (found != wanted.end() && found->second > layer && is_drop(draft.edit_at({layer, index})))
        draft.withdraw({layer, index});
    }
  }
}

void settle_layer(const image::LayerListing& listing, std::uint32_t layer, Draft& draft) {
  PathIndex files;                                       // path -> latest file of that name
  std::unordered_map<std::uint32_t, std::string> moved;  // dropped file -> its new name
  for (std::uint32_t index = 0; index < listing.size(); ++index) {
    const image::LayerListing::Entry entry = listing.at(index);
    if (entry.type == codec::MemberType::kFile) files[entry.path] = index;
    if (entry.type != codec::MemberType::kHardLink) continue;
    const image::EntryRef link{layer, index};
    const auto target = files.find(entry.link);
    if (target == files.end() || is_drop(draft.edit_at(link))) continue;
    const image::EntryRef file{layer, target->second};
    const Edit* edit = draft.edit_at(file);
    if (edit == nullptr || (edit->action != Action::kDrop && edit->action != Action::kRename))
      continue;
    const std::string pass = edit->pass;
    const std::uint64_t size = listing.at(target->second).size;
    const auto [name, first] = moved.try_emplace(target->second, entry.path);
    if (first) {
      // The content stays, under the first name that stays.
      draft.claim(file, {Action::kRename, pass, std::string(listing.at(target->second).path),
                         name->second, size, size});
      draft.claim(link, {Action::kMoved, pass, std::string(entry.path), {}, 0, 0});
    } else {
      draft.claim(link, {Action::kRetarget, pass, std::string(entry.path), name->second, 0, 0});
    }
  }
}

}  // namespace

void settle_hard_links(const PassContext& context, Draft& draft) {
  const image::MergedTree& tree = context.contents.tree();
  protect_lower_targets(tree, draft);
  for (std::uint32_t layer = 0; layer < tree.layer_count(); ++layer)
    if (!draft.layers()[layer].empty()) settle_layer(tree.layer(layer), layer, draft);
}

}  // namespace flense::slim
