// --trace and --trace-file: what runs of the image's programs met, before anything is planned.
#pragma once

#include <string>
#include <vector>

#include "image/layers/merged_tree.h"
#include "slim/job/roots.h"
#include "slim/plan/options.h"

namespace flense::slim {

struct Traced {
  std::vector<std::string> met;     ///< image paths, as in TraceFindings
  std::vector<std::string> opened;  ///< those that a start waits for
  std::vector<TraceSource> sources;
  std::vector<std::string> notices;
  std::string text;     ///< of the commands, as a file for --trace-file
  std::string failure;  ///< why a command proves nothing; then the rest does not count
};

/// Adds the paths in `file`; `tree` is the image's.
Result<void> read_trace(const std::string& file, const image::MergedTree& tree, Traced& traced);

/// Runs `commands` one after the other, up to one that fails, and adds what they met.
Result<void> run_traces(const std::vector<std::string>& commands, const UnpackedRoot& original,
                        const Workplace& workplace, Traced& traced);

/// Has the options keep what was met, with --closure, and put what was opened first in lazy layers.
void heed(Traced& traced, SlimOptions& options);

}  // namespace flense::slim
