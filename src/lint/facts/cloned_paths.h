// Directories that steps of a Dockerfile clone: what lies in them is not of the build context.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "lint/facts/stage_view.h"

namespace flense::lint {

class ClonedPaths {
 public:
  /// Of the view the stages are read, not what they install.
  explicit ClonedPaths(const FileView& view);

  /// Whether a path, as a command of a RUN names it, lies in a clone, also where another stage made
  /// it. A later COPY from the context takes its place.
  bool hold(std::size_t stage, const Instruction& run, const Word& path) const;

 private:
  /// Where commands run from a place of a RUN on.
  struct Directory {
    std::size_t from = 0;
    std::string path;
  };
  struct Clone {
    std::size_t stage = 0, at = 0;
    std::string path;
  };
  struct Asked;

  void read(std::size_t stage, const Instruction& run, std::vector<Directory>& directories);
  std::string resolved(const Instruction& step, std::size_t at, std::string_view path) const;
  bool cloned_last(const Asked& asked, std::vector<Asked>& sources) const;

  const Dockerfile& file_;
  std::map<const Instruction*, std::vector<Directory>> directories_;
  std::vector<Clone> clones_;
};

}  // namespace flense::lint
