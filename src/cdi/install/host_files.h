// Reading and changing files of a machine whose root may be mounted elsewhere: links are followed
// inside that root only, and what is written appears whole or not at all, keeping mode and owner.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "host/tree.h"

namespace flense::cdi {

class HostFiles {
 public:
  static constexpr std::uint64_t kMostBytes = std::uint64_t{4} << 20;

  explicit HostFiles(const std::filesystem::path& root);

  /// nullopt when there is no such file.
  Result<std::optional<std::string>> read(const std::string& path) const;
  /// Sorted; empty if it is not a directory.
  std::vector<std::string> list(const std::string& path) const;
  /// An environment error where a link on the way leads nowhere, or what is no directory is in it:
  /// nothing of somebody else's is replaced.
  Result<void> check_place(const std::string& path) const;
  /// Of the directories on the way those that are not there, outermost first.
  std::vector<std::string> missing_directories(const std::string& path) const;
  /// Makes the directories on the way. Leaves a file alone that holds this already.
  Result<void> write(const std::string& path, std::string_view text, unsigned mode = 0644) const;
  Result<void> link(const std::string& path, const std::string& target) const;
  /// A link's text; nullopt for anything else.
  std::optional<std::string> link_text(const std::string& path) const;
  /// A file or link, and nothing where there is none; and what a write that was killed has left.
  Result<void> remove(const std::string& path) const;
  /// Only if it is empty; whether it is gone.
  bool remove_directory(const std::string& path) const;
  /// Waits until nobody else has it. The file goes with the descriptor: see unlock().
  Result<UniqueFd> lock(const std::string& path) const;
  void unlock(const std::string& path, UniqueFd lock) const;

 private:
  /// Where it lies, with every directory on the way followed inside the root.
  std::filesystem::path place(const std::string& path) const;
  Result<void> make_directories(const std::string& path) const;

  std::filesystem::path root_;
  host::Tree tree_;
};

}  // namespace flense::cdi
