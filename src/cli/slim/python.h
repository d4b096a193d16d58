// `flense slim --pyc compile`.
#pragma once

#include "base/result.h"
#include "cli/shared/io.h"
#include "cli/slim/steps.h"

namespace flense::cli {

/// Compiles what the plan leaves and an import would compile, by the Python of the unpacked
/// original; the image and the plan get a layer of what came out, if anything did.
Result<void> add_compiled_python(SlimSubject& subject, const Io& io);

}  // namespace flense::cli
