// Lists of packages, each with the stage that installs it.
#pragma once

#include <vector>

#include "lint/facts/stage_view.h"

namespace flense::lint {

const knowledge::Frameworks& tables_of(const Project& project);

/// A list with the stage that installs it; of a list that no Dockerfile of the call installs, no
/// stage.
struct PlacedList {
  const PackageList* list = nullptr;
  const ProjectFile* file = nullptr;
  const FileView* view = nullptr;
  const Install* install = nullptr;
};

std::vector<PlacedList> placed_lists(const Project& project, const std::vector<FileView>& views);

/// Whether the stage gets the package in every build.
bool is_sure(const PlacedList& place, const PackageRequest& request);

/// Whether a step hands the list, a file of its own, to sed, which may change it, or to conda.
bool is_rewritten(const PlacedList& place);

/// Whether another command of the stage installs a torch, in place of this one or over it: one for
/// GPUs, or any.
bool gets_torch(const Project& project, const PlacedList& place, bool any);

}  // namespace flense::lint
