#include "slim/draft.h"
#include "slim/labels.h"

namespace flense::slim {

void shadowed_files_pass(const PassContext& context, Draft& draft) {
  draft.describe_pass("shadowed-files", "overwritten or deleted by later layers", true);
  const image::MergedTree& tree = context.contents.tree();
  for (std::uint32_t layer = 0; layer < tree.layer_count(); ++layer) {
    const image::LayerListing& listing = tree.layer(layer);
    for (std::uint32_t index = 0; index < listing.size(); ++index) {
      const image::LayerListing::Entry entry = listing.at(index);
      // Directories, links and devices weigh nothing and may carry the path of something live.
      if (entry.type != codec::MemberType::kFile || entry.size == 0) continue;
      // Each layer's marker speaks of its own layer, also below the next one's.
      if (entry.path == kMarkerPath) continue;
      const image::EntryRef ref{layer, index};
      const image::EntryState state = tree.shadow(ref).state;
      if (state != image::EntryState::kOverwritten && state != image::EntryState::kDeleted)
        continue;
      if (tree.content_is_live(ref) || !draft.may_claim(ref, entry.path)) continue;
      draft.claim(ref,
                  {Action::kDrop, "shadowed-files", std::string(entry.path), {}, entry.size, 0});
    }
  }
}

}  // namespace flense::slim
