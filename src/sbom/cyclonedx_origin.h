// Whose CycloneDX document it is after a reissue, and what it was made from.
#pragma once

#include "sbom/cyclonedx_refs.h"
#include "sbom/formats.h"

namespace flense::sbom {

/// Serial number, tools, the reference to the original, and the image that is described; tells
/// which names change with it.
Result<void> state_cyclonedx_origin(const Task& task, RefChanges& refs);

}  // namespace flense::sbom
