// Whose SPDX document it is after a reissue, and what it was made from.
#pragma once

#include "sbom/formats.h"

namespace flense::sbom {

/// Bad input where the document lacks what has to be stated anew.
Result<void> check_spdx_origin(const text::Json& document);
/// Namespace, creators, the reference to the original, and the image that is described.
void state_spdx_origin(const Task& task);

}  // namespace flense::sbom
