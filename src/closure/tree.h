// The paths that a container sees as a table: numbered, so that sets and reasons are arrays.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "image/layers/merged_tree.h"

namespace flense::closure {

using PathId = std::uint32_t;

class ReachTree {
 public:
  explicit ReachTree(const image::MergedTree& tree);

  struct Node {
    std::string path;
    image::MergedTree::Found found;
  };
  std::size_t size() const { return nodes_.size(); }
  const Node& at(PathId id) const { return nodes_[id]; }
  std::string_view path(PathId id) const { return nodes_[id].path; }
  bool is_directory(PathId id) const {
    return nodes_[id].found.type == codec::MemberType::kDirectory;
  }
  /// The exact path; nullopt when nobody sees it.
  std::optional<PathId> find(std::string_view path) const;
  const image::MergedTree& merged() const { return tree_; }

  /// What lies below a directory: [first, second), parents before children.
  std::pair<PathId, PathId> below(PathId directory) const;
  /// Files and links by a pattern of data/dlopen.json: a name with '*', or a glob over paths.
  /// Directories of stubs apart.
  std::vector<PathId> matching(std::string_view pattern) const;

 private:
  const image::MergedTree& tree_;
  std::vector<Node> nodes_;
  std::unordered_map<std::string_view, PathId> by_path_;
  std::vector<PathId> by_name_;  ///< files and links, sorted by name
};

}  // namespace flense::closure
