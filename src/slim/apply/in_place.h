// Slimming a directory or a file where it lies: what changes changes as a whole, nothing else
// moves. Used inside a Dockerfile, in the same layer that installs.
#pragma once

#include <filesystem>

#include "base/progress.h"
#include "slim/apply/apply_layer.h"
#include "slim/apply/changed_tree.h"
#include "slim/plan/options.h"
#include "slim/plan/plan.h"

namespace flense::slim {

/// Executes the one layer of `plan` on the tree. Package lists follow after each file they list. A
/// failure before the first change leaves the tree as it was; see changed_tree.h.
Result<LayerOutcome> apply_in_place(ChangedTree& tree, const LayerPlan& plan, const CutRules& cuts,
                                    const Workplace& workplace);

/// One ELF file into `output`, which may be the input's own path. The outcome names the reason when
/// nothing could be changed; then `output`, if it is another path, is a copy.
Result<LayerOutcome> slim_file(const std::filesystem::path& input,
                               const std::filesystem::path& output, const CutRules& cuts,
                               const Workplace& workplace);

}  // namespace flense::slim
