// What the steps of a stage write, by its paths.
#pragma once

#include <string>
#include <vector>

#include "lint/facts/build_steps.h"

namespace flense::lint {

/// A path that a step writes into the image.
struct Written {
  const Instruction* step = nullptr;
  std::string path;  ///< absolute
  std::string how;   ///< "COPY", "git clone", "wget"
  Span span;         ///< of the word or command
  bool download = false;
};
/// In the order of the build, at most 2,000. What goes to a mount is left out.
std::vector<Written> written_paths(const StageSteps& steps);

}  // namespace flense::lint
