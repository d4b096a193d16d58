#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/path.h"
#include "slim/plan/draft.h"

namespace flense::slim {

namespace {

using codec::MemberType;
using Entry = image::LayerListing::Entry;

bool takes_name(const Edit* edit) {
  return edit != nullptr && (edit->action == Action::kDrop || edit->action == Action::kRename);
}

/// Where paths really lie; members that follow one another mostly have one parent.
class RealPaths {
 public:
  explicit RealPaths(const image::MergedTree& tree) : tree_(tree) {}

  std::string operator()(std::string_view path) {
    const std::string_view parent = parent_path(path);
    if (parent != parent_) {
      parent_ = parent;
      real_ = tree_.resolve(parent).value_or(parent_);
    }
    return real_.empty() ? std::string(base_name(path))
                         : fmt::format("{}/{}", real_, base_name(path));
  }

 private:
  const image::MergedTree& tree_;
  std::string parent_, real_;
};

class OlderEntries {
 public:
  OlderEntries(const image::MergedTree& tree, Draft& draft)
      : tree_(tree), draft_(draft), real_(tree) {}

  void hide() {
    for (std::uint32_t layer = 0; layer < tree_.layer_count(); ++layer)
      for (const auto& [position, edit] : draft_.layers()[layer])
        if (takes_name(&edit)) note({layer, static_cast<std::uint32_t>(position)});
    if (gone_.empty()) return;
    for (std::uint32_t layer = 0; layer < tree_.layer_count(); ++layer)
      for (std::uint32_t index = 0; index < tree_.layer(layer).size(); ++index)
        uncover({layer, index});
  }

 private:
  void note(image::EntryRef ref) {
    const Entry entry = tree_.entry(ref);
    if (entry.type == MemberType::kDirectory) return;
    names_.insert(base_name(entry.path));
    gone_[real_(entry.path)].push_back(ref);
  }

  /// What hid the entry is gone: a whiteout has to.
  void uncover(image::EntryRef ref) {
    const image::EntryState state = tree_.shadow(ref).state;
    if (state == image::EntryState::kLive || state == image::EntryState::kMarker ||
        takes_name(draft_.edit_at(ref)))
      return;
    const Entry entry = tree_.entry(ref);
    for (const image::EntryRef newer : gone_at(entry.path)) {
      if (newer.layer > ref.layer)
        hide_by_whiteout(entry.type == MemberType::kDirectory, newer);
      else if (newer.layer == ref.layer && newer.index > ref.index)
        drop_too(entry, ref);
    }
    // A file that took the place of a whole directory.
    if (state != image::EntryState::kDeleted) return;
    for (std::string_view above = parent_path(entry.path); !above.empty();
         above = parent_path(above))
      for (const image::EntryRef newer : gone_at(above))
        if (newer.layer > ref.layer) hide_by_whiteout(true, newer);
  }

  std::span<const image::EntryRef> gone_at(std::string_view path) {
    if (!names_.contains(base_name(path))) return {};
    const auto found = gone_.find(real_(path));
    return found == gone_.end() ? std::span<const image::EntryRef>() : found->second;
  }

  void hide_by_whiteout(bool directory, image::EntryRef newer) {
    // A file that is hidden itself still hides what a directory below it held.
    if (directory || tree_.shadow(newer).state == image::EntryState::kLive)
      draft_.layers()[newer.layer].at(newer.index).whiteout = true;
  }

  /// Whiteouts act on lower layers only.
  void drop_too(const Entry& older, image::EntryRef ref) {
    if (older.type != MemberType::kDirectory && older.type != MemberType::kHardLink &&
        !tree_.content_is_live(ref) && draft_.may_claim(ref, older.path))
      draft_.claim(ref, {Action::kDrop, kShadowedFiles, std::string(older.path), {}, 0, 0});
  }

  const image::MergedTree& tree_;
  Draft& draft_;
  RealPaths real_;
  std::unordered_map<std::string, std::vector<image::EntryRef>> gone_;  ///< by real path
  std::unordered_set<std::string_view> names_;                          ///< their last parts
};

}  // namespace

void hide_older_entries(const PassContext& context, Draft& draft) {
  OlderEntries(context.contents.tree(), draft).hide();
}

}  // namespace flense::slim
