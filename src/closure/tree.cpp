#include "closure/tree.h"

#include <algorithm>

#include "base/glob.h"
#include "base/path.h"
#include "inventory/describe/survey.h"
#include "inventory/names/file_names.h"
#include "knowledge/table_rows.h"

namespace flense::closure {

ReachTree::ReachTree(const image::MergedTree& tree) : tree_(tree) {
  nodes_.reserve(tree.live_count());
  // The visitor never fails.
  static_cast<void>(tree.for_each(
      [&](const std::string& path, const image::MergedTree::Found& found) -> Result<void> {
        nodes_.push_back({path, found});
        return {};
      }));
  by_path_.reserve(nodes_.size());
  for (PathId id = 0; id < nodes_.size(); ++id) {
    by_path_.emplace(nodes_[id].path, id);
    if (!is_directory(id)) by_name_.push_back(id);
  }
  std::ranges::sort(by_name_, [&](PathId a, PathId b) {
    return std::pair(base_name(nodes_[a].path), a) < std::pair(base_name(nodes_[b].path), b);
  });
}

std::optional<PathId> ReachTree::find(std::string_view path) const {
  const auto found = by_path_.find(path);
  if (found == by_path_.end()) return std::nullopt;
  return found->second;
}

std::pair<PathId, PathId> ReachTree::below(PathId directory) const {
  const std::string& path = nodes_[directory].path;
  PathId end = directory + 1;
  // Siblings come in byte order of their names, so that "a.b" may stand between "a" and "a/c" in
  // no order of whole paths: what counts is that a directory's children follow it at once.
  while (end < nodes_.size() && (path.empty() || (nodes_[end].path.starts_with(path) &&
                                                  nodes_[end].path[path.size()] == '/')))
    ++end;
  return {directory + 1, end};
}

std::vector<PathId> ReachTree::matching(std::string_view pattern) const {
  std::vector<PathId> out;
  if (pattern.find('/') != std::string_view::npos) {
    const Glob glob(pattern);
    for (PathId id = 0; id < nodes_.size(); ++id)
      if (!is_directory(id) && glob.matches(nodes_[id].path)) out.push_back(id);
    return out;
  }
  const std::string_view beginning = pattern.substr(0, pattern.find('*'));
  auto at = std::ranges::lower_bound(by_name_, beginning, {},
                                     [&](PathId id) { return base_name(nodes_[id].path); });
  for (; at != by_name_.end(); ++at) {
    const std::string_view path = nodes_[*at].path, name = base_name(path);
    if (!name.starts_with(beginning)) break;
    if (knowledge::matches_pattern(pattern, name) &&
        !inventory::has_component(parent_path(path), "stubs"))
      out.push_back(*at);
  }
  return out;
}

}  // namespace flense::closure
