// What a run met below a root: names are looked up the way the kernel does it, in a root that does
// not change meanwhile, and what was found is remembered, with every symbolic link on the way.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/result.h"

namespace flense::slim {

/// Image paths, sorted, each in one of the lists: files, symbolic links, and directories, which
/// stand for themselves and not for what is in them.
struct MetPaths {
  std::vector<std::string> used;    ///< opened, executed, read as a link
  std::vector<std::string> looked;  ///< asked about only
};

class PathRecorder {
 public:
  struct Limits {
    std::size_t paths = 1'000'000;
  };

  /// `root` is a descriptor of the root directory that outlives the object. `covered` are image
  /// paths that something else is mounted on: what lies there is not the image's.
  PathRecorder(int root, const std::vector<std::string>& covered);
  PathRecorder(int root, const std::vector<std::string>& covered, Limits limits);

  /// `path` as the program wrote it, relative to the image path `directory` unless it begins with
  /// '/'; a link at its end is followed when `follow`. What is not there leaves nothing.
  void used(std::string_view directory, std::string_view path, bool follow);
  void looked_at(std::string_view directory, std::string_view path, bool follow);
  /// A program, with the interpreter that its first line or its ELF header names: the kernel opens
  /// it.
  void executed(std::string_view directory, std::string_view path, bool follow);

  /// More paths than the limit were met; some are missing.
  bool full() const { return full_; }
  MetPaths take();

 private:
  struct Found {
    std::string path;
    bool regular = false;
  };
  std::optional<Found> look_up(std::string_view directory, std::string_view path, bool follow,
                               bool use);
  void note(std::string path, bool use);
  bool is_covered(std::string_view path) const;
  bool seen_before(char kind, std::string_view directory, std::string_view path, bool follow);
  void follow_interpreter(const std::string& program, unsigned depth);

  int root_;
  Limits limits_;
  std::vector<std::string> covered_;
  std::unordered_map<std::string, bool> met_;  ///< whether it was used
  std::unordered_set<std::string> directories_, asked_;
  bool full_ = false;
};

}  // namespace flense::slim
