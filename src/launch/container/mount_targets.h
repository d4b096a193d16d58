// Mount points that a read-only root lacks, made without touching the root: below an empty
// directory of the image by a small tmpfs over it, elsewhere by a layer of empty directories and
// files under a read-only overlay, which has no upper layer and so never copies anything.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "launch/container/oci_config.h"
#include "launch/rootfs/in_root.h"

namespace flense::launch {

struct MissingTarget {
  std::string path;  ///< without a leading slash; its parents are made as well
  bool directory = false;
  bool operator==(const MissingTarget&) const = default;
};

struct TargetPlan {
  std::vector<OciMount> mounts;        ///< the given ones, with tmpfs before those that need it
  std::vector<MissingTarget> missing;  ///< for the overlay
  std::vector<std::string> reasons;    ///< for --explain
};

/// Bad input where the image has a file in place of a directory, or vice versa.
Result<TargetPlan> plan_targets(std::vector<OciMount> mounts, const PathKinds& look);

}  // namespace flense::launch
