// `--pyc compile`: the compiled files that imports in an image would make, made by the image's own
// Python and put into a layer of their own.
#pragma once

#include <cstdint>
#include <filesystem>
#include <stop_token>
#include <string>
#include <vector>

#include "base/progress.h"
#include "closure/python_sources.h"
#include "image/layers/merged_tree.h"
#include "slim/plan/plan.h"
#include "slim/sandbox/sandbox.h"

namespace flense::slim {

/// The sources that `plan` leaves in the tree.
std::vector<closure::PythonSources> staying_sources(const image::MergedTree& tree,
                                                    const Plan& plan);

struct CompiledLayer {
  CompiledSources sums;
  std::vector<std::string> notices;
};

/// Writes the layer as an uncompressed tar: the compiled files and the directories above them, with
/// owner and time of the source. The same for equal trees, on any number of processors. `root` is
/// the image unpacked, of which `tree` is the listing and has the sources; it is not changed.
/// `environment` is the image's: its library path counts, and PYTHONOPTIMIZE. Environment error
/// when bwrap is missing, cannot start, or the interpreter cannot run here; bad input when it
/// answers nonsense.
Result<CompiledLayer> compile_python(const std::filesystem::path& root,
                                     const image::MergedTree& tree,
                                     const std::vector<closure::PythonSources>& versions,
                                     const SandboxEnvironment& environment,
                                     const std::filesystem::path& scratch,
                                     const std::stop_token& stop, Progress* progress, Sink& to);

}  // namespace flense::slim
