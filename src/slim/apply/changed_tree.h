// A directory that is slimmed where it lies, so that a process killed at any moment loses nothing.
// New files wait in TREE/.flense-in-place until all of them are there and on disk; then a journal
// names the steps that put them in their places, and only then does the tree change. Before the
// journal is there, the next run takes everything back by removing that directory; from then on it
// finishes: each step may be repeated.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/file.h"
#include "base/result.h"

namespace flense::slim {

/// In the root of the tree while a run lasts.
inline constexpr std::string_view kInPlaceWork = ".flense-in-place";

/// The n-th step: the waiting file "n" takes a name in the tree, or the name goes.
struct TreeStep {
  std::string path;
  bool removes = false;
};
constexpr std::size_t member_count(const TreeStep* /*type*/) {
  return 2;
}

std::string journal_of(const std::vector<TreeStep>& steps);
/// Over hostile bytes. Every path is one inside the tree, and none is the journal's own place.
Result<std::vector<TreeStep>> parse_journal(Bytes bytes, std::string_view name);

/// Owner, mode, times and extended attributes of `from` for the new file, but for what signs the
/// old content.
Result<void> copy_metadata(int from, int to, const std::string& name);

/// An error where an earlier run was killed in this directory: what lies there now is neither the
/// old tree nor the new one. For whoever only reads.
Result<void> check_whole(const std::filesystem::path& root);

/// A name in a directory that is held: whoever swaps a directory of the path for a link meanwhile
/// leads nothing out of the tree.
struct Place {
  UniqueFd directory;
  std::string name;
  std::filesystem::path path;   ///< through the descriptor
  std::filesystem::path shown;  ///< as the user knows it

  /// Errors of what was done by `path` name the file as the user knows it.
  template <class T>
  Result<T> named(Result<T> result) const {
    if (result) return result;
    const std::string through = path.parent_path().string();
    std::string& message = result.error().message;
    if (const std::size_t at = message.find(through); at != std::string::npos)
      message.replace(at, through.size(), shown.parent_path().string());
    return result;
  }
};

class ChangedTree {
 public:
  /// Locks the tree against other runs, and first finishes or takes back what a killed one began.
  static Result<ChangedTree> open(const std::filesystem::path& root);
  ChangedTree(ChangedTree&&) noexcept = default;
  ChangedTree& operator=(ChangedTree&&) = delete;
  /// Without commit() nothing has changed; what was staged is removed.
  ~ChangedTree();

  const std::filesystem::path& root() const { return shown_; }
  /// What became of a killed run's work; empty: there was none.
  const std::string& notice() const { return notice_; }

  Result<Place> place_of(const std::string& path) const;
  /// Why the file of this name must stay; empty: it may be replaced, or, if so asked, removed.
  std::string refusal(const Place& place, bool removed) const;

  /// Content for the file at `place`, with the owner, mode, times and attributes of what is there.
  Result<void> stage(const std::string& path, const Place& place, Bytes content);
  /// A further name of what is staged for `other`, or else of the file that lies there.
  Result<void> stage_link(const std::string& path, const std::string& other);
  Result<void> stage_symlink(const std::string& path, const std::string& text);
  void stage_removal(const std::string& path);

  /// All steps. From here on errors leave the journal behind, for the next run.
  Result<void> commit();

 private:
  ChangedTree(std::filesystem::path shown, UniqueFd root)
      : shown_(std::move(shown)), root_(std::move(root)) {}
  Result<void> recover();
  Result<void> open_work();
  Result<void> write_journal() const;
  Result<void> perform(const std::vector<TreeStep>& steps, bool again) const;
  Result<void> remove_work();
  std::string next_name() const { return std::to_string(steps_.size()); }

  std::filesystem::path shown_;
  UniqueFd root_;  ///< holds the lock
  UniqueFd work_;
  std::vector<TreeStep> steps_;
  std::string notice_;
};

}  // namespace flense::slim
