// What the scripts that a Dockerfile's RUN instructions call ask for.
#pragma once

#include <vector>

#include "lint/facts/stage_view.h"

namespace flense::lint {

struct ScriptInstall {
  PackageList list;  ///< its places are in `script`
  const ProjectFile* script = nullptr;
  std::size_t stage = 0;
};

/// In the order of the file. Scripts are found through COPY, ADD and bind mounts from the build
/// context; those that they call in turn are not read.
std::vector<ScriptInstall> script_installs_of(const FileView& view);

}  // namespace flense::lint
