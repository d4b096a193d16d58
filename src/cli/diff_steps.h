// The steps of `flense diff`, in the order in which diff.cpp calls them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/shared/common.h"
#include "cli/shared/io.h"
#include "compat/requirements.h"
#include "image/model/image.h"
#include "inventory/compare/snapshot.h"
#include "needs/needs.h"

namespace flense::cli {

/// One side of the comparison, as read. Of a saved inventory only the snapshot.
struct DiffSide {
  std::unique_ptr<const image::Image> image;
  inventory::Snapshot snapshot;
  std::optional<needs::Needs> needs;
  std::optional<compat::Requirements> sheet;
};

/// How both are read.
struct DiffReading {
  const Request& request;
  const ImageOptions& image;
  const knowledge::Knowledge& tables;
};

/// TARGET is an image, or a file that `flense inspect --json` wrote.
Result<DiffSide> read_diff_side(const std::string& target, const DiffReading& how, Io& io);

/// Reads the contents of files that have equal path and size in both, where the layers do not
/// settle it, and sets their digests.
Result<void> read_undecided(DiffSide& before, DiffSide& after, const DiffReading& how, Io& io);

}  // namespace flense::cli
