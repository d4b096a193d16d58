// Comments that disable rules: "# flense ignore=rule,rule" for the instruction or line below (or
// the same line), "# flense global ignore=rule" for the file; hadolint's form of both works too,
// for the ids of equivalent rules.
#pragma once

#include <string>
#include <vector>

#include "lint/project/project.h"

namespace flense::lint {

struct Pragma {
  std::vector<std::string> rules;  ///< ids, numbers, aliases as written
  bool global = false;
  bool of_hadolint = false;
  Span comment;
  Span covers;  ///< findings that begin here; of the file when global
};

std::vector<Pragma> pragmas_of(const ProjectFile& file);

}  // namespace flense::lint
