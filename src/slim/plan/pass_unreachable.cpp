// The pass of --closure: everything that the walk from the start did not reach.
#include <set>
#include <string>

#include "base/path.h"
#include "slim/plan/draft.h"

namespace flense::slim {

namespace {

using codec::MemberType;

/// Paths as members of layers name them; a live one may have got there through a link.
std::set<std::string, std::less<>> member_paths(const image::MergedTree& tree,
                                                const std::vector<std::string>& live) {
  std::set<std::string, std::less<>> out(live.begin(), live.end());
  for (const std::string& path : live)
    if (const auto found = tree.find(path); found && found->entry)
      out.emplace(tree.entry(*found->entry).path);
  return out;
}

}  // namespace

// What lies below in another layer under the same path goes as well: else it would be seen again.
void unreachable_pass(const PassContext& context, Draft& draft) {
  if (context.reach == nullptr) return;
  draft.breaks_sharing(kUnreachable);
  const image::MergedTree& tree = context.contents.tree();
  std::set<std::string, std::less<>> paths = member_paths(tree, context.reach->unreached);
  const std::set<std::string, std::less<>> folders(context.reach->empty_directories.begin(),
                                                   context.reach->empty_directories.end());
  // Where an earlier pass puts a link, what it leads to is needed as its file was.
  for (const auto& edits : draft.layers())
    for (const auto& [position, edit] : edits)
      if (edit.action == Action::kSymlink && !paths.contains(edit.path))
        paths.erase(resolve_link_text(parent_path(edit.path), edit.new_path));
  for (std::uint32_t layer = 0; layer < draft.kept_layers(); ++layer)
    for (std::uint32_t index = 0; index < tree.layer(layer).size(); ++index)
      if (const auto kept = paths.find(tree.layer(layer).at(index).path); kept != paths.end())
        paths.erase(kept);
  for (std::uint32_t layer = 0; layer < tree.layer_count(); ++layer) {
    const image::LayerListing& listing = tree.layer(layer);
    for (std::uint32_t index = 0; index < listing.size(); ++index) {
      const image::LayerListing::Entry entry = listing.at(index);
      const image::EntryRef ref{layer, index};
      const bool folder = entry.type == MemberType::kDirectory;
      if (!(folder ? folders : paths).contains(entry.path) || !draft.may_claim(ref, entry.path))
        continue;
      const std::uint64_t bytes = context.contents.scan(ref).stored_bytes(index);
      draft.claim(ref, {Action::kDrop, kUnreachable, std::string(entry.path), {}, bytes, 0});
    }
  }
}

}  // namespace flense::slim
