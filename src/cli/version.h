// flense --version.
#pragma once

#include "base/result.h"
#include "cli/shared/io.h"

namespace flense::cli {

/// One line, or with `json` flense/version/v1: what a report of a defect has to say.
Result<void> print_version(bool json, Io& io);

}  // namespace flense::cli
