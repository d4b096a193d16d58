#include "slim/candidates/gpu_files.h"
#include "slim/plan/draft.h"

namespace flense::slim {

void gpu_files_pass(const PassContext& context, Draft& draft) {
  if (context.options.cuts.level == device::Level::kSafe) return;
  const image::MergedTree& tree = context.contents.tree();
  const device::PruneOptions rules = rewrite_rules(context.options.cuts);
  for (std::uint32_t layer = 0; layer < tree.layer_count(); ++layer) {
    const image::LayerListing& listing = tree.layer(layer);
    for (const std::uint32_t index :
         files_for_other_gpus(*context.contents.scans()[layer], rules)) {
      const image::LayerListing::Entry entry = listing.at(index);
      const image::EntryRef ref{layer, index};
      if (!draft.may_claim(ref, entry.path)) continue;
      draft.claim(ref, {Action::kDrop, kGpuFiles, std::string(entry.path), {}, entry.size, 0});
    }
  }
}

}  // namespace flense::slim
