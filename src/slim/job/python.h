// `--pyc compile`, between the plan and the writing.
#pragma once

#include <vector>

#include "closure/python_sources.h"
#include "slim/job/roots.h"
#include "slim/job/slimming.h"

namespace flense::slim {

/// What an import would compile of what the plan leaves; nothing without --pyc compile, and for a
/// plan that breaks the image. A usage error where there are no layers to add to.
Result<std::vector<closure::PythonSources>> sources_to_compile(const Slimming& slimming);

/// Compiles them by the Python of the unpacked input; the slimming gets a layer of what came out,
/// if anything did.
Result<void> add_compiled_python(const std::vector<closure::PythonSources>& sources,
                                 const UnpackedRoot& original, const Workplace& workplace,
                                 Slimming& slimming);

}  // namespace flense::slim
