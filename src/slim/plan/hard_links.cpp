#include <algorithm>
#include <map>
#include <set>
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

bool is_drop(const Edit* edit) {
  return edit != nullptr && edit->action == Action::kDrop;
}

/// The names of one content within one layer.
struct Group {
  std::uint32_t file = 0;  ///< position of the file; meaningless when it lies below
  bool below = false;      ///< the file is another layer's
  std::string_view kept;   ///< a name that stays; empty: none so far
  bool frozen = false;     ///< all its names stay as they were
  std::vector<std::uint32_t> edited;
};

/// Settles one layer. `wanted` collects the paths in lower layers that links of this one need.
class LayerLinks {
 public:
  LayerLinks(const image::MergedTree& tree, std::uint32_t layer, Draft& draft,
             std::set<std::string, std::less<>>& wanted)
      : tree_(tree), listing_(tree.layer(layer)), layer_(layer), draft_(draft), wanted_(wanted) {}

  void settle() {
    collect_last_names();
    if (last_names_.empty()) return;
    for (std::uint32_t index = 0; index < listing_.size(); ++index) {
      const Entry entry = listing_.at(index);
      if (entry.type == MemberType::kHardLink) {
        settle_link(index, entry);
      } else if (entry.type == MemberType::kFile) {
        if (last_names_.contains(base_name(entry.path))) add_file(index, entry);
      } else {
        names_.erase(entry.path);
      }
    }
  }

 private:
  struct Name {
    std::size_t group = 0;
    bool stays = false;
  };

  image::EntryRef ref(std::uint32_t index) const { return {layer_, index}; }

  /// Parents of a name may be symbolic links, its last part may not: it tells cheaply which files
  /// no link of this layer can mean.
  void collect_last_names() {
    for (std::uint32_t index = 0; index < listing_.size(); ++index) {
      const Entry entry = listing_.at(index);
      if (image::whiteout_kind(entry.path) != image::Whiteout::kNone)
        whiteouts_.try_emplace(image::whiteout_target(entry.path), index);
      if (entry.type != MemberType::kHardLink) continue;
      last_names_.insert(base_name(entry.path));
      last_names_.insert(base_name(entry.link));
    }
    for (std::uint32_t index = 0; index < listing_.size() && !last_names_.empty(); ++index)
      if (const Entry entry = listing_.at(index); last_names_.contains(base_name(entry.path)))
        own_.insert(entry.path);
  }

  void add_file(std::uint32_t index, const Entry& entry) {
    Group group;
    group.file = index;
    const bool dropped = is_drop(draft_.edit_at(ref(index)));
    if (dropped) {
      group.edited.push_back(index);
    } else {
      group.kept = entry.path;
    }
    names_.insert_or_assign(entry.path, Name{groups_.size(), !dropped});
    groups_.push_back(std::move(group));
  }

  /// The name that the link gives, as it stands in this layer or, else, in one below. A parent
  /// directory of it may be a symbolic link.
  Name target_of(const Entry& entry) {
    if (const auto found = names_.find(entry.link); found != names_.end()) return found->second;
    const auto parent = tree_.resolve(parent_path(entry.link));
    std::string real = std::string(entry.link);
    if (parent) real = *parent + (parent->empty() ? "" : "/") + std::string(base_name(entry.link));
    if (const auto found = names_.find(std::string_view(real)); found != names_.end())
      return found->second;
    Group group;
    group.below = true;
    group.kept = entry.link;
    names_.insert_or_assign(entry.link, Name{groups_.size(), true});
    groups_.push_back(std::move(group));
    if (real != entry.link) real_names_.emplace(groups_.size() - 1, std::move(real));
    return {groups_.size() - 1, true};
  }

  void settle_link(std::uint32_t index, const Entry& entry) {
    const Name target = target_of(entry);
    Group& group = groups_[target.group];
    const Edit* own = draft_.edit_at(ref(index));
    if (is_drop(own)) {
      if (!group.frozen) {
        group.edited.push_back(index);
        names_.insert_or_assign(entry.path, Name{target.group, false});
        return;
      }
      draft_.withdraw(ref(index));
    }
    if (group.below) want(target.group);
    if (!target.stays) follow(target.group, index, entry);
    names_.insert_or_assign(entry.path, Name{target.group, true});
  }

  /// The path of a lower layer is gone once the members before this one are unpacked, or this layer
  /// has it, too: then it would hang on their order what a link to it leads to.
  bool is_taken(std::string_view path, std::uint32_t index) const {
    if (own_.contains(path)) return true;
    for (;; path = parent_path(path)) {
      const auto found = whiteouts_.find(path);
      if (found != whiteouts_.end() && found->second < index) return true;
      if (path.empty()) return false;
    }
  }
  bool is_taken(std::size_t group, std::uint32_t index) const {
    const auto real = real_names_.find(group);
    return is_taken(groups_[group].kept, index) ||
           (real != real_names_.end() && is_taken(real->second, index));
  }

  void want(std::size_t group) {
    wanted_.emplace(groups_[group].kept);
    if (const auto real = real_names_.find(group); real != real_names_.end())
      wanted_.insert(real->second);
  }

  /// The name that the link gives goes: it takes the content over, or leads to a name that stays.
  void follow(std::size_t number, std::uint32_t index, const Entry& entry) {
    Group& group = groups_[number];
    if (group.kept.empty()) {
      const Entry file = listing_.at(group.file);
      const Pass pass = draft_.edit_at(ref(group.file))->pass;
      draft_.claim(ref(group.file), {Action::kRename, pass, std::string(file.path),
                                     std::string(entry.path), file.size, file.size});
      draft_.claim(ref(index), {Action::kMoved, pass, std::string(entry.path), {}, 0, 0});
      group.kept = entry.path;
      group.edited.push_back(index);
      return;
    }
    const auto kept = names_.find(group.kept);
    if (kept == names_.end() || kept->second.group != number ||
        (group.below && is_taken(number, index))) {
      // Another member or a whiteout has taken that name since: everything of this content stays
      // as it was.
      for (const std::uint32_t edited : group.edited) draft_.withdraw(ref(edited));
      group.frozen = true;
      return;
    }
    const Pass pass = pass_of(group);
    draft_.claim(ref(index),
                 {Action::kRetarget, pass, std::string(entry.path), std::string(group.kept), 0, 0});
    group.edited.push_back(index);
  }

  /// The pass that took the group's first name.
  Pass pass_of(const Group& group) const {
    const Edit* edit = group.edited.empty() ? nullptr : draft_.edit_at(ref(group.edited.front()));
    return edit == nullptr ? Pass(kShadowedFiles) : edit->pass;
  }

  const image::MergedTree& tree_;
  const image::LayerListing& listing_;
  std::uint32_t layer_;
  Draft& draft_;
  std::set<std::string, std::less<>>& wanted_;
  std::vector<Group> groups_;
  std::unordered_map<std::string_view, Name> names_;
  std::unordered_map<std::size_t, std::string> real_names_;
  std::unordered_set<std::string_view> own_;  ///< paths of this layer that links may mean
  std::map<std::string, std::uint32_t, std::less<>>
      whiteouts_;                                    ///< what they take: where they stand
  std::unordered_set<std::string_view> last_names_;  ///< of the links and of what they name
};

void withdraw_wanted(const image::LayerListing& listing, std::uint32_t layer,
                     const std::set<std::string, std::less<>>& wanted, Draft& draft) {
  std::vector<std::uint32_t> back;
  for (const auto& [position, edit] : draft.layers()[layer])
    if (edit.action == Action::kDrop && wanted.contains(edit.path))
      back.push_back(static_cast<std::uint32_t>(position));
  for (const std::uint32_t index : back)
    if (listing.at(index).type == MemberType::kFile ||
        listing.at(index).type == MemberType::kHardLink)
      draft.withdraw({layer, index});
}

}  // namespace

// Top layer first: what a link of a higher layer needs must be known before the lower one settles.
void settle_hard_links(const PassContext& context, Draft& draft) {
  const image::MergedTree& tree = context.contents.tree();
  std::set<std::string, std::less<>> wanted;
  for (auto layer = static_cast<std::uint32_t>(tree.layer_count()); layer-- > 0;) {
    withdraw_wanted(tree.layer(layer), layer, wanted, draft);
    LayerLinks(tree, layer, draft, wanted).settle();
  }
}

}  // namespace flense::slim
