#include <optional>
#include <unordered_map>

#include "slim/plan/draft.h"
#include "slim/plan/labels.h"

namespace flense::slim {

namespace {

using codec::MemberType;

bool is_hidden(const image::MergedTree& tree, image::EntryRef ref) {
  const image::EntryState state = tree.shadow(ref).state;
  return state == image::EntryState::kOverwritten || state == image::EntryState::kDeleted;
}

/// Calls fn(ref, entry) for every member, bottom layer first.
template <class Fn>
void for_each_member(const image::MergedTree& tree, const Fn& fn) {
  for (std::uint32_t layer = 0; layer < tree.layer_count(); ++layer) {
    const image::LayerListing& listing = tree.layer(layer);
    for (std::uint32_t index = 0; index < listing.size(); ++index)
      fn(image::EntryRef{layer, index}, listing.at(index));
  }
}

/// Hidden links to hidden files go with them: a link that stays would need the content.
void claim_links(const image::MergedTree& tree, Draft& draft) {
  // Path -> file, as of now, of what links name: few of all paths.
  std::unordered_map<std::string_view, std::optional<image::EntryRef>> content;
  for_each_member(tree, [&](image::EntryRef, const image::LayerListing::Entry& entry) {
    if (entry.type == MemberType::kHardLink) content.try_emplace(entry.link);
  });
  if (content.empty()) return;
  for_each_member(tree, [&](image::EntryRef ref, const image::LayerListing::Entry& entry) {
    if (entry.type != MemberType::kFile && entry.type != MemberType::kHardLink) return;
    const auto own = content.find(entry.path);
    if (entry.type == MemberType::kFile) {
      if (own != content.end()) own->second = ref;
      return;
    }
    const std::optional<image::EntryRef> found = content.find(entry.link)->second;
    if (!found) return;
    const image::EntryRef file = *found;
    if (own != content.end()) own->second = file;
    const Edit* edit = draft.edit_at(file);
    if (edit != nullptr && edit->pass == kShadowedFiles && is_hidden(tree, ref) &&
        draft.may_claim(ref, entry.path))
      draft.claim(ref, {Action::kDrop, kShadowedFiles, std::string(entry.path), {}, 0, 0});
  });
}

}  // namespace

// Whiteouts stay, also when all that they hid is gone: they weigh one header, the layer that holds
// them often has no other edit and then keeps its digest, and another image may have it on top of
// another base.
void shadowed_files_pass(const PassContext& context, Draft& draft) {
  draft.breaks_sharing(kShadowedFiles);
  const image::MergedTree& tree = context.contents.tree();
  bool any = false;
  for_each_member(tree, [&](image::EntryRef ref, const image::LayerListing::Entry& entry) {
    // Directories, links and devices weigh nothing and may carry the path of something live.
    if (entry.type != MemberType::kFile || entry.size == 0) return;
    // Each layer's marker speaks of its own layer, also below the next one's.
    if (entry.path == kMarkerPath || !is_hidden(tree, ref)) return;
    if (tree.content_is_live(ref) || !draft.may_claim(ref, entry.path)) return;
    const std::uint64_t bytes = context.contents.scan(ref).stored_bytes(ref.index);
    draft.claim(ref, {Action::kDrop, kShadowedFiles, std::string(entry.path), {}, bytes, 0});
    any = true;
  });
  if (any) claim_links(tree, draft);
}

}  // namespace flense::slim
