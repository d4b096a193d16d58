#include <set>
#include <vector>

#include "base/path.h"
#include "inventory/names/waste.h"
#include "slim/candidates/jit_caches.h"
#include "slim/candidates/used_places.h"
#include "slim/plan/draft.h"

namespace flense::slim {

namespace {

/// Whether the rule looks beyond the one layer: then equal layers of two images may end
/// differently.
bool looks_at_image(const inventory::WasteRule& rule) {
  return rule.guard != inventory::Guard::kNone;
}

bool wanted(const inventory::WasteRule& rule, std::string_view path, const JitCaches& jit,
            const SlimOptions& options) {
  if (rule.id == inventory::kCompiledPython && options.cuts.pyc != Pyc::kByLevel)
    return options.cuts.pyc == Pyc::kDrop;
  return jit.takes(rule, path, options.cuts.level);
}

/// One run over all layers.
class WastePass {
 public:
  WastePass(const PassContext& context, Draft& draft)
      : context_(context),
        draft_(draft),
        used_(UsedPlaces::find(context.image, context.contents.tree())),
        jit_(JitCaches::find(context.contents, context.options.cuts.targets)) {}

  void take_files(std::uint32_t layer) {
    for_each(layer, [&](image::EntryRef ref, const Entry& entry) {
      if (entry.type != codec::MemberType::kFile && entry.type != codec::MemberType::kHardLink)
        return;
      take(ref, entry, context_.contents.scan(ref).stored_bytes(ref.index));
    });
  }

  /// Links of the category that lead to nothing but what goes, be it over other such links.
  void take_links(std::uint32_t layer) {
    const image::LayerListing& listing = context_.contents.tree().layer(layer);
    std::set<std::string, std::less<>> gone;
    for (const auto& [index, edit] : draft_.layers()[layer])
      // What a later layer wrote anew goes there by the same rule.
      if (edit.pass != kShadowedFiles || goes(listing.at(static_cast<std::uint32_t>(index))))
        gone.insert(edit.path);
    if (gone.empty()) return;
    std::vector<std::uint32_t> links;
    for_each(layer, [&](image::EntryRef ref, const Entry& entry) {
      if (entry.type == codec::MemberType::kSymlink) links.push_back(ref.index);
    });
    for (bool more = true; more;) {
      more = false;
      for (const std::uint32_t index : links) {
        const Entry entry = listing.at(index);
        if (!gone.contains(resolve_link_text(parent_path(entry.path), entry.link)) ||
            !take({layer, index}, entry, 0))
          continue;
        gone.emplace(entry.path);
        more = true;
      }
    }
  }

 private:
  using Entry = image::LayerListing::Entry;

  template <class Fn>
  void for_each(std::uint32_t layer, const Fn& fn) const {
    const image::LayerListing& listing = context_.contents.tree().layer(layer);
    for (std::uint32_t index = 0; index < listing.size(); ++index)
      fn(image::EntryRef{layer, index}, listing.at(index));
  }

  struct Judged {
    const inventory::WasteRule* rule = nullptr;  ///< that takes the member
    std::string_view held_back = {};             ///< why it stays all the same
  };

  Judged judge(const Entry& entry) {
    // A whiteout deletes in lower layers; it is not content to drop.
    if (image::whiteout_kind(entry.path) != image::Whiteout::kNone) return {};
    const inventory::WasteRule* rule = classifier_.classify(entry.path);
    if (rule == nullptr || inventory::spares(*rule, entry) ||
        !wanted(*rule, entry.path, jit_, context_.options))
      return {};
    std::string_view held = inventory::held_back(*rule, context_.needs);
    if (held.empty() && rule->by_place) {
      held = used_.holder(entry.path);
      // Another image on the same layer may not name the file.
      if (!held.empty()) draft_.breaks_sharing(*rule);
    }
    return {rule, held};
  }

  bool goes(const Entry& entry) {
    const Judged judged = judge(entry);
    return judged.rule != nullptr && judged.held_back.empty();
  }

  bool take(image::EntryRef ref, const Entry& entry, std::uint64_t bytes) {
    if (!draft_.may_claim(ref, entry.path)) return false;
    const auto [rule, held] = judge(entry);
    if (rule == nullptr) return false;
    if (held.empty())
      return draft_.claim(ref, {Action::kDrop, *rule, std::string(entry.path), {}, bytes, 0});
    if (bytes > 0)
      draft_.hold_back({std::string(entry.path), bytes, std::string(held), *rule, ref});
    return false;
  }

  const PassContext& context_;
  Draft& draft_;
  inventory::WasteClassifier classifier_;
  UsedPlaces used_;
  JitCaches jit_;
};

}  // namespace

void waste_files_pass(const PassContext& context, Draft& draft) {
  for (const inventory::WasteRule& rule : inventory::waste_rules())
    if (looks_at_image(rule)) draft.breaks_sharing(rule);
  WastePass pass(context, draft);
  for (std::uint32_t layer = 0; layer < context.contents.tree().layer_count(); ++layer) {
    pass.take_files(layer);
    pass.take_links(layer);
  }
}

}  // namespace flense::slim
