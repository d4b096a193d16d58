#include "inventory/jit_caches.h"
#include "inventory/used_places.h"
#include "inventory/waste.h"
#include "slim/draft.h"

namespace flense::slim {

namespace {

/// Whether the rule looks beyond the one layer: then equal layers of two images may end
/// differently.
bool looks_at_image(const inventory::WasteRule& rule) {
  return rule.guard != inventory::Guard::kNone;
}

bool wanted(const inventory::WasteRule& rule, std::string_view path,
            const inventory::JitCaches& jit, const SlimOptions& options) {
  if (rule.id == "pycache" && options.pyc != Pyc::kByLevel) return options.pyc == Pyc::kDrop;
  return jit.takes(rule, path, options.level);
}

}  // namespace

void waste_files_pass(const PassContext& context, Draft& draft) {
  const inventory::WasteClassifier classifier;
  const inventory::UsedPlaces used =
      inventory::UsedPlaces::find(context.image, context.contents.tree());
  const inventory::JitCaches jit =
      inventory::JitCaches::find(context.contents, context.options.targets);
  const image::MergedTree& tree = context.contents.tree();
  for (const inventory::WasteRule& rule : inventory::waste_rules())
    draft.describe_pass(std::string(rule.id), std::string(rule.summary), looks_at_image(rule));
  for (std::uint32_t layer = 0; layer < tree.layer_count(); ++layer) {
    const image::LayerListing& listing = tree.layer(layer);
    for (std::uint32_t index = 0; index < listing.size(); ++index) {
      const image::LayerListing::Entry entry = listing.at(index);
      if (entry.type != codec::MemberType::kFile && entry.type != codec::MemberType::kHardLink)
        continue;
      const image::EntryRef ref{layer, index};
      // A whiteout deletes in lower layers; it is not content to drop.
      if (image::whiteout_kind(entry.path) != image::Whiteout::kNone) continue;
      const inventory::WasteRule* rule = classifier.classify(entry.path);
      if (rule == nullptr || inventory::spares(*rule, entry) ||
          !wanted(*rule, entry.path, jit, context.options) ||
          !inventory::held_back(*rule, context.needs).empty() || !draft.may_claim(ref, entry.path))
        continue;
      if (rule->by_place && !used.holder(entry.path).empty()) {
        // Another image on the same layer may not name the file.
        draft.describe_pass(std::string(rule->id), std::string(rule->summary), true);
        continue;
      }
      const std::uint64_t bytes = context.contents.scan(ref).stored_bytes(index);
      draft.claim(ref,
                  {Action::kDrop, std::string(rule->id), std::string(entry.path), {}, bytes, 0});
    }
  }
}

}  // namespace flense::slim
